"""Whose backup it is: the user in a bearer token, read here and verified by the server."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING

from obscura_backup_client.content.user_ids import parse_user_id
from obscura_backup_client.transport.errors import TokenUnusable

if TYPE_CHECKING:
    from uuid import UUID

# What a header may carry as a bearer token (RFC 6750); above all, no line end.
_BEARER = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_PARTS_OF_A_JWT = 3
DEFAULT_USER_CLAIM = "sub"

_BLANKS = " \t\r\n\v\f"
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_SAVE_AS_TEXT = "save it as plain text, in ASCII or UTF-8 without a byte order mark"
# The first that is found is reported. None of the texts quotes the token.
_TOKEN_PROBLEMS = (
    (r"\ufeff", f"it begins with a byte order mark; {_SAVE_AS_TEXT}"),
    (r".*\0", f"it contains NUL characters, as text in UTF-16 does; {_SAVE_AS_TEXT}"),
    (r"[\[{]", "it is a JSON document; keep only the token, which is mostly the value of `access_token`"),
    (r"(?i)(proxy-)?authorization\s*:", "it is a whole header line; keep only what stands behind `Bearer`"),
    (r"(?i)bearer[\s:]", "it begins with `Bearer`; keep only what stands behind that word"),
    (r"(?i)(export\s|set\s|\$)?\s*\w+\s*[=:]", "it begins with a name; keep only the value, without quotes"),
    (r"[\"'`\u2018-\u201f\u00ab\u00bb]|.*[\"'`\u2018-\u201f\u00ab\u00bb]\Z", "it is in quotes; remove them"),
    (r".*[\r\n]", "it has several lines; keep one token, on one line"),
    (r".*[^\x00-\x7f]", f"it contains characters outside of ASCII; copy it anew, and {_SAVE_AS_TEXT}"),
    (r".*\s", "it contains a blank; keep one token, without blanks"),
    (r"", "it contains characters that no token has; copy it anew"),
)
_OTHER_CLAIM = (
    "if your server reads the user from another claim, name that one "
    "(--user-claim, OBSCURA_USER_CLAIM, or `user_claim` in Python)"
)


def parse_token_file(content: bytes) -> str:
    """The token that is the content of a file, without the blanks and line ends around it.

    Raises:
        TokenUnusable: it is none; the reason says what is wrong with the content, and what to do.
    """
    if content.startswith(_UTF_16_MARKS):
        raise TokenUnusable(f"it is text in UTF-16; {_SAVE_AS_TEXT}")
    return require_bearer_token(content.decode("utf-8", "replace").strip(_BLANKS))


def require_bearer_token(token: str) -> str:
    """The token, if it can stand in a header.

    Raises:
        TokenUnusable: empty, or with characters that no token has.
    """
    if not token:
        raise TokenUnusable("it is empty")
    if not _BEARER.fullmatch(token):
        raise TokenUnusable(next(text for pattern, text in _TOKEN_PROBLEMS if re.match(pattern, token, re.DOTALL)))
    return token


def user_id_of(token: str, claim: str = DEFAULT_USER_CLAIM) -> UUID:
    """The user in one of the token's claims, which is also bound into the sealed backup.

    The signature is not checked: the server does that, and a client that lies to itself only fails to open its backup.

    Args:
        token: a JWT.
        claim: the name of the claim from which the server reads the user.

    Raises:
        TokenUnusable: not a JWT, or the claim is not a UUID.
    """
    parts = require_bearer_token(token).split(".")
    if len(parts) != _PARTS_OF_A_JWT:
        raise TokenUnusable("it is not a JWT, which has three parts with a dot between them")
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError, OverflowError):
        raise TokenUnusable("its claims cannot be read") from None
    user = claims.get(claim) if isinstance(claims, dict) else None
    user_id = parse_user_id(user) if isinstance(user, str) else None
    if user_id is None:
        problem = f"it has no claim `{claim}`" if user is None else f"its `{claim}` is not a UUID"
        raise TokenUnusable(f"{problem}; {_OTHER_CLAIM}")
    return user_id
