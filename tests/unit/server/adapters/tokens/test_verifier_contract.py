"""The contract of token verifiers over every algorithm that there is, and what only a set of keys can get wrong."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import hmac
import json
import threading
import time
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from contracts.token_verifier import AUDIENCE, ISSUER, USER, Issuer, MovableClock, TokenVerifierContract, part
from obscura_backup.adapters.tokens import jwks
from obscura_backup.adapters.tokens.jwks import JwksKeySource, SecretKeySource
from obscura_backup.adapters.tokens.verifier import JwtVerifier
from obscura_backup.domain.errors import Unauthenticated

if TYPE_CHECKING:
    from collections.abc import Callable

    from obscura_backup.domain.ports import TokenVerifier

SECRET = "thirty-two bytes of secret, and a few more"
KEYS: dict[str, Any] = {
    "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}


def jwk(algorithm: str, key_id: str | None) -> dict[str, Any]:
    whole = json.loads(jwt.get_algorithm_by_name(algorithm).to_jwk(KEYS[algorithm].public_key()))
    return whole if key_id is None else {**whole, "kid": key_id}


def key_set(**algorithms: str) -> bytes:
    """A set of keys: id=algorithm."""
    return json.dumps({"keys": [jwk(algorithm, key_id) for key_id, algorithm in algorithms.items()]}).encode()


def issuer_of(algorithm: str, key_id: str | None) -> Issuer:
    library = jwt.get_algorithm_by_name(algorithm)
    return Issuer(algorithm, key_id, lambda data: library.sign(data, KEYS[algorithm]))


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


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
class TestKeySet(TokenVerifierContract):
    """Each algorithm, in a set that has all of them."""

    @pytest.fixture
    def issuer(self, algorithm: str) -> Issuer:
        return issuer_of(algorithm, f"key-{algorithm}")

    @pytest.fixture
    def verifier(self, clock: MovableClock) -> TokenVerifier:
        keys = json.dumps({"keys": [jwk(algorithm, f"key-{algorithm}") for algorithm in KEYS]}).encode()
        return verifier_of(lambda: keys, clock)

    async def test_public_key_is_no_shared_secret(
        self, verifier: TokenVerifier, issuer: Issuer, claims: dict[str, Any]
    ) -> None:
        """The classic confusion: an HS256 token by what is public about the key."""
        public = KEYS[issuer.algorithm].public_key()
        described = jwk(issuer.algorithm, issuer.key_id)
        secrets = {
            "pem": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            "der": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
            "jwk": json.dumps(described).encode(),
            "raw": str(described.get("x", described.get("n"))).encode(),
            "modulus": hashlib.sha256(json.dumps(described).encode()).digest(),
        }
        for secret in secrets.values():
            forger = Issuer("HS256", issuer.key_id, functools.partial(hmac.digest, secret, digest="sha256"))
            await self.refuses(verifier, forger.token(claims))
            await self.refuses(verifier, forger.token(claims, alg=issuer.algorithm))

    async def test_key_ids_that_are_none(self, verifier: TokenVerifier, issuer: Issuer, claims: dict[str, Any]) -> None:
        for kid in [
            "",
            "nobody",
            "../../../../dev/null",
            "/dev/null",
            "http://127.0.0.1:1/keys",
            "key' OR '1'='1",
            "key-RS256\x00",
            "KEY-RS256",
            " key-RS256",
            "x" * 4000,
        ]:
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
        await verifier_of(lambda: key_set(a="ES256"), clock).verify(forger.token(claims_of(clock)))


async def test_key_that_was_withdrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it signed is refused from the next look on, although it was verified and would be good for long."""
    clock, sets = MovableClock(), [key_set(old="RS256", new="EdDSA")]
    verifier = verifier_of(lambda: sets[-1], clock)
    old, new = (issuer_of(algorithm, key_id) for algorithm, key_id in (("RS256", "old"), ("EdDSA", "new")))
    withdrawn, kept = old.token(claims_of(clock)), new.token(claims_of(clock))
    assert await verifier.verify(withdrawn) == await verifier.verify(kept) == USER
    sets.append(key_set(new="EdDSA"))
    monkeypatch.setattr(jwks, "MIN_REFETCH_INTERVAL_SECONDS", 0.0)
    with pytest.raises(Unauthenticated):  # an unknown key makes it look again
        await verifier.verify(issuer_of("ES256", "other").token(claims_of(clock)))
    assert await verifier.recognise(withdrawn) is None
    with pytest.raises(Unauthenticated):
        await verifier.verify(withdrawn)
    assert await verifier.verify(kept) == USER


async def test_same_keys_read_again_keep_verified_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = MovableClock()
    verifier = verifier_of(lambda: key_set(a="EdDSA"), clock)
    token = issuer_of("EdDSA", "a").token(claims_of(clock))
    await verifier.verify(token)
    monkeypatch.setattr(jwks, "MIN_REFETCH_INTERVAL_SECONDS", 0.0)
    with pytest.raises(Unauthenticated):
        await verifier.verify(issuer_of("RS256", "other").token(claims_of(clock)))
    assert await verifier.recognise(token) == USER


async def test_old_keys_are_read_again_in_the_background(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hangs = threading.Event()
    reads: list[float] = []

    def read() -> bytes:
        reads.append(time.monotonic())
        if len(reads) > 1:
            hangs.wait(5)
        return key_set(a="EdDSA")

    clock = MovableClock()
    verifier = verifier_of(read, clock)
    token = issuer_of("EdDSA", "a").token(claims_of(clock))
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


async def test_strangers_key_ids_do_not_hammer_the_source() -> None:
    clock = MovableClock()
    reads: list[None] = []

    def read() -> bytes:
        reads.append(None)
        return key_set(a="EdDSA")

    verifier = verifier_of(read, clock)

    async def forge(number: int) -> None:
        with pytest.raises(Unauthenticated):
            await verifier.verify(f"{part({'alg': 'EdDSA', 'kid': f'made-up-{number}'})}.{part(claims_of(clock))}.AAAA")

    await asyncio.gather(*(forge(number) for number in range(200)))
    assert len(reads) == 1
