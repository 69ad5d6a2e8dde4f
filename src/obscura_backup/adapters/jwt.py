"""Bearer tokens as JWTs (RFC 7519), verified by PyJWT, with a bounded cache of those that have been verified."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any
from uuid import UUID

import jwt

from obscura_backup.domain.errors import Unauthenticated
from obscura_backup.domain.model import UserId

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from obscura_backup.adapters.jwks import KeySource, VerificationKey
    from obscura_backup.domain.ports import Clock

TOKEN_MAX_CHARS = 8192
CACHED_TOKENS = 16_384

# As RFC 7515 (7.1) has it. The library passes over what is no base64, and one token would have spellings without end.
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_REASONS: dict[type[jwt.PyJWTError], str] = {
    jwt.InvalidAudienceError: "The token is meant for another audience.",
    jwt.InvalidIssuerError: "The token is of another issuer.",
    jwt.InvalidSignatureError: "The token's signature does not match.",
    jwt.InvalidAlgorithmError: "The token's algorithm is not the one of its key.",
}
_TIME_MAX = 2**53


class JwtVerifier:
    """Verifies signature, `exp` (required), `nbf`, and, where configured, `aud` and `iss`.

    Args:
        keys: where the keys come from.
        clock: tells when a cached token is over.
        audience: required in `aud`, if given.
        issuer: required in `iss`, if given.
        user_claim: the claim that holds the user id, a UUID.
    """

    def __init__(
        self,
        keys: KeySource,
        clock: Clock,
        *,
        audience: str | None = None,
        issuer: str | None = None,
        user_claim: str = "sub",
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._audience = audience
        self._issuer = issuer
        self._user_claim = user_claim
        # By digest, so that no token is kept in memory; with the keys that were good then.
        self._verified: dict[bytes, tuple[UserId, float]] = {}
        self._verified_with: Sequence[VerificationKey] = ()

    async def verify(self, token: str) -> UserId:
        """See `TokenVerifier.verify`."""
        known = await self.recognise(token)
        if known is not None:
            return known
        keys, key = await self._key_for(token)
        claims = self._claims(token, key)
        expires_at = self._expiry(claims)
        user_id = self._user(claims)
        if keys is self._verified_with:  # else they changed while the key was being looked for
            if len(self._verified) >= CACHED_TOKENS:
                del self._verified[next(iter(self._verified))]
            self._verified[_digest(token)] = user_id, expires_at
        return user_id

    async def recognise(self, token: str) -> UserId | None:
        """See `TokenVerifier.recognise`."""
        if len(token) > TOKEN_MAX_CHARS:
            raise Unauthenticated("The token is too long.")
        if not _COMPACT.fullmatch(token):
            raise Unauthenticated("The token is not a JWT.")
        keys = await self._keys.keys()
        if keys is not self._verified_with:  # a key that was withdrawn takes with it what it signed
            self._verified.clear()
            self._verified_with = keys
        digest = _digest(token)
        known = self._verified.get(digest)
        if known is None:
            return None
        user_id, expires_at = known
        if self._clock.now().timestamp() < expires_at:
            return user_id
        del self._verified[digest]
        return None

    def _expiry(self, claims: dict[str, Any]) -> float:
        now = self._clock.now().timestamp()
        expires_at = _time(claims, "exp")
        if expires_at is None or expires_at <= now:
            raise Unauthenticated("The token has no `exp` claim." if expires_at is None else "The token has expired.")
        valid_from = _time(claims, "nbf")
        if valid_from is not None and valid_from > now:
            raise Unauthenticated("The token is not valid yet.")
        return expires_at

    async def _key_for(self, token: str) -> tuple[Sequence[VerificationKey], VerificationKey]:
        try:
            key_id = jwt.get_unverified_header(token).get("kid")
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise Unauthenticated("The token is not a JWT.") from error
        for look_again in (False, True):
            keys = await self._keys.keys(unknown_key_id=look_again)
            fitting = [key for key in keys if key.key_id is None or key_id is None or key.key_id == key_id]
            # A key without an id may be any; the one that the token names is no guess.
            fitting = [key for key in fitting if key_id is not None and key.key_id == key_id] or fitting
            if len(fitting) == 1:
                return keys, fitting[0]
            if fitting:
                break
        raise Unauthenticated("The token does not name one of the known keys.")

    def _claims(self, token: str, key: VerificationKey) -> dict[str, Any]:
        try:
            return jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm],
                audience=self._audience,
                issuer=self._issuer,
                options={
                    # Times are ours to judge, by the clock that also judges cached tokens; see `_expiry`. `iat` is for
                    # the reader: a clock that is a second ahead of ours must not lock people out.
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                    "verify_aud": self._audience is not None,
                },
            )
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


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()


def _time(claims: dict[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    # `abs` also turns away what is not finite, and numbers that no float can hold.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < _TIME_MAX:
        raise Unauthenticated(f"The token's `{name}` claim is not a time.")
    return float(value)


def issue_token(
    secret: str,
    user_id: UserId,
    ttl: timedelta,
    clock: Clock,
    *,
    audience: str | None = None,
    issuer: str | None = None,
    user_claim: str = "sub",
) -> str:
    """A token that a `JwtVerifier` with this secret and the same settings accepts until `ttl` from now."""
    now = clock.now()
    claims: dict[str, Any] = {
        user_claim: str(user_id),
        "iat": int(now.timestamp()),
        "exp": int((now + ttl).timestamp()),
    }
    if audience is not None:
        claims["aud"] = audience
    if issuer is not None:
        claims["iss"] = issuer
    return jwt.encode(claims, secret, algorithm="HS256")
