"""What a name may be, of a contact or of a device: one rule for what is typed, imported and set by an app."""

from __future__ import annotations

import unicodedata
from typing import Final

from obscura_backup_client.content.errors import NameRefused
from obscura_backup_client.content.model import MAX_NAME_BYTES

MAX_USERNAME_CODE_POINTS: Final = 256
# Control characters, halves of characters, and line breaks: they break lines, move cursors, or cannot be stored.
_UNPRINTABLE_CATEGORIES: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})


def username_problem(username: str) -> str | None:
    """Why a contact cannot have this name, in words that quote nothing of it; None for a name that is fine."""
    if not username.strip():
        return "the contact has no username"
    if len(username) > MAX_USERNAME_CODE_POINTS:
        return f"the username has more than {MAX_USERNAME_CODE_POINTS} characters"
    if _is_not_text(username):
        return "the username is not UTF-8 text"
    return "the username has a control character or line break in it" if _unprintable(username) else None


def require_username(username: str) -> str:
    """The name, if a contact can have it.

    Raises:
        NameRefused: empty, over 256 characters, not writable as UTF-8, or with control characters.
    """
    problem = username_problem(username)
    if problem is not None:
        raise NameRefused(problem)
    return username


def require_device_name(name: str) -> str:
    """The name, if a device can have it; it may be empty.

    Raises:
        NameRefused: over 256 bytes in UTF-8, not writable as UTF-8, or with control characters. A state with such a
            name could never be sealed.
    """
    if _is_not_text(name):
        raise NameRefused("the device's name is not UTF-8 text")
    if _unprintable(name):
        raise NameRefused("the device's name has a control character or line break in it")
    if len(name.encode()) > MAX_NAME_BYTES:
        raise NameRefused(f"the device's name has more than {MAX_NAME_BYTES} bytes")
    return name


def sanitized_device_name(name: str) -> str:
    """The nearest name that a device can have: for one that nobody typed just now, and that is no reason to stop."""
    kept = "".join(character for character in name if not _unprintable(character))
    return kept.encode()[:MAX_NAME_BYTES].decode("utf-8", "ignore")


def _is_not_text(text: str) -> bool:
    """Whether there are halves of characters in it: what bytes that are not UTF-8 become on a command line."""
    return any(unicodedata.category(character) == "Cs" for character in text)


def _unprintable(text: str) -> bool:
    return any(unicodedata.category(character) in _UNPRINTABLE_CATEGORIES for character in text)
