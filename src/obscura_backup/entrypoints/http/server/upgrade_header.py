"""`Upgrade` is ignored (RFC 9110, 7.8), before a parser sees it that would take the body for another protocol."""

from __future__ import annotations

import re

# Of the same length, so that nothing moves.
_UPGRADE = re.compile(rb"(\r\n)upgrade(\s*:)", re.IGNORECASE)
_IGNORED = rb"\1ignored\2"


def without_upgrade(head: bytes) -> bytes:
    """The same head, or piece of one, in which no field asks for another protocol."""
    return _UPGRADE.sub(_IGNORED, head) if _UPGRADE.search(head) else head
