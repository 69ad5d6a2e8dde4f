"""The folders of the blob store: locks that exclude threads and processes, syncs, and where uploads are written."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class ObjectDirectory:
    """One folder of objects, kept open: its descriptor is what is locked and what is synced.

    flock excludes by open file, which all threads of this process share; a lock of the process's own stands before it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._threads = threading.Lock()

    @contextmanager
    def locked(self, how: int) -> Iterator[None]:
        """Hold the folder: alone (`fcntl.LOCK_EX`), or shared with other processes' readers (`fcntl.LOCK_SH`)."""
        with self._threads:
            fcntl.flock(self._descriptor, how)
            try:
                yield
            finally:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def sync(self) -> None:
        """Make what was renamed into the folder durable."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Let the folder go."""
        os.close(self._descriptor)


class IncomingDirectory:
    """Where this process writes uploads: a folder of its own, held locked as long as the process lives.

    So whoever starts next can tell what a dead process left from what a living one is writing.
    """

    def __init__(self, parent: Path) -> None:
        self._sweep(parent)
        while True:
            self.path = parent / secrets.token_hex(8)
            self.path.mkdir(mode=0o700)
            self._descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            if self.path.exists():  # else another one that starts up took it for a dead one's before it was locked
                return
            os.close(self._descriptor)

    @staticmethod
    def _sweep(parent: Path) -> None:
        for path in parent.iterdir():
            with suppress(FileNotFoundError):
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(path, ignore_errors=True)
                except BlockingIOError:
                    pass
                finally:
                    os.close(descriptor)

    def close(self) -> None:
        """Leave nothing behind."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._descriptor)
