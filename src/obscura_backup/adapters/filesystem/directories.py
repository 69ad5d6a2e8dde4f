"""The directories of the blob store: locks between threads and processes, syncs, and a place for uploads."""

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
    """One directory of objects, kept open to lock and to sync it.

    flock excludes by open file, which all threads of this process share. So a thread lock is taken first.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._threads = threading.Lock()

    @contextmanager
    def locked(self, how: int) -> Iterator[None]:
        """Hold the lock: exclusive (`fcntl.LOCK_EX`), or shared with readers of other processes (`fcntl.LOCK_SH`)."""
        with self._threads:
            fcntl.flock(self._descriptor, how)
            try:
                yield
            finally:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def sync(self) -> None:
        """Make renames into the directory durable."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Close the directory."""
        os.close(self._descriptor)


class IncomingDirectory:
    """The directory into which this process writes uploads. It is locked as long as the process lives.

    So the next process to start can tell leftovers of a dead process from uploads in progress.
    """

    def __init__(self, parent: Path) -> None:
        self._sweep(parent)
        while True:
            self.path = parent / secrets.token_hex(8)
            self.path.mkdir(mode=0o700)
            self._descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            if self.path.exists():  # else another starting process removed it before it was locked
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
        """Remove the directory."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._descriptor)
