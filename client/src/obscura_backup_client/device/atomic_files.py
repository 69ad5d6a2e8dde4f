"""Writing private files atomically: a crash leaves the old or the new file, and no other user can read it."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

OWNER_ONLY_FILE: Final = 0o600


def replace_file(target: Path, encoded: bytes, *, temporary: Path) -> None:
    """Write `temporary`, sync it, rename it over `target`, and sync the directory. A failure keeps the old file.

    The caller resolves links: `temporary` must be in the directory of the real file. An existing `temporary` is
    removed, so only one process at a time may use this name.

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
    """Create `target` in the same way. An existing file is never changed, even if it has just appeared.

    Raises:
        FileExistsError: the name exists, even as a dangling link.
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
            # A file system without hard links, such as a USB stick's. A file created at this moment is overwritten.
            if os.path.lexists(target):
                raise FileExistsError(target) from None
            temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_directory(target.parent)


def make_directory(path: Path, *, mode: int) -> None:
    """Create a directory with this mode, and its missing parents, durably. An existing one is not changed.

    Without this, a power failure could remove the directory together with synced files in it.

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
        with suppress(PermissionError):  # a directory without read permission cannot be synced
            _sync_directory(folder.parent)


def _write_temporary(temporary: Path, encoded: bytes) -> None:
    # A file left by a crash may have any mode. O_EXCL ensures that the mode is the one given here.
    temporary.unlink(missing_ok=True)
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, OWNER_ONLY_FILE)
    try:
        with os.fdopen(file, "wb") as stream:
            stream.write(encoded)
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        # Half a file would use space on a full disk, and may hold part of a secret.
        with suppress(OSError):
            temporary.unlink()
        raise


def _sync_directory(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
