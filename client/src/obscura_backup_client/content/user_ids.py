"""User ids in text: one strict reading for tokens, exports and the command line."""

from __future__ import annotations

import re
from typing import Final
from uuid import UUID

# Stricter than `UUID()`, which also takes braces, hyphens anywhere, underscores and the digits of any script.
UUID_PATTERN: Final = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_UUID: Final = re.compile(UUID_PATTERN)


def parse_user_id(text: str) -> UUID | None:
    """Read a UUID of 36 characters, in upper or lower case; None for anything else."""
    return UUID(text) if _UUID.fullmatch(text) else None
