"""Issues bearer tokens as JWTs (RFC 7519), signed by HS256.

By the standard library: PyJWT imports every algorithm, which takes longer than the rest of the command `token`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import timedelta

    from obscura_backup.domain.model import UserId
    from obscura_backup.domain.ports import Clock


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
    """A token that a `JwtVerifier` with this secret and the same settings accepts for `ttl` from now."""
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
    signed = f"{_encoded({'alg': 'HS256', 'typ': 'JWT'})}.{_encoded(claims)}"
    signature = hmac.digest(secret.encode(), signed.encode(), hashlib.sha256)
    return f"{signed}.{_base64url(signature)}"


def _encoded(part: dict[str, Any]) -> str:
    return _base64url(json.dumps(part, separators=(",", ":")).encode())


def _base64url(data: bytes) -> str:
    """As in RFC 7515 (2): without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
