"""Reads files that an operator names: regular files only, without waiting, up to a limit."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFLNK: "a symbolic link",
}


class UnsuitableFile(OSError):
    """The file is not a regular file, or it is longer than its limit."""


def read_regular_file(path: Path, max_bytes: int) -> bytes:
    """The whole content. Symbolic links are followed: Kubernetes mounts secrets as links.

    Raises:
        UnsuitableFile: it is not a regular file, or too long.
        OSError: it cannot be opened or read.
    """
    with opened_regular_file(path) as (descriptor, _):
        return read_bounded(descriptor, max_bytes)


@contextmanager
def opened_regular_file(
    path: Path | str, *, follow_links: bool = True, folder: int | None = None
) -> Iterator[tuple[int, os.stat_result]]:
    """A descriptor for reading, and the status of the opened file.

    Args:
        path: of the file; relative to `folder` if that is given.
        follow_links: whether the last part of the path may be a symbolic link.
        folder: a descriptor of a directory.

    Raises:
        UnsuitableFile: it is not a regular file.
        OSError: it cannot be opened.
    """
    # Checked before opening, because opening a device can have effects, and again afterwards, because the path may lead
    # elsewhere by then. Without O_NONBLOCK, opening a pipe would wait for its writer.
    _require_regular(os.stat(path, dir_fd=folder, follow_symlinks=follow_links))
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | (0 if follow_links else os.O_NOFOLLOW)
    descriptor = os.open(path, flags, dir_fd=folder)
    try:
        described = os.fstat(descriptor)
        _require_regular(described)
        yield descriptor, described
    finally:
        os.close(descriptor)


def read_bounded(descriptor: int, max_bytes: int) -> bytes:
    """All bytes up to the end of the file.

    Raises:
        UnsuitableFile: there are more than `max_bytes`.
        OSError: it cannot be read.
    """
    # The size from `fstat` is no limit: it is 0 for files under /proc, and a file can grow.
    found = bytearray()
    while piece := os.read(descriptor, max_bytes + 1 - len(found)):
        found += piece
        if len(found) > max_bytes:
            raise UnsuitableFile(f"it has more than {max_bytes} bytes")
    return bytes(found)


def _require_regular(described: os.stat_result) -> None:
    if not stat.S_ISREG(described.st_mode):
        kind = _KINDS.get(stat.S_IFMT(described.st_mode), "of an unknown kind")
        raise UnsuitableFile(f"it is {kind}, not a regular file")
