"""Folders whose names survive a power cut: a new name in a folder is durable only once that folder was synced."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

OWNER_ONLY = 0o700
OTHERS_BY_UMASK = 0o777


def make_directory(path: Path) -> None:
    """Make `path`, for its owner alone, and its missing parents; all of them are durable when this returns.

    The folder that holds `path` is synced also where `path` was there: another process may have made it a moment ago.

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
        with suppress(PermissionError):  # a folder that others manage, and may not let us open
            sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the names in a folder durable.

    Raises:
        OSError: the sync failed.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
