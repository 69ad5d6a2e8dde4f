"""The directories of the blob store: locks between threads and processes, syncs, and names for uploads."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import threading
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from obscura_backup.adapters.durable_directories import sync_directory

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

UPLOAD_PREFIX = "."


class ObjectDirectory:
    """One directory of objects, kept open to lock and to sync it.

    flock excludes by open file, which all threads of this process share. So a thread lock is taken first.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._threads = threading.Lock()

    @contextmanager
    def locked(self, how: int, *, wait: bool = True) -> Iterator[None]:
        """Hold the lock: exclusive (`fcntl.LOCK_EX`), or shared with readers of other processes (`fcntl.LOCK_SH`).

        Raises:
            BlockingIOError: it is not free; only without `wait`.
        """
        if not self._threads.acquire(blocking=wait):
            raise BlockingIOError
        try:
            fcntl.flock(self._descriptor, how if wait else how | fcntl.LOCK_NB)
            try:
                yield
            finally:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        finally:
            self._threads.release()

    def sync(self) -> None:
        """Make renames into the directory durable."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Close the directory."""
        os.close(self._descriptor)


class UploadNames:
    """The names of files into which this process writes uploads. A file is in the directory of its object.

    A rename between two directories takes a lock of the whole file system, and dirties both of them. The names contain
    that of a directory which is locked as long as the process lives. So the next process to start can tell leftovers of
    a dead process from uploads in progress.

    Args:
        parent: of the locked directories.
        objects: the directories with the objects.
    """

    def __init__(self, parent: Path, objects: Iterable[Path]) -> None:
        _sweep(parent, objects)
        while True:
            self._path = parent / secrets.token_hex(8)
            self._path.mkdir(mode=0o700)
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            if self._path.exists():  # else another starting process removed it before it was locked
                break
            os.close(self._descriptor)
        sync_directory(parent)  # else a power cut could leave uploads whose process is unknown
        self._token = self._path.name

    def path_in(self, directory: ObjectDirectory, upload_id: str) -> str:
        """The path for an upload that will replace an object in `directory`."""
        return f"{directory.path}/{UPLOAD_PREFIX}{self._token}-{upload_id}"

    def close(self) -> None:
        """Remove the directory. All uploads have ended."""
        shutil.rmtree(self._path, ignore_errors=True)
        os.close(self._descriptor)


def _sweep(parent: Path, objects: Iterable[Path]) -> None:
    """Remove what dead processes have left. All of it in one pass: there may be millions of objects."""
    with ExitStack() as locks:
        dead = [path for path in parent.iterdir() if _lock(path, locks)]
        if dead:
            _remove_uploads(tuple(f"{UPLOAD_PREFIX}{path.name}-" for path in dead), objects)
        for path in dead:
            shutil.rmtree(path, ignore_errors=True)


def _lock(path: Path, locks: ExitStack) -> bool:
    """Whether the process of this directory is dead; it is locked then, so that no other process sweeps it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:  # another starting process has swept it
        return False
    locks.callback(os.close, descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _remove_uploads(prefixes: tuple[str, ...], objects: Iterable[Path]) -> None:
    for directory in objects:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.name.startswith(prefixes):
                    with suppress(FileNotFoundError):
                        Path(entry).unlink()
