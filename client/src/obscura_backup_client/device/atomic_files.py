"""Writing a private file as a whole: after a crash there is the old one or the new one, and no other user reads it."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

OWNER_ONLY_FILE: Final = 0o600


def replace_file(target: Path, encoded: bytes, *, temporary: Path) -> None:
    """Write `temporary`, sync it, rename it over `target`, and sync the folder. What fails leaves the old file alone.

    Where `target` is a link, the caller has followed it: `temporary` must be in the folder in which the file really is.
    Whatever is at `temporary` is removed, so that only one process at a time may use this name.

    Raises:
        OSError: the operating system refused.
    """
    _write_temporary(temporary, encoded)
    try:
        temporary.replace(target)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        raise
    _sync_directory(target.parent)


def create_file(target: Path, encoded: bytes, *, temporary: Path) -> None:
    """The same where there is no `target` yet; one that is there is not touched, even if it came a moment ago.

    Raises:
        FileExistsError: there is something of that name, if only a link that leads nowhere.
        OSError: the operating system refused.
    """
    if os.path.lexists(target):
        raise FileExistsError(target)
    _write_temporary(temporary, encoded)
    try:
        try:
            target.hardlink_to(temporary)
        except FileExistsError:
            raise
        except OSError:
            # A file system without hard links (a USB stick's): whoever makes the file in this very moment loses it.
            if os.path.lexists(target):
                raise FileExistsError(target) from None
            temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_directory(target.parent)


def make_directory(path: Path, *, mode: int) -> None:
    """Make a folder of this mode, and its missing parents; they are durable when this returns.

    One that is there stays as it is.

    Without this, a power cut could take back the folder together with files in it that were synced.

    Raises:
        OSError: the operating system refused.
    """
    if path.is_dir():
        return
    missing = [path]
    while not missing[-1].parent.is_dir():
        missing.append(missing[-1].parent)
    for folder in reversed(missing):
        folder.mkdir(mode=mode if folder == path else 0o777, exist_ok=True)
        with suppress(PermissionError):  # a folder that may be written and not read cannot be opened, and so not synced
            _sync_directory(folder.parent)


def _write_temporary(temporary: Path, encoded: bytes) -> None:
    # What a crash left behind may have any mode; O_EXCL makes sure that ours is the one given here.
    temporary.unlink(missing_ok=True)
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, OWNER_ONLY_FILE)
    try:
        with os.fdopen(file, "wb") as stream:
            stream.write(encoded)
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        # On a full disk, half a file would be in the way of the next attempt; and it may hold half a secret.
        with suppress(OSError):
            temporary.unlink()
        raise


def _sync_directory(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
