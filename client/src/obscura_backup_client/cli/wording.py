"""Times and counts as people read them."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(milliseconds: int) -> str:
    """Milliseconds since 1970 as RFC 3339 in UTC, to the second; the number itself where no calendar goes that far."""
    try:
        return datetime.fromtimestamp(milliseconds // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return f"{milliseconds} ms"


def contacts_text(count: int) -> str:
    """So many contacts, in words."""
    return "1 contact" if count == 1 else f"{count} contacts"
