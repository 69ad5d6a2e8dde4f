"""Makes directories durably: a new name survives a power cut only after its parent directory was synced."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

OWNER_ONLY = 0o700
OTHERS_BY_UMASK = 0o777


def make_directory(path: Path) -> None:
    """Make `path`, accessible by its owner only, and its missing parents; all are durable when this returns.

    The parent of `path` is synced even if `path` existed: another process may just have made it.

    Raises:
        OSError: it cannot be made, or a sync failed.
    """
    missing = [path]
    while not missing[-1].parent.is_dir():
        missing.append(missing[-1].parent)
    made = False
    for directory in reversed(missing):
        made = not directory.is_dir() or made
        directory.mkdir(mode=OWNER_ONLY if directory == path else OTHERS_BY_UMASK, exist_ok=True)
        if made:
            sync_directory(directory.parent)
    if not made:
        with suppress(PermissionError):  # a directory of another owner, which we may not open
            sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable.

    Raises:
        OSError: the sync failed.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
