"""Disks that are full at will: a small file system where that may be mounted, else a limit on the size of files."""

from __future__ import annotations

import errno
import resource
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import FileIO
    from pathlib import Path
    from types import TracebackType

MEBIBYTE = 1024 * 1024
LIMIT_BYTES = 2_000
"""Of a file, where no file system may be mounted: less than most blobs and any page of a database's log."""


@dataclass
class SmallDisk:
    """A file system of its own, in memory: real `ENOSPC` for whatever has its files on it.

    Attributes:
        folder: where it is.
        mebibytes: its size.
    """

    folder: Path
    mebibytes: int

    def __enter__(self) -> Self:
        self.folder.mkdir()
        options = f"size={self.mebibytes}m,mode=0755"
        self._mount("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.folder))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._mount("umount", "--lazy", str(self.folder))

    def fill(self) -> None:
        """Leave no byte free."""
        with self._ballast.open("wb", buffering=0) as file:
            for portion in (MEBIBYTE, 4096):
                _write_until_full(file, portion)

    def drain(self) -> None:
        """Give the room back."""
        self._ballast.unlink(missing_ok=True)

    @property
    def _ballast(self) -> Path:
        return self.folder / "ballast"

    def _mount(self, *command: str) -> None:
        subprocess.run(command, check=True, capture_output=True, timeout=20)


def _write_until_full(file: FileIO, portion: int) -> None:
    try:
        while True:
            file.write(bytes(portion))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


def may_mount(folder: Path) -> bool:
    """Whether this process may mount file systems, tried out."""
    try:
        with SmallDisk(folder / "try", 1):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False
    finally:
        with suppress(OSError):
            (folder / "try").rmdir()


@dataclass
class FileLimit:
    """The next best: processes whose files may not grow, so that writes fail with `EFBIG` where a disk says `ENOSPC`.

    Attributes:
        pids: says which processes, at the moment.
    """

    pids: Callable[[], list[int]]

    @staticmethod
    def is_possible() -> bool:
        """Whether limits of other processes can be set: on Linux."""
        return hasattr(resource, "prlimit")

    def fill(self) -> None:
        self._limit(LIMIT_BYTES)

    def drain(self) -> None:
        self._limit(resource.RLIM_INFINITY)

    def _limit(self, size: int) -> None:
        for pid in self.pids():
            with suppress(ProcessLookupError):
                _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (size if hard == -1 else min(size, hard), hard))
