"""What every token verifier must keep to, whatever its keys: forgeries, and what a true issuer may get wrong."""

from __future__ import annotations

import base64
import json
import socket
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from contracts import samples
from obscura_backup.domain.errors import Unauthenticated
from support.clocks import MovableClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from obscura_backup.domain.ports import TokenVerifier

USER = samples.user(7)
AUDIENCE = "backup"
ISSUER = "https://id.example"


def part(data: bytes | dict[str, Any]) -> str:
    """One of the three parts of a token."""
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Issuer:
    """Signs whatever it is given.

    Attributes:
        algorithm: of its key.
        key_id: of its key.
    """

    def __init__(self, algorithm: str, key_id: str | None, sign: Callable[[bytes], bytes]) -> None:
        self.algorithm = algorithm
        self.key_id = key_id
        self._sign = sign

    def token(self, claims: dict[str, Any] | bytes, **header: Any) -> str:
        whole = {"alg": self.algorithm, "kid": self.key_id, **header}
        return self.raw(part({name: value for name, value in whole.items() if value is not None}), part(claims))

    def raw(self, header: str, payload: str) -> str:
        """A token of these very characters, properly signed."""
        signing_input = f"{header}.{payload}"
        return f"{signing_input}.{part(self._sign(signing_input.encode()))}"


async def refusal(verifier: TokenVerifier, token: str) -> str | None:
    """What the verifier says against a token; None if it accepts it."""
    try:
        await verifier.verify(token)
    except Unauthenticated as error:
        return str(error)
    return None


class SignatureContract:
    """What depends on the algorithm. A module that runs it brings an `issuer`, and a `verifier` of its tokens.

    The verifier is for AUDIENCE and ISSUER.
    """

    @pytest.fixture
    def clock(self) -> MovableClock:
        return MovableClock()

    @pytest.fixture
    def claims(self, clock: MovableClock) -> dict[str, Any]:
        return {"sub": str(USER), "exp": clock.after(600), "aud": AUDIENCE, "iss": ISSUER}

    async def test_proper_token(self, verifier: TokenVerifier, issuer: Issuer, claims: dict[str, Any]) -> None:
        token = issuer.token(claims)
        assert await verifier.recognise(token) is None
        assert await verifier.verify(token) == USER
        assert await verifier.recognise(token) == USER
        assert await verifier.verify(token) == USER

    async def test_algorithm_that_is_none(
        self, verifier: TokenVerifier, issuer: Issuer, claims: dict[str, Any]
    ) -> None:
        for named in ["none", "None", "NONE", "nOnE", "", " none", "HS1", "ES256K", "dir"]:
            unsigned = f"{part({'alg': named, 'kid': issuer.key_id})}.{part(claims)}."
            await self.refuses(verifier, unsigned)
            await self.refuses(verifier, unsigned + "AA")
            await self.refuses(verifier, issuer.token(claims, alg=named))

    async def test_algorithm_of_another_key(
        self, verifier: TokenVerifier, issuer: Issuer, claims: dict[str, Any]
    ) -> None:
        for named in ["HS256", "HS384", "HS512", "RS256", "RS512", "PS256", "ES256", "ES384", "EdDSA"]:
            if named != issuer.algorithm:
                await self.refuses(verifier, issuer.token(claims, alg=named))

    async def test_algorithm_that_is_no_name(
        self, verifier: TokenVerifier, issuer: Issuer, claims: dict[str, Any]
    ) -> None:
        for named in [None, 7, ["HS256"], {"a": 1}, True]:
            await self.refuses(verifier, issuer.token(claims, alg=named))

    async def test_changed_claims(self, verifier: TokenVerifier, issuer: Issuer, claims: dict[str, Any]) -> None:
        header, _, signature = issuer.token(claims).split(".")
        await self.refuses(verifier, f"{header}.{part({**claims, 'sub': str(samples.user(8))})}.{signature}")

    async def test_changed_header(self, verifier: TokenVerifier, issuer: Issuer, claims: dict[str, Any]) -> None:
        _, payload, signature = issuer.token(claims).split(".")
        await self.refuses(verifier, f"{part({'alg': issuer.algorithm, 'typ': 'x'})}.{payload}.{signature}")

    async def test_signature_of_nothing(self, verifier: TokenVerifier, issuer: Issuer, claims: dict[str, Any]) -> None:
        """Zeros among them, which once were a signature to everything by ECDSA in some libraries."""
        for signature in ["", "A", "AA", "A" * 86, "A" * 43, "A" * 342, "_" * 86]:
            header, payload, _ = issuer.token(claims).split(".")
            await self.refuses(verifier, f"{header}.{payload}.{signature}")

    async def test_one_token_has_one_spelling(
        self, verifier: TokenVerifier, issuer: Issuer, claims: dict[str, Any]
    ) -> None:
        token = issuer.token(claims)
        header, payload, signature = token.split(".")
        for spelling in (
            f"{token}=",
            f"{token}!",
            f" {token}",
            f"{token}\n",
            f"{header}.{payload}.!{signature}",
            f"{header}.{payload}.{signature}.",
            f"{header}.{payload}.{signature}.{signature}.{signature}",
            f".{token}",
            token.replace(".", ".."),
            f"{header}\x00.{payload}.{signature}",
        ):
            await self.refuses(verifier, spelling)
        assert await verifier.verify(token) == USER

    async def refuses(self, verifier: TokenVerifier, token: str) -> None:
        """Twice, so that the first time leaves nothing behind that would let it in."""
        for _ in range(2):
            said = await refusal(verifier, token)
            assert said is not None, f"accepted: {token}"
            assert not token.strip() or token not in said


class TokenVerifierContract(SignatureContract):
    """All that a verifier must keep to."""

    async def test_recognised_until_it_expires(
        self, verifier: TokenVerifier, issuer: Issuer, clock: MovableClock, claims: dict[str, Any]
    ) -> None:
        token = issuer.token(claims)
        await verifier.verify(token)
        clock.moment += timedelta(seconds=599)
        assert await verifier.recognise(token) == USER
        clock.moment += timedelta(seconds=2)
        assert await verifier.recognise(token) is None
        with pytest.raises(Unauthenticated):
            await verifier.verify(token)

    async def test_header_that_does_no_harm(
        self, verifier: TokenVerifier, issuer: Issuer, claims: dict[str, Any]
    ) -> None:
        for header in [
            {"typ": "at+jwt"},
            {"typ": "JOSE", "cty": "x"},
            {"x5t": "AAAA", "nonce": "1"},
        ]:
            assert await verifier.verify(issuer.token(claims, **header)) == USER

    async def test_missing_claim(self, verifier: TokenVerifier, issuer: Issuer, claims: dict[str, Any]) -> None:
        for claim in ["sub", "exp", "aud", "iss"]:
            await self.refuses(verifier, issuer.token({k: v for k, v in claims.items() if k != claim}))

    async def test_claim_that_says_something_else(
        self, verifier: TokenVerifier, issuer: Issuer, claims: dict[str, Any]
    ) -> None:
        for claim, value in [
            ("exp", 0),
            ("exp", -1),
            ("exp", "99999999999"),
            ("exp", None),
            ("exp", True),
            ("exp", [99_999_999_999]),
            ("exp", 10**30),
            ("exp", float("inf")),
            ("exp", float("-inf")),
            ("exp", float("nan")),
            ("nbf", 99_999_999_999),
            ("nbf", "0"),
            ("nbf", float("nan")),
            ("aud", "other"),
            ("aud", ["other", "backups"]),
            ("aud", []),
            ("aud", ""),
            ("aud", 7),
            ("aud", None),
            ("aud", {"backup": 1}),
            ("aud", [["backup"]]),
            ("iss", "https://id.example/"),
            ("iss", "https://ID.example"),
            ("iss", ["https://id.example"]),
            ("iss", None),
            ("sub", "alice"),
            ("sub", ""),
            ("sub", 7),
            ("sub", None),
            ("sub", [str(USER)]),
            ("sub", f"{USER}\n"),
            ("sub", f" {USER}"),
            ("sub", f"{{{USER}}}"),
            ("sub", f"urn:uuid:{USER}"),
            ("sub", str(USER).replace("-", "")),
            ("sub", f"{USER}/../{USER}"),
            ("sub", f"{USER}\x00"),
            ("sub", "\N{FULLWIDTH DIGIT ZERO}" + str(USER)[1:]),
        ]:
            await self.refuses(verifier, issuer.token({**claims, claim: value}))

    async def test_claim_that_says_it_in_another_way(
        self, verifier: TokenVerifier, issuer: Issuer, clock: MovableClock, claims: dict[str, Any]
    ) -> None:
        for other in (
            {"aud": ["other", AUDIENCE]},
            {"exp": clock.after(600) + 0.5},
            {"sub": str(USER).upper()},
            {"nbf": clock.after(-600), "iat": clock.after(600)},
        ):
            assert await verifier.verify(issuer.token({**claims, **other})) == USER

    async def test_extension_that_must_be_understood(
        self, verifier: TokenVerifier, issuer: Issuer, claims: dict[str, Any]
    ) -> None:
        headers: list[dict[str, Any]] = [
            {"crit": ["exp"], "exp": 1},
            {"crit": ["b64"], "b64": False},
            {"crit": ["x"], "x": 1},
            {"crit": []},
            {"crit": "x"},
            {"b64": False},
        ]
        for header in headers:
            await self.refuses(verifier, issuer.token(claims, **header))

    async def test_no_address_in_a_token_is_asked_for_a_key(
        self, verifier: TokenVerifier, issuer: Issuer, claims: dict[str, Any]
    ) -> None:
        """Where a token says that its key can be had, or which one it is, is not looked at."""
        with socket.create_server(("127.0.0.1", 0)) as listening:
            listening.settimeout(0)
            url = f"http://127.0.0.1:{listening.getsockname()[1]}/keys"
            for header in ({"jku": url}, {"x5u": url}, {"jwk": {"kty": "oct", "k": "AAAA"}}, {"x5c": ["AAAA"]}):
                assert await verifier.verify(issuer.token(claims, **header)) == USER
                await self.refuses(verifier, issuer.token(claims, **header)[:-6] + "AAAAAA")
            with pytest.raises(BlockingIOError):
                listening.accept()

    async def test_payload_that_is_no_set_of_claims(self, verifier: TokenVerifier, issuer: Issuer) -> None:
        for payload in [b"", b"null", b"7", b"[]", b'"x"', b"{", b"\xff", b"[" * 5000, b'{"exp":' + b"9" * 5000 + b"}"]:
            await self.refuses(
                verifier, issuer.raw(part({"alg": issuer.algorithm, "kid": issuer.key_id}), part(payload))
            )

    async def test_header_that_is_none(self, verifier: TokenVerifier, issuer: Issuer, claims: dict[str, Any]) -> None:
        for header in [b"", b"null", b"7", b"[]", b'"x"', b"{", b"\xff", b"[" * 5000, b'{"alg":1}']:
            await self.refuses(verifier, issuer.raw(part(header), part(claims)))

    async def test_token_within_a_token(self, verifier: TokenVerifier, issuer: Issuer, claims: dict[str, Any]) -> None:
        await self.refuses(verifier, issuer.token(issuer.token(claims).encode(), cty="JWT"))

    async def test_encrypted_token(self, verifier: TokenVerifier, issuer: Issuer) -> None:
        await self.refuses(verifier, f"{part({'alg': 'dir', 'enc': 'A256GCM'})}..AAAA.AAAA.AAAA")

    async def test_key_id_that_is_no_text(
        self, verifier: TokenVerifier, issuer: Issuer, claims: dict[str, Any]
    ) -> None:
        for kid in [7, True, [], {}, 1.5]:
            await self.refuses(verifier, issuer.token(claims, kid=kid))

    async def test_too_long(self, verifier: TokenVerifier, issuer: Issuer, claims: dict[str, Any]) -> None:
        await self.refuses(verifier, issuer.token({**claims, "x": "x" * 10_000}))
