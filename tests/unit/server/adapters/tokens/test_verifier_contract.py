"""The contract of token verifiers, over a secret and over a key set, and what only a key set can get wrong."""

from __future__ import annotations

import asyncio
import hmac
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from contracts.token_verifier import AUDIENCE, ISSUER, USER, Issuer, SignatureContract, TokenVerifierContract
from obscura_backup.adapters.tokens import jwks
from obscura_backup.adapters.tokens.jwks import JwksKeySource, SecretKeySource
from obscura_backup.adapters.tokens.verifier import JwtVerifier
from obscura_backup.domain.errors import Unauthenticated
from support.clocks import MovableClock
from support.token_keys import KEYS, SECRET, issuer, jwk, key_set

if TYPE_CHECKING:
    from collections.abc import Callable

    from obscura_backup.domain.ports import TokenVerifier


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
            "", "nobody", "../../../../dev/null", "/dev/null", "http://127.0.0.1:1/keys", "key' OR '1'='1",
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
