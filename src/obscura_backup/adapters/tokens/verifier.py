"""Verifies bearer tokens as JWTs (RFC 7519) by PyJWT, with a bounded cache of verified tokens."""

from __future__ import annotations

import contextlib
import hashlib
import re
from typing import TYPE_CHECKING, Any
from uuid import UUID

import jwt

from obscura_backup.domain.errors import Unauthenticated
from obscura_backup.domain.model import UserId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from obscura_backup.adapters.tokens.jwks import KeySource, VerificationKey
    from obscura_backup.domain.ports import Clock

TOKEN_MAX_CHARS = 8192
CACHED_TOKENS = 16_384
CANDIDATES_MAX = 8
"""How many different keys are tried if a token does not name its key."""

# As in RFC 7515 (7.1). The library ignores characters outside of Base64, so one token would have endless spellings.
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_REASONS: dict[type[jwt.PyJWTError], str] = {
    jwt.InvalidAudienceError: "The token is for another audience.",
    jwt.InvalidIssuerError: "The token is from another issuer.",
}
_TIME_MAX = 2**53


class JwtVerifier:
    """Verifies signature, `exp` (required), `nbf`, and, where configured, `aud` and `iss`.

    Args:
        keys: the source of the keys.
        clock: decides when a token has expired.
        audience: required in `aud`, if given.
        issuer: required in `iss`, if given.
        user_claim: the claim that holds the user id, a UUID.
        leeway_seconds: how long after `exp` and before `nbf` a token is valid, since clocks differ.
    """

    def __init__(
        self,
        keys: KeySource,
        clock: Clock,
        *,
        audience: str | None = None,
        issuer: str | None = None,
        user_claim: str = "sub",
        leeway_seconds: float = 0,
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._audience = audience
        self._issuer = issuer
        self._user_claim = user_claim
        self._leeway_seconds = leeway_seconds
        # By digest, so that no token is kept in memory, and with the keys of that time.
        self._verified: dict[bytes, tuple[UserId, float]] = {}
        self._verified_with: Sequence[VerificationKey] = ()

    async def verify(self, token: str) -> UserId:
        """See `TokenVerifier.verify`."""
        known = await self.recognise(token)
        if known is not None:
            return known
        keys, claims = await self._signed_claims(token)
        valid_until = self._valid_until(claims)
        user_id = self._user(claims)
        if keys is self._verified_with:  # else the keys changed meanwhile
            if len(self._verified) >= CACHED_TOKENS:
                del self._verified[next(iter(self._verified))]
            self._verified[_digest(token)] = user_id, valid_until
        return user_id

    async def recognise(self, token: str) -> UserId | None:
        """See `TokenVerifier.recognise`."""
        if len(token) > TOKEN_MAX_CHARS:
            raise Unauthenticated("The token is too long.")
        if not _COMPACT.fullmatch(token):
            raise Unauthenticated("The token is not a JWT.")
        keys = await self._keys.keys()
        if keys is not self._verified_with:  # a token is no longer valid when its key was withdrawn
            self._verified.clear()
            self._verified_with = keys
        digest = _digest(token)
        known = self._verified.get(digest)
        if known is None:
            return None
        user_id, valid_until = known
        if self._clock.now().timestamp() < valid_until:
            return user_id
        del self._verified[digest]
        return None

    def _valid_until(self, claims: dict[str, Any]) -> float:
        """The end of the token's validity, in seconds since the epoch."""
        now = self._clock.now().timestamp()
        expires_at = _time(claims, "exp")
        if expires_at is None:
            raise Unauthenticated("The token has no `exp` claim.")
        valid_until = expires_at + self._leeway_seconds
        if valid_until <= now:
            raise Unauthenticated("The token has expired.")
        valid_from = _time(claims, "nbf")
        if valid_from is not None and valid_from - self._leeway_seconds > now:
            raise Unauthenticated("The token is not valid yet.")
        return valid_until

    async def _signed_claims(self, token: str) -> tuple[Sequence[VerificationKey], dict[str, Any]]:
        """The verified claims, and the key set that verified them."""
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise Unauthenticated("The token is not a JWT.") from error
        refusal = Unauthenticated("The token does not name one of the known keys.")
        tried: Sequence[VerificationKey] | None = None
        for look_again in (False, True):
            keys = await self._keys.keys(unknown_key_id=look_again)
            if keys is tried:
                break
            tried, candidates = keys, _candidates(keys, header.get("kid"))
            try:
                if candidates:
                    return keys, self._claims_by_any(token, candidates, header.get("alg"))
            except _OtherKey as error:
                refusal = error
                if any(key.key_id is not None and key.key_id == header.get("kid") for key in candidates):
                    break  # the token names its key, so a newer set would not help
        raise refusal

    def _claims_by_any(self, token: str, candidates: list[VerificationKey], named: Any) -> dict[str, Any]:
        # The `alg` of the token only selects keys. Each key is used with its own algorithm.
        fitting = _distinct([key for key in candidates if named in key.names])
        if not fitting:
            raise _OtherKey("The token's algorithm is not that of its key.")
        for key in fitting[:CANDIDATES_MAX]:
            with contextlib.suppress(jwt.InvalidSignatureError):
                return self._claims(token, key)
        if len(fitting) > CANDIDATES_MAX:
            raise _OtherKey(f"The token does not name its key, and none of the first {CANDIDATES_MAX} keys signed it.")
        raise _OtherKey("The token's signature does not match.")

    def _claims(self, token: str, key: VerificationKey) -> dict[str, Any]:
        try:
            return jwt.decode(
                token,
                key.key,
                algorithms=key.names,
                audience=self._audience,
                issuer=self._issuer,
                options={
                    # `_valid_until` checks the times, by the same clock as for cached tokens. `iat` is not checked: an
                    # issuer whose clock is a second ahead must not lock users out.
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                    "verify_aud": self._audience is not None,
                },
            )
        except jwt.InvalidSignatureError:
            raise  # another key may have signed it
        except jwt.MissingRequiredClaimError as error:
            raise Unauthenticated(f"The token has no `{error.claim}` claim.") from error
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            reason = next((text for kind, text in _REASONS.items() if isinstance(error, kind)), None)
            raise Unauthenticated(reason or "The token is malformed.") from error

    def _user(self, claims: dict[str, Any]) -> UserId:
        claimed = claims.get(self._user_claim)
        if not isinstance(claimed, str) or not _UUID.fullmatch(claimed):
            raise Unauthenticated(f"The token's `{self._user_claim}` claim is not a UUID.")
        return UserId(UUID(claimed))


class _OtherKey(Unauthenticated):
    """None of these keys signed the token; a newer set may hold the right one."""


def _candidates(keys: Sequence[VerificationKey], key_id: Any) -> list[VerificationKey]:
    """The keys that may have signed a token with this `key_id`, which may be None."""
    if key_id is None:
        return list(keys)
    # A key with the id is certain; else any key without an id may be the one.
    return [key for key in keys if key.key_id == key_id] or [key for key in keys if key.key_id is None]


def _distinct(keys: list[VerificationKey]) -> list[VerificationKey]:
    """Each key once; at most one more than are tried."""
    found: list[VerificationKey] = []
    for key in keys:
        if all(key.key != other.key for other in found):
            found.append(key)
        if len(found) > CANDIDATES_MAX:
            break
    return found


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()


def _time(claims: dict[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    # `abs` also rejects infinity, NaN, and integers that no float can hold.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < _TIME_MAX:
        raise Unauthenticated(f"The token's `{name}` claim is not a time.")
    return float(value)
