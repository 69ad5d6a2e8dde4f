"""`Upgrade` is ignored (RFC 9110, 7.8), before a parser sees it that would take the body for another protocol."""

from __future__ import annotations

import re

_END_OF_HEAD = b"\r\n\r\n"
ALMOST_END_BYTES = len(_END_OF_HEAD) - 1
"""How much of the end of a head may have come before the rest."""
# Of the same length, so that nothing moves.
_UPGRADE = re.compile(rb"(\r\n)upgrade(\s*:)", re.IGNORECASE)
_IGNORED = rb"\1ignored\2"


def without_upgrade(last_bytes: bytes, data: bytes) -> bytes:
    """The same bytes, in whose head no field asks for another protocol.

    Args:
        last_bytes: the last few that came before, of the same head.
        data: what came now: the head or a piece of it, and perhaps more, which is left alone.
    """
    # What ends a head may have begun in what was received before; whatever comes after it is a body, and not ours.
    end = (last_bytes + data[:ALMOST_END_BYTES]).find(_END_OF_HEAD)
    if end >= 0:
        return data
    end = data.find(_END_OF_HEAD)
    head = data if end < 0 else data[:end]
    if _UPGRADE.search(head) is None:
        return data
    return _UPGRADE.sub(_IGNORED, head) + data[len(head) :]
