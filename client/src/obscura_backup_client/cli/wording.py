"""Times, counts and names as people read them."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

# What moves a terminal's cursor, breaks a line or cannot be written, and what makes text run the other way: somebody
# else chose the name, and may have chosen badly. Joiners stay: they hold families of emoji together.
_MASKED_CATEGORIES = {"Cc", "Cs", "Cn", "Zl", "Zp"}
_TURNING = {*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}


def moment(milliseconds: int) -> str:
    """Milliseconds since 1970 as RFC 3339 in UTC, to the second; the number itself where no calendar goes that far."""
    try:
        return datetime.fromtimestamp(milliseconds // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return f"{milliseconds} ms"


def contacts_text(count: int) -> str:
    """So many contacts, in words."""
    return "1 contact" if count == 1 else f"{count} contacts"


def printable(name: str) -> str:
    """The name, safe to be shown on a terminal within a line."""
    return "".join(
        "\N{REPLACEMENT CHARACTER}"
        if letter in _TURNING or unicodedata.category(letter) in _MASKED_CATEGORIES
        else letter
        for letter in name
    )


def printable_lines(text: str) -> str:
    """The same for text of several lines."""
    return "\n".join(map(printable, text.split("\n")))
