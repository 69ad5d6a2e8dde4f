"""Rules for names of contacts and devices, whether typed, imported or set by an app."""

from __future__ import annotations

import unicodedata
from typing import Final

from obscura_backup_client.content.errors import NameRefused
from obscura_backup_client.content.model import MAX_NAME_BYTES

MAX_USERNAME_CODE_POINTS: Final = 256
# Control characters, surrogates and line breaks: they break lines, move cursors, or cannot be encoded.
_UNPRINTABLE_CATEGORIES: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})


def username_problem(username: str) -> str | None:
    """Why a contact cannot have this name, without quoting it; None for a valid name."""
    if not username.strip():
        return "the contact has no username"
    if len(username) > MAX_USERNAME_CODE_POINTS:
        return f"the username has more than {MAX_USERNAME_CODE_POINTS} characters"
    if _is_not_text(username):
        return "the username is not UTF-8 text"
    return "the username contains a control character or line break" if _unprintable(username) else None


def require_username(username: str) -> str:
    """Check a contact's name, and return it.

    Raises:
        NameRefused: empty, over 256 characters, not encodable as UTF-8, or with control characters.
    """
    problem = username_problem(username)
    if problem is not None:
        raise NameRefused(problem)
    return username


def require_device_name(name: str) -> str:
    """Check a device's name, which may be empty, and return it.

    Raises:
        NameRefused: over 256 bytes of UTF-8, not encodable as UTF-8, or with control characters. A state with such a
            name could never be sealed.
    """
    if _is_not_text(name):
        raise NameRefused("the device name is not UTF-8 text")
    if _unprintable(name):
        raise NameRefused("the device name contains a control character or line break")
    if len(name.encode()) > MAX_NAME_BYTES:
        raise NameRefused(f"the device name has more than {MAX_NAME_BYTES} bytes")
    return name


def sanitized_device_name(name: str) -> str:
    """Make a device name valid by removing and cutting characters, where an error would not help."""
    kept = "".join(character for character in name if not _unprintable(character))
    return kept.encode()[:MAX_NAME_BYTES].decode("utf-8", "ignore")


def _is_not_text(text: str) -> bool:
    """Whether the text has surrogates, which stand for undecodable bytes of the command line."""
    return any(unicodedata.category(character) == "Cs" for character in text)


def _unprintable(text: str) -> bool:
    return any(unicodedata.category(character) in _UNPRINTABLE_CATEGORIES for character in text)
