"""Keys in hex or Base64: one parser for typed and imported keys.

A misread key is worse than a refused one, because it is compared with the real key much later. Keys that may be copied
incompletely are therefore refused.
"""

from __future__ import annotations

import base64
import re
from typing import Final

from obscura_backup_client.content.model import MAX_CONTACT_KEY_BYTES

# Shorter than any public key in use. A partly copied key is often shorter.
MIN_KEY_BYTES: Final = 16

_HEX: Final = re.compile(r"[0-9a-f]+", re.IGNORECASE | re.ASCII)
_URL_SAFE: Final = str.maketrans("-_", "+/")


class MalformedKeyError(ValueError):
    """The text is not a key; the message says why, and does not quote it."""


def parse_identity_key(text: str, *, what: str = "identity key") -> bytes:
    """Read a key: hex if all of it is hex digits (no real key looks so in Base64), else Base64 of either alphabet.

    Errors call the key `what`. White space is dropped, and padding may be missing. No text is no key, which is empty.

    Raises:
        MalformedKeyError: neither; an odd number of hex digits; Base64 that nothing encodes to; under 16 or over 4096
            bytes.
    """
    compact = "".join(text.split())
    if not compact:
        return b""
    key = _from_hex(compact, what) if _HEX.fullmatch(compact) else _from_base64(compact, what)
    if len(key) < MIN_KEY_BYTES:
        raise MalformedKeyError(f"the {what} has fewer than {MIN_KEY_BYTES} bytes")
    if len(key) > MAX_CONTACT_KEY_BYTES:
        raise MalformedKeyError(f"the {what} has more than {MAX_CONTACT_KEY_BYTES} bytes")
    return key


def _from_hex(digits: str, what: str) -> bytes:
    if len(digits) % 2:
        # The same characters are usually also Base64 of another key. Most likely one digit was lost in copying.
        raise MalformedKeyError(f"the {what} has an odd number of hex digits")
    return bytes.fromhex(digits)


def _from_base64(text: str, what: str) -> bytes:
    standard = text.translate(_URL_SAFE)
    bare = standard.rstrip("=")
    padded = bare + "=" * (-len(bare) % 4)
    try:
        key = base64.b64decode(padded, validate=True)
    except ValueError:
        raise MalformedKeyError(f"the {what} is neither base64 nor hex") from None
    if base64.b64encode(key).decode("ascii") != padded or standard not in (bare, padded):
        raise MalformedKeyError(f"the {what} is base64 that was cut off or altered")
    return key
