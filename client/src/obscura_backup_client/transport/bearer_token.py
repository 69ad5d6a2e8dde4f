"""The bearer token and the user id in it. The server verifies the token."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

from obscura_backup_client.content.user_ids import parse_user_id
from obscura_backup_client.strict_json import JsonError, parse
from obscura_backup_client.transport.errors import TokenUnusable

if TYPE_CHECKING:
    from uuid import UUID

# The characters of a bearer token (RFC 6750); above all, no line end.
_BEARER = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_PARTS_OF_A_JWT = 3
DEFAULT_USER_CLAIM = "sub"

_BLANKS = " \t\r\n\v\f"
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_SAVE_AS_TEXT = "save it as plain text, in ASCII or UTF-8 without a byte order mark"
# The first match is reported. No message quotes the token.
_TOKEN_PROBLEMS = (
    (r"\ufeff", f"it begins with a byte order mark; {_SAVE_AS_TEXT}"),
    (r".*\0", f"it contains NUL characters, as text in UTF-16 does; {_SAVE_AS_TEXT}"),
    (r"[\[{]", "it is a JSON document; keep only the token, usually the value of `access_token`"),
    (r"(?i)(proxy-)?authorization\s*:", "it is a whole header line; keep only the part after `Bearer`"),
    (r"(?i)bearer[\s:]", "it begins with `Bearer`; remove that word"),
    (r"(?i)(export\s|set\s|\$)?\s*\w+\s*[=:]", "it begins with a name; keep only the value, without quotes"),
    (r"[\"'`\u2018-\u201f\u00ab\u00bb]|.*[\"'`\u2018-\u201f\u00ab\u00bb]\Z", "it is in quotes; remove them"),
    (r".*[\r\n]", "it has several lines; keep one token, on one line"),
    (r".*[^\x00-\x7f]", f"it contains non-ASCII characters; copy it again, and {_SAVE_AS_TEXT}"),
    (r".*\s", "it contains a space; keep one token, without spaces"),
    (r"", "it contains characters that are invalid in a token; copy it again"),
)
_OTHER_CLAIM = (
    "if your server reads the user from another claim, name that one "
    "(--user-claim, OBSCURA_USER_CLAIM, or `user_claim` in Python)"
)


def parse_token_file(content: bytes) -> str:
    """The token in a file's content, without surrounding white space.

    Raises:
        TokenUnusable: the content is not a token; the reason says why, and what to do.
    """
    if content.startswith(_UTF_16_MARKS):
        raise TokenUnusable(f"it is text in UTF-16; {_SAVE_AS_TEXT}")
    return require_bearer_token(content.decode("utf-8", "replace"))


def require_bearer_token(token: str) -> str:
    """Check that a token is valid in a header, and return it. White space at its ends, such as a line end, is dropped.

    Raises:
        TokenUnusable: it is empty or has invalid characters.
    """
    token = token.strip(_BLANKS)
    if not token:
        raise TokenUnusable("it is empty")
    if not _BEARER.fullmatch(token):
        raise TokenUnusable(next(text for pattern, text in _TOKEN_PROBLEMS if re.match(pattern, token, re.DOTALL)))
    return token


def user_id_of(token: str, claim: str = DEFAULT_USER_CLAIM) -> UUID:
    """The user id in a claim of the token. The sealed backup is bound to it.

    The signature is not checked: the server does that, and a wrong id only prevents opening the backup.

    Args:
        token: a JWT.
        claim: the name of the claim with the user id, as on the server.

    Raises:
        TokenUnusable: not a JWT, or the claim is not a UUID.
    """
    user = _claims(token).get(claim)
    user_id = parse_user_id(user) if isinstance(user, str) else None
    if user_id is None:
        problem = f"it has no claim `{claim}`" if user is None else f"its `{claim}` is not a UUID"
        raise TokenUnusable(f"{problem}; {_OTHER_CLAIM}")
    return user_id


def expiry_ms(token: str) -> int | None:
    """When the token says that it expires, milliseconds since 1970; None if it does not say. Raises `TokenUnusable`."""
    seconds = _claims(token).get("exp")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    return round(seconds * 1000)


def _claims(token: str) -> dict[str, Any]:
    parts = require_bearer_token(token).split(".")
    if len(parts) != _PARTS_OF_A_JWT:
        raise TokenUnusable("it is not a JWT, which has three parts with a dot between them")
    try:
        claims = parse(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, JsonError):
        raise TokenUnusable("its claims cannot be read") from None
    return claims if isinstance(claims, dict) else {}
