"""Whose backup it is: the user in a bearer token, read here and verified by the server."""

from __future__ import annotations

import base64
import json
import re
from uuid import UUID

from obscura_backup_client.transport_errors import TokenUnusable

# What a header may carry as a bearer token (RFC 6750); above all, no line end.
_BEARER = re.compile(r"[A-Za-z0-9._~+/-]+=*")
# Stricter than `UUID()`, which takes braces, and hyphens anywhere.
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_PARTS_OF_A_JWT = 3


def require_bearer(token: str) -> str:
    """The token, if it can stand in a header.

    Raises:
        TokenUnusable: empty, or with characters that no token has.
    """
    if not token:
        raise TokenUnusable("it is empty")
    if not _BEARER.fullmatch(token):
        raise TokenUnusable("it contains characters that no token has")
    return token


def user_id_of(token: str) -> UUID:
    """The user in the token's `sub`, which is also bound into the sealed backup.

    The signature is not checked: the server does that, and a client that lies to itself only fails to open its backup.

    Raises:
        TokenUnusable: not a JWT, or its `sub` is not a UUID.
    """
    parts = require_bearer(token).split(".")
    if len(parts) != _PARTS_OF_A_JWT:
        raise TokenUnusable("it is not a JWT")
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError, OverflowError):
        raise TokenUnusable("its claims cannot be read") from None
    subject = claims.get("sub") if isinstance(claims, dict) else None
    if not isinstance(subject, str) or not _UUID.fullmatch(subject):
        raise TokenUnusable("its `sub` is not a UUID")
    return UUID(subject)
