"""What one verifier does with tokens and key sets beyond the contract: reasons, its cache, and reading keys again."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from contracts.token_verifier import USER, MovableClock
from obscura_backup.adapters.tokens import jwks
from obscura_backup.adapters.tokens.issuer import issue_token
from obscura_backup.adapters.tokens.jwks import JwksKeySource, SecretKeySource, parse_jwks
from obscura_backup.adapters.tokens.verifier import JwtVerifier
from obscura_backup.domain.errors import StoreUnusable, Unauthenticated, Unavailable

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "thirty-two bytes of secret, and a few more"


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


def public_jwk(key: Any, algorithm: str, **more: str) -> dict[str, Any]:
    public: dict[str, Any] = json.loads(jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key()))
    return {**public, **more}


RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
P256 = ec.generate_private_key(ec.SECP256R1())
ED25519 = ed25519.Ed25519PrivateKey.generate()
SET = json.dumps(
    {
        "keys": [
            public_jwk(RSA, "RS256", kid="rsa"),
            public_jwk(P256, "ES256", kid="p256", use="sig"),
            public_jwk(ED25519, "EdDSA", kid="ed", alg="EdDSA"),
            {"kty": "oct", "k": "c2VjcmV0", "kid": "shared"},
        ]
    }
).encode()


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


async def test_not_before_is_judged_by_our_clock(verifier: JwtVerifier, clock: MovableClock) -> None:
    issued = token(clock, nbf=clock.now() + timedelta(seconds=30))
    with pytest.raises(Unauthenticated, match="not valid yet"):
        await verifier.verify(issued)
    clock.moment += timedelta(seconds=31)
    assert await verifier.verify(issued) == USER


async def test_cache_is_bounded(verifier: JwtVerifier, clock: MovableClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("obscura_backup.adapters.tokens.verifier.CACHED_TOKENS", 4)
    for number in range(10):
        await verifier.verify(token(clock, jti=str(number)))
    assert len(verifier._verified) == 4


async def test_cache_holds_no_token(verifier: JwtVerifier, clock: MovableClock) -> None:
    issued = token(clock)
    await verifier.verify(issued)
    assert issued not in repr(verifier._verified)


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
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
    ],
)
async def test_bad_claims(verifier: JwtVerifier, clock: MovableClock, claims: dict[str, Any], reason: str) -> None:
    with pytest.raises(Unauthenticated, match=reason):
        await verifier.verify(token(clock, **claims))


@pytest.mark.parametrize("junk", ["", "x", "a.b.c", "....", "\udcff", "é" * 10, "x" * 9000])
async def test_junk(verifier: JwtVerifier, junk: str) -> None:
    with pytest.raises(Unauthenticated):
        await verifier.verify(junk)


async def test_audience_that_is_not_required(verifier: JwtVerifier, clock: MovableClock) -> None:
    assert await verifier.verify(token(clock, aud="whatever")) == USER


@pytest.mark.parametrize(
    ("key", "algorithm", "kid"), [(RSA, "RS256", "rsa"), (P256, "ES256", "p256"), (ED25519, "EdDSA", "ed")]
)
async def test_key_set(clock: MovableClock, tmp_path: Path, key: Any, algorithm: str, kid: str) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(SET)
    verifier = JwtVerifier(JwksKeySource.file(path), clock)
    assert await verifier.verify(token(clock, key, algorithm, kid=kid)) == USER


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"keys": []}', b'{"keys": [{"kty": "oct", "k": "eA"}]}', b"\xff"]
)
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
    keys = {"keys": [*odd, public_jwk(P256, "ES256")]}
    assert [key.algorithm for key in parse_jwks(json.dumps(keys).encode())] == ["ES256"]


def test_nested_nonsense_is_no_key_set() -> None:
    with pytest.raises(ValueError, match="not a JSON Web Key Set"):
        parse_jwks(b"[" * 100_000)


def test_missing_key_set(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable):
        JwksKeySource.file(tmp_path / "nowhere")


def test_keys_for_encryption_are_passed_over() -> None:
    keys = {"keys": [public_jwk(RSA, "RS256", use="enc"), public_jwk(P256, "ES256", use="sig")]}
    assert [key.algorithm for key in parse_jwks(json.dumps(keys).encode())] == ["ES256"]


def private_jwk(key: Any, algorithm: str) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(jwt.get_algorithm_by_name(algorithm).to_jwk(key))
    return whole


# Weak on purpose: it must be passed over.
WEAK = public_jwk(rsa.generate_private_key(public_exponent=65537, key_size=1024), "RS256")  # noqa: S505


@pytest.mark.parametrize(
    "unfit",
    [
        private_jwk(RSA, "RS256"),
        private_jwk(ED25519, "EdDSA"),
        WEAK,
        {**public_jwk(RSA, "RS256"), "key_ops": ["encrypt"]},
        {**public_jwk(RSA, "RS256"), "key_ops": "verify"},
    ],
)
def test_keys_that_are_not_for_us_to_verify_with_are_passed_over(unfit: dict[str, Any]) -> None:
    keys = {"keys": [unfit, {**public_jwk(P256, "ES256"), "key_ops": ["verify"]}]}
    assert [key.algorithm for key in parse_jwks(json.dumps(keys).encode())] == ["ES256"]


async def test_named_key_wins_over_one_without_a_name(clock: MovableClock) -> None:
    keys = {"keys": [public_jwk(P256, "ES256"), public_jwk(ED25519, "EdDSA", kid="ed")]}
    verifier = JwtVerifier(JwksKeySource(lambda: json.dumps(keys).encode(), "a test"), clock)
    assert await verifier.verify(token(clock, ED25519, "EdDSA", kid="ed")) == USER


async def test_key_withdrawn_long_ago_is_refused_at_the_first_request(
    clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    sets = [SET]
    verifier = JwtVerifier(JwksKeySource(lambda: sets[-1], "a test"), clock)
    withdrawn = token(clock, RSA, "RS256", kid="rsa")
    assert await verifier.verify(withdrawn) == USER
    sets.append(json.dumps({"keys": [public_jwk(ED25519, "EdDSA", kid="ed")]}).encode())
    for name in ("MIN_REFETCH_INTERVAL_SECONDS", "REFRESH_SECONDS", "STALE_SECONDS"):
        monkeypatch.setattr(jwks, name, 0.0)
    answers = await asyncio.gather(*(verifier.verify(withdrawn) for _ in range(3)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [Unauthenticated] * 3, "nor at those that come with it"


async def test_keys_do_not_outlive_their_source_for_ever(clock: MovableClock, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[bytes] = [SET]
    verifier = JwtVerifier(JwksKeySource(answers.pop, "failing"), clock)
    good = token(clock, RSA, "RS256", kid="rsa")
    assert await verifier.verify(good) == USER
    monkeypatch.setattr(jwks, "KEYS_MAX_AGE_SECONDS", 0.0)
    with pytest.raises(Unavailable):
        await verifier.verify(good)


async def test_new_key_is_found_when_a_token_names_it(clock: MovableClock, monkeypatch: pytest.MonkeyPatch) -> None:
    sets = [{"keys": [public_jwk(RSA, "RS256", kid="old")]}, {"keys": [public_jwk(ED25519, "EdDSA", kid="new")]}]
    reads = iter(sets)
    source = JwksKeySource(lambda: json.dumps(next(reads)).encode(), "a list")
    verifier = JwtVerifier(source, clock)
    assert await verifier.verify(token(clock, RSA, "RS256", kid="old")) == USER
    monkeypatch.setattr(jwks, "MIN_REFETCH_INTERVAL_SECONDS", 0.0)
    assert await verifier.verify(token(clock, ED25519, "EdDSA", kid="new")) == USER


async def test_many_at_once_read_the_source_once(clock: MovableClock) -> None:
    reads = 0

    def read() -> bytes:
        nonlocal reads
        reads += 1
        return SET

    verifier = JwtVerifier(JwksKeySource(read, "counted"), clock)
    tokens = [token(clock, ED25519, "EdDSA", kid="ed", jti=str(number)) for number in range(10)]
    assert await asyncio.gather(*(verifier.verify(one) for one in tokens)) == [USER] * 10
    assert reads == 1


async def test_source_that_does_not_answer_yet(clock: MovableClock) -> None:
    def read() -> bytes:
        raise OSError("no route")

    with pytest.raises(Unavailable):
        await JwtVerifier(JwksKeySource(read, "broken"), clock).verify(token(clock, RSA, "RS256"))


async def test_old_keys_outlive_a_source_that_fails(clock: MovableClock, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[bytes] = [SET]

    def read() -> bytes:
        if not answers:
            raise OSError("no route")
        return answers.pop()

    monkeypatch.setattr(jwks, "MIN_REFETCH_INTERVAL_SECONDS", 0.0)
    monkeypatch.setattr(jwks, "REFRESH_SECONDS", 0.0)
    verifier = JwtVerifier(JwksKeySource(read, "failing"), clock)
    for number in range(3):
        assert await verifier.verify(token(clock, RSA, "RS256", kid="rsa", jti=str(number))) == USER


def test_keys_are_not_shown() -> None:
    assert SECRET not in repr(SecretKeySource(SECRET)._keys)
