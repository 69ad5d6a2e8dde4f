"""Token verifiers: their contract over a secret and over a key set, reasons, the cache, and reading keys again."""

from __future__ import annotations

import asyncio
import hmac
import json
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from contracts.token_verifier import AUDIENCE, ISSUER, USER, Issuer, SignatureContract, TokenVerifierContract
from obscura_backup.adapters.tokens import jwks
from obscura_backup.adapters.tokens.issuer import issue_token
from obscura_backup.adapters.tokens.jwks import JwksKeySource, SecretKeySource, parse_jwks
from obscura_backup.adapters.tokens.verifier import JwtVerifier
from obscura_backup.domain.errors import StoreUnusable, Unauthenticated
from support.clocks import MovableClock
from support.table import table
from support.token_keys import KEYS, SECRET, issuer, jwk, key_set

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from obscura_backup.domain.ports import TokenVerifier


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def verifier(clock: MovableClock) -> JwtVerifier:
    return JwtVerifier(SecretKeySource(SECRET), clock)


def token(clock: MovableClock, key: Any = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    whole = {"sub": str(USER), "exp": clock.now() + timedelta(hours=1), **claims}
    headers = {"kid": whole.pop("kid")} if "kid" in whole else None
    return jwt.encode({name: value for name, value in whole.items() if value is not None}, key, algorithm, headers)


SET = key_set(jwk("RS256", kid="rsa"), jwk("EdDSA", kid="ed", alg="EdDSA"))


async def test_issued_token_is_accepted(verifier: JwtVerifier, clock: MovableClock) -> None:
    assert await verifier.verify(issue_token(SECRET, USER, timedelta(minutes=5), clock)) == USER


async def test_issued_token_carries_what_is_required(clock: MovableClock) -> None:
    verifier = JwtVerifier(SecretKeySource(SECRET), clock, audience="backup", issuer="us", user_claim="uid")
    issued = issue_token(SECRET, USER, timedelta(minutes=5), clock, audience="backup", issuer="us", user_claim="uid")
    assert await verifier.verify(issued) == USER


async def test_token_from_the_cache_expires_too(verifier: JwtVerifier, clock: MovableClock) -> None:
    issued = token(clock, exp=clock.now() + timedelta(seconds=30))
    await verifier.verify(issued)
    clock.moment += timedelta(seconds=29)
    assert await verifier.verify(issued) == USER
    clock.moment += timedelta(seconds=2)
    with pytest.raises(Unauthenticated, match="expired"):
        await verifier.verify(issued)
    assert verifier._verified == {}


async def test_cache_holds_no_token(verifier: JwtVerifier, clock: MovableClock) -> None:
    issued = token(clock)
    await verifier.verify(issued)
    assert issued not in repr(verifier._verified)


async def test_refusal_of_a_claim_tells_the_reason(verifier: JwtVerifier, clock: MovableClock) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"exp": None}, "no `exp`"),
        ({"exp": 1}, "expired"),
        ({"exp": True}, "not a time"),
        ({"exp": 10**400}, "not a time"),
        ({"exp": -1}, "expired"),
        ({"exp": float("inf")}, "not a time"),
        ({"exp": float("nan")}, "not a time"),
        ({"exp": []}, "not a time"),
        ({"nbf": 99_999_999_999}, "not valid yet"),
        ({"nbf": {}}, "not a time"),
        ({"sub": None}, "`sub`"),
        ({"sub": "alice"}, "not a UUID"),
        ({"sub": f"{{{USER}}}"}, "not a UUID"),
        ({"sub": f"urn:uuid:{USER}"}, "not a UUID"),
        ({"sub": f"{USER}\n"}, "not a UUID"),
    ]
    for claims, reason in cases:
        with pytest.raises(Unauthenticated, match=reason):
            await verifier.verify(token(clock, **claims))


async def test_junk(verifier: JwtVerifier) -> None:
    for junk in ["", "x", "a.b.c", "....", "\udcff", "é" * 10, "x" * 9000]:
        with pytest.raises(Unauthenticated):
            await verifier.verify(junk)


async def test_audience_that_is_not_required(verifier: JwtVerifier, clock: MovableClock) -> None:
    assert await verifier.verify(token(clock, aud="whatever")) == USER


@table("content", [b"", b"[]", b"{}", b'{"keys": []}', b'{"keys": [{"kty": "oct", "k": "eA"}]}', b"\xff"])
def test_unusable_key_set(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(content)
    with pytest.raises(StoreUnusable):
        JwksKeySource.file(path)


def test_one_odd_key_does_not_spoil_the_others() -> None:
    odd = [
        "x",
        7,
        None,
        {"kty": ["RSA"]},
        {"kty": "RSA", "n": "!", "e": "AQAB"},
        {"kty": "EC", "crv": {}},
        {"kty": "OKP"},
    ]
    assert [key.algorithm for key in parse_jwks(key_set(*odd, jwk("ES256")))] == ["ES256"]
    private = json.loads(jwt.get_algorithm_by_name("RS256").to_jwk(KEYS["RS256"]))
    assert [key.algorithm for key in parse_jwks(key_set(private, jwk("ES256")))] == ["ES256"]


def test_nested_nonsense_is_no_key_set() -> None:
    with pytest.raises(ValueError, match="not a JSON Web Key Set"):
        parse_jwks(b"[" * 100_000)


async def test_named_key_wins_over_one_without_a_name(clock: MovableClock) -> None:
    keys = key_set(jwk("ES256"), jwk("EdDSA", kid="ed"))
    verifier = JwtVerifier(JwksKeySource(lambda: keys, "a test"), clock)
    assert await verifier.verify(token(clock, KEYS["EdDSA"], "EdDSA", kid="ed")) == USER


async def test_key_withdrawn_long_ago_is_refused_at_the_first_request(
    clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    sets = [SET]
    verifier = JwtVerifier(JwksKeySource(lambda: sets[-1], "a test"), clock)
    withdrawn = token(clock, KEYS["RS256"], "RS256", kid="rsa")
    assert await verifier.verify(withdrawn) == USER
    sets.append(key_set(jwk("EdDSA", kid="ed")))
    for name in ("MIN_REFETCH_INTERVAL_SECONDS", "REFRESH_SECONDS", "STALE_SECONDS"):
        monkeypatch.setattr(jwks, name, 0.0)
    answers = await asyncio.gather(*(verifier.verify(withdrawn) for _ in range(3)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [Unauthenticated] * 3, "nor at those that come with it"


async def test_many_at_once_read_the_source_once(clock: MovableClock) -> None:
    reads = 0

    def read() -> bytes:
        nonlocal reads
        reads += 1
        return SET

    verifier = JwtVerifier(JwksKeySource(read, "counted"), clock)
    tokens = [token(clock, KEYS["EdDSA"], "EdDSA", kid="ed", jti=str(number)) for number in range(10)]
    assert await asyncio.gather(*(verifier.verify(one) for one in tokens)) == [USER] * 10
    assert reads == 1


def test_keys_are_not_shown() -> None:
    assert SECRET not in repr(SecretKeySource(SECRET)._keys)


def verifier_of(keys: Callable[[], bytes], clock: MovableClock) -> JwtVerifier:
    return JwtVerifier(JwksKeySource(keys, "a test"), clock, audience=AUDIENCE, issuer=ISSUER)


def claims_of(clock: MovableClock, **more: Any) -> dict[str, Any]:
    return {"sub": str(USER), "exp": clock.after(600), "aud": AUDIENCE, "iss": ISSUER, **more}


class TestSecret(TokenVerifierContract):
    @pytest.fixture
    def issuer(self) -> Issuer:
        return Issuer("HS256", None, lambda data: hmac.digest(SECRET.encode(), data, "sha256"))

    @pytest.fixture
    def verifier(self, clock: MovableClock) -> TokenVerifier:
        return JwtVerifier(SecretKeySource(SECRET), clock, audience=AUDIENCE, issuer=ISSUER)


class OfKeySet:
    """A set that has a key for each algorithm."""

    @pytest.fixture
    def issuer(self, algorithm: str) -> Issuer:
        return issuer(algorithm, kid=f"key-{algorithm}")

    @pytest.fixture
    def verifier(self, clock: MovableClock) -> TokenVerifier:
        keys = key_set(*(jwk(algorithm, kid=f"key-{algorithm}") for algorithm in KEYS))
        return verifier_of(lambda: keys, clock)


class TestKeySet(OfKeySet, TokenVerifierContract):
    @pytest.fixture
    def algorithm(self) -> str:
        return "EdDSA"


@pytest.mark.parametrize("algorithm", KEYS)
class TestEachAlgorithm(OfKeySet, SignatureContract):
    """The claims are read after the signature, in the same way for all algorithms."""

    async def test_key_ids_that_are_none(self, verifier: TokenVerifier, issuer: Issuer, claims: dict[str, Any]) -> None:
        for kid in [
            "", "unknown", "../../../../dev/null", "/dev/null", "http://127.0.0.1:1/keys", "key' OR '1'='1",
            "key-RS256\x00", "KEY-RS256", " key-RS256", "x" * 4000,
        ]:  # fmt: skip
            await self.refuses(verifier, issuer.token(claims, kid=kid))

    async def test_key_of_another_kind_by_its_id(
        self, verifier: TokenVerifier, issuer: Issuer, claims: dict[str, Any]
    ) -> None:
        for other in KEYS:
            if other != issuer.algorithm:
                await self.refuses(verifier, issuer.token(claims, kid=f"key-{other}"))
                await self.refuses(verifier, issuer.token(claims, kid=f"key-{other}", alg=other))


async def test_curve_points_in_another_encoding() -> None:
    """JWS takes r and s side by side; the same signature as ASN.1 is another spelling."""
    clock = MovableClock()
    forger = Issuer("ES256", "a", lambda data: bytes(KEYS["ES256"].sign(data, ec.ECDSA(SHA256()))))
    with pytest.raises(Unauthenticated):
        await verifier_of(lambda: key_set(jwk("ES256", kid="a")), clock).verify(forger.token(claims_of(clock)))


async def test_key_that_was_withdrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it signed is refused from the next look on, although it was verified and would be good for long."""
    clock, sets = MovableClock(), [key_set(jwk("RS256", kid="old"), jwk("EdDSA", kid="new"))]
    verifier = verifier_of(lambda: sets[-1], clock)
    old, new = issuer("RS256", kid="old"), issuer("EdDSA", kid="new")
    withdrawn, kept = old.token(claims_of(clock)), new.token(claims_of(clock))
    assert await verifier.verify(withdrawn) == await verifier.verify(kept) == USER
    sets.append(key_set(jwk("EdDSA", kid="new")))
    monkeypatch.setattr(jwks, "MIN_REFETCH_INTERVAL_SECONDS", 0.0)
    with pytest.raises(Unauthenticated):  # an unknown key makes it look again
        await verifier.verify(issuer("ES256", kid="other").token(claims_of(clock)))
    assert await verifier.recognise(withdrawn) is None
    with pytest.raises(Unauthenticated):
        await verifier.verify(withdrawn)
    assert await verifier.verify(kept) == USER


async def test_same_keys_read_again_keep_verified_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = MovableClock()
    verifier = verifier_of(lambda: key_set(jwk("EdDSA", kid="a")), clock)
    token = issuer("EdDSA", kid="a").token(claims_of(clock))
    await verifier.verify(token)
    monkeypatch.setattr(jwks, "MIN_REFETCH_INTERVAL_SECONDS", 0.0)
    with pytest.raises(Unauthenticated):
        await verifier.verify(issuer("RS256", kid="other").token(claims_of(clock)))
    assert await verifier.recognise(token) == USER


async def test_old_keys_are_read_again_in_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    hangs = threading.Event()
    reads: list[float] = []

    def read() -> bytes:
        reads.append(time.monotonic())
        if len(reads) > 1:
            hangs.wait(5)
        return key_set(jwk("EdDSA", kid="a"))

    clock = MovableClock()
    verifier = verifier_of(read, clock)
    token = issuer("EdDSA", kid="a").token(claims_of(clock))
    await verifier.verify(token)
    monkeypatch.setattr(jwks, "MIN_REFETCH_INTERVAL_SECONDS", 0.0)
    monkeypatch.setattr(jwks, "REFRESH_SECONDS", 0.0)
    try:
        for _ in range(5):
            assert await asyncio.wait_for(verifier.recognise(token), 2) == USER
            await asyncio.sleep(0.01)
        assert len(reads) == 2, "one look at a time"
    finally:
        hangs.set()
