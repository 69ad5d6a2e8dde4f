"""What holds exactly at a bound: of tokens, of what is remembered of them, and of key sets that age."""

from __future__ import annotations

import asyncio
import hmac
import json
import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from contracts import samples
from contracts.token_verifier import USER, Issuer
from obscura_backup.adapters.tokens import jwks
from obscura_backup.adapters.tokens.jwks import JwksKeySource, SecretKeySource, parse_jwks
from obscura_backup.adapters.tokens.verifier import TOKEN_MAX_CHARS, JwtVerifier
from obscura_backup.domain.errors import StoreUnusable, Unauthenticated, Unavailable
from obscura_backup.entrypoints.container import Container
from obscura_backup.entrypoints.setting_sources import InvalidSettings
from obscura_backup.entrypoints.settings import Settings, load_settings
from support.clocks import MovableClock
from support.table import table

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "s" * 32
BY_SECRET = Issuer("HS256", None, lambda data: hmac.digest(SECRET.encode(), data, "sha256"))


def set_of(kid: str) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return json.dumps({"keys": [{**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key)), "kid": kid}]}).encode()


class AgeingSet:
    """A key source whose every read gives another set, by a clock that stands still."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.reads = 0
        self.is_down = False
        self.source = JwksKeySource(self.read, "a test", clock=lambda: self.seconds)

    def read(self) -> bytes:
        self.reads += 1
        if self.is_down:
            raise OSError("no route")
        return set_of(str(self.reads))

    async def key_id(self, *, unknown: bool = False) -> str | None:
        keys = await self.source.keys(unknown_key_id=unknown)
        return keys[0].key_id

    async def looked_again(self) -> bool:
        """Whether a read is under way in the background; waits for its end."""
        task = self.source._background_fetch
        if task is None or task.done():
            return False
        await task
        return True


# --- the age of a key set ---


@table(("after", "reads"), [(-0.001, 1), (0, 2)])
async def test_unknown_key_leads_to_another_look_at_exactly_the_patience(after: float, reads: int) -> None:
    ageing = AgeingSet()
    await ageing.key_id()
    ageing.seconds += jwks.MIN_REFETCH_INTERVAL_SECONDS + after
    await ageing.key_id(unknown=True)
    assert ageing.reads == reads


@table(("after", "looks"), [(0, False), (0.001, True)])
async def test_set_is_read_again_behind_exactly_its_refresh_age(after: float, looks: bool) -> None:  # noqa: FBT001
    ageing = AgeingSet()
    await ageing.key_id()
    ageing.seconds += jwks.REFRESH_SECONDS + after
    assert await ageing.key_id() == "1", "no caller waits for it"
    assert await ageing.looked_again() is looks
    assert await ageing.key_id() == ("2" if looks else "1")


@table(("after", "key_id"), [(0, "1"), (0.001, "2")])
async def test_caller_waits_for_the_look_behind_exactly_the_stale_age(after: float, key_id: str) -> None:
    ageing = AgeingSet()
    await ageing.key_id()
    ageing.seconds += jwks.STALE_SECONDS + after
    assert await ageing.key_id() == key_id
    await ageing.looked_again()


async def test_keys_are_good_at_exactly_their_greatest_age_and_no_longer() -> None:
    ageing = AgeingSet()
    await ageing.key_id()
    ageing.is_down = True
    ageing.seconds += jwks.KEYS_MAX_AGE_SECONDS
    assert await ageing.key_id() == "1"
    ageing.seconds += 0.001
    with pytest.raises(Unavailable, match="cannot be read"):
        await ageing.key_id()
    ageing.is_down = False
    ageing.seconds += jwks.MIN_REFETCH_INTERVAL_SECONDS
    assert await ageing.key_id() != "1", "and good again once it answers"


async def test_failed_look_is_not_repeated_before_the_patience_is_over() -> None:
    ageing = AgeingSet()
    ageing.is_down = True
    for _ in range(3):
        with pytest.raises(Unavailable):
            await ageing.key_id()
    assert ageing.reads == 1
    ageing.is_down = False
    ageing.seconds += jwks.MIN_REFETCH_INTERVAL_SECONDS - 0.001
    with pytest.raises(Unavailable):
        await ageing.key_id()
    ageing.seconds += 0.001
    assert await ageing.key_id() == "2"


async def test_age_counts_from_the_begin_of_the_read() -> None:
    """What is read may have been withdrawn while it was on its way."""
    ageing = AgeingSet()
    read = ageing.read

    def slow() -> bytes:
        ageing.seconds += 4
        return read()

    ageing.source._read = slow
    await ageing.key_id()
    assert ageing.source._clock() - ageing.source._read_at == 4


# --- the size of keys and sets ---


@table(("bits", "taken"), [(2047, False), (2048, True)])
def test_rsa_key_of_exactly_the_least_length(bits: int, taken: bool) -> None:  # noqa: FBT001
    numbers = rsa.RSAPublicNumbers(65537, 2 ** (bits - 1) + 1)
    entries = [json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(numbers.public_key())), json.loads(set_of("a"))["keys"][0]]
    found = parse_jwks(json.dumps({"keys": entries}).encode())
    assert [key.algorithm for key in found] == (["RS256", "ES256"] if taken else ["ES256"])


def test_key_set_file_of_exactly_the_greatest_length(tmp_path: Path) -> None:
    path, content = tmp_path / "jwks.json", set_of("a")
    path.write_bytes(content + b" " * (jwks.JWKS_MAX_BYTES - len(content)))
    JwksKeySource.file(path)
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(StoreUnusable, match=f"more than {jwks.JWKS_MAX_BYTES} bytes"):
        JwksKeySource.file(path)


@table("name", ["/dev/zero", "/dev/null", ".", "nowhere"])
def test_key_set_that_is_no_regular_file_is_refused_at_once(tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreUnusable, match=r"a device|a directory|No such file"):
        JwksKeySource.file(tmp_path / name)


async def test_key_set_file_that_became_a_pipe_leaves_the_keys_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(set_of("a"))
    source = JwksKeySource.file(path)
    path.unlink()
    os.mkfifo(path)
    async with asyncio.timeout(5):
        keys = await source.keys(unknown_key_id=True)
    assert [key.key_id for key in keys] == ["a"]


@table("url", ["https://user:hunter2@id.example/keys", "https://id.example/keys?key=hunter2"])
async def test_secrets_in_the_url_of_a_key_set_are_not_named(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bytes:
        raise OSError("no route")

    monkeypatch.setattr(jwks, "_fetch", fail)
    with pytest.raises(Unavailable, match=r"The key set https://id\.example/keys cannot be read\.$"):
        await JwksKeySource.url(url).keys()


# --- a token's bounds ---


async def test_token_of_exactly_the_greatest_length() -> None:
    clock = MovableClock()
    verifier = JwtVerifier(SecretKeySource(SECRET), clock)
    claims = {"sub": str(USER), "exp": clock.after(600)}

    def of_length(length: int) -> str:
        # Base64 grows in steps, which two parts together can make any length of.
        for header in range(4):
            for size in range(5900, 6100):
                token = BY_SECRET.token({**claims, "x": "x" * size}, x="x" * header)
                if len(token) == length:
                    return token
        raise AssertionError

    assert await verifier.verify(of_length(TOKEN_MAX_CHARS)) == USER
    longer = of_length(TOKEN_MAX_CHARS + 1)
    for use in (verifier.verify, verifier.recognise):
        with pytest.raises(Unauthenticated, match="too long"):
            await use(longer)


@table("sign", [1, -1])
@table("claim", ["exp", "nbf"])
async def test_time_of_exactly_the_greatest_amount(claim: str, sign: int) -> None:
    clock = MovableClock()
    verifier = JwtVerifier(SecretKeySource(SECRET), clock)
    claims = {"sub": str(USER), "exp": clock.after(600)}
    with pytest.raises(Unauthenticated, match="not a time"):
        await verifier.verify(BY_SECRET.token({**claims, claim: sign * 2**53}))
    within = BY_SECRET.token({**claims, claim: sign * (2**53 - 1)})
    if (claim == "exp") is (sign == 1):
        assert await verifier.verify(within) == USER
    else:
        with pytest.raises(Unauthenticated, match=r"expired|not valid yet"):
            await verifier.verify(within)


async def test_exactly_as_many_tokens_are_remembered_as_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("obscura_backup.adapters.tokens.verifier.CACHED_TOKENS", 3)
    clock = MovableClock()
    verifier = JwtVerifier(SecretKeySource(SECRET), clock)
    tokens = [BY_SECRET.token({"sub": str(samples.user(n)), "exp": clock.after(600)}) for n in range(4)]
    for token in tokens[:3]:
        await verifier.verify(token)
    assert [await verifier.recognise(token) for token in tokens] == [*map(samples.user, range(3)), None]
    await verifier.verify(tokens[3])
    assert [await verifier.recognise(token) for token in tokens] == [None, *map(samples.user, range(1, 4))]


# --- the setting ---


@table("seconds", [0, 30, 300])
def test_leeway_within_its_bounds(seconds: int) -> None:
    assert load_settings({}, {"OBSCURA_BACKUP_AUTH_LEEWAY_SECONDS": str(seconds)}).auth_leeway_seconds == seconds


@table("value", ["-1", "301", "1.5", "nan", "inf", "30s"])
def test_leeway_outside_of_its_bounds_is_refused(value: str) -> None:
    with pytest.raises(InvalidSettings, match="auth_leeway_seconds"):
        load_settings({}, {"OBSCURA_BACKUP_AUTH_LEEWAY_SECONDS": value})


@table(("settings", "seconds"), [({}, 30), ({"auth_leeway_seconds": 0}, 0)])
async def test_leeway_of_the_settings_is_that_of_the_service(settings: dict[str, Any], seconds: int) -> None:
    verifier = Container(settings=Settings(auth_secret=SECRET, **settings)).tokens()
    clock = MovableClock()
    verifier._clock = clock
    claims = {"sub": str(USER), "exp": clock.after(600), "nbf": clock.after(0) + 1 + seconds}
    with pytest.raises(Unauthenticated, match="not valid yet"):
        await verifier.verify(BY_SECRET.token(claims))
    assert await verifier.verify(BY_SECRET.token({**claims, "nbf": clock.after(0) + seconds})) == USER


@table("leeway", [0, 30, 300])
async def test_token_is_good_until_exactly_the_leeway_behind_its_end(leeway: int) -> None:
    """The same for a token that was verified before as for a new one."""
    clock = MovableClock()
    verifier = JwtVerifier(SecretKeySource(SECRET), clock, leeway_seconds=leeway)
    end = clock.after(600)
    known = BY_SECRET.token({"sub": str(USER), "exp": end})
    assert await verifier.verify(known) == USER
    for number, (offset, good) in enumerate([(-0.001, True), (0, False), (0.001, False)]):
        clock.moment = clock.moment.fromtimestamp(end, clock.moment.tzinfo) + timedelta(seconds=leeway + offset)
        new = BY_SECRET.token({"sub": str(USER), "exp": end, "jti": str(number)})
        assert (await verifier.recognise(known) == USER) is good
        for token in (known, new):
            if good:
                assert await verifier.verify(token) == USER
            else:
                with pytest.raises(Unauthenticated, match="expired"):
                    await verifier.verify(token)


@table("leeway", [0, 30, 300])
async def test_token_is_good_from_exactly_the_leeway_before_its_begin(leeway: int) -> None:
    clock = MovableClock()
    verifier = JwtVerifier(SecretKeySource(SECRET), clock, leeway_seconds=leeway)
    begin = clock.after(600)
    token = BY_SECRET.token({"sub": str(USER), "nbf": begin, "exp": begin + 1000})
    for offset, good in [(-0.001, False), (0, True), (0.001, True)]:
        clock.moment = clock.moment.fromtimestamp(begin, clock.moment.tzinfo) + timedelta(seconds=offset - leeway)
        if good:
            assert await verifier.verify(token) == USER
        else:
            with pytest.raises(Unauthenticated, match="not valid yet"):
                await verifier.verify(token)
            assert await verifier.recognise(token) is None
