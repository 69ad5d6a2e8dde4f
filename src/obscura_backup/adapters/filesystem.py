"""Blobs as files: one a slot, metadata and bytes together, replaced by rename, durable before anything is acknowledged.

    DIR/backups/ab/ab12…      one object (`blob_file`)
    DIR/backups/ab/.lock      who replaces an object of this folder holds it alone, who opens one shares it
    DIR/incoming/…            uploads being written; swept at start-up of whatever a power cut left there

A PUT writes and syncs its file beside the others first. Only then, under the folder's lock, it compares the tag,
renames and syncs the folder. A reader takes the same lock to open a file, so that it never sees a revision which a
power cut could still take back. The locks are the kernel's (flock): several processes on one directory are safe, and
a process that dies lets go. The directory belongs on a local disk.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, ParamSpec, TypeVar
from uuid import UUID

from obscura_backup.adapters.blob_file import CHUNK_BYTES, read_bytes, read_header, write_blob
from obscura_backup.domain.errors import (
    BlobStoreUnavailable,
    OutcomeUnknown,
    PutRefused,
    RangeNotSatisfiable,
    StoreUnusable,
)
from obscura_backup.domain.model import (
    ByteRange,
    Draft,
    Revision,
    Tag,
    UserId,
    slot_key,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from obscura_backup.domain.spool import Spool

P = ParamSpec("P")
R = TypeVar("R")

LOCK_NAME = ".lock"
SHARDS = [f"{number:02x}" for number in range(256)]
THREADS = 16
"""Each mostly waits for the disk to sync; more of them let the disk sync more in one go."""


class FilesystemBlobStore:
    """Objects as files under one directory, which is made where it is missing.

    Args:
        root: the directory.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._incoming = root / "incoming"
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="blobs")
        self._sync_failed = False

    async def start(self) -> None:
        """See `BlobStore.start`."""
        try:
            await self._in_thread(self._prepare)
        except OSError as error:
            raise StoreUnusable(f"The blob directory {self._root} cannot be used: {error.strerror}.") from error

    async def close(self) -> None:
        """See `BlobStore.close`."""
        await asyncio.to_thread(self._threads.shutdown)

    async def put(self, user_id: UserId, blob: Spool, draft: Draft, *, replaces: Tag | None) -> Revision:
        """See `BlobStore.put`."""
        return await self._in_thread(self._put, user_id, blob, draft, replaces)

    async def open(self, user_id: UserId, wanted: ByteRange | None = None) -> _FileBlob | None:
        """See `BlobStore.open`."""
        return await self._in_thread(self._open, user_id, wanted)

    async def stat(self, user_id: UserId) -> Revision | None:
        """See `BlobStore.stat`."""
        return await self._in_thread(self._stat, user_id)

    async def scan(self, after: UserId | None = None) -> AsyncIterator[UserId]:
        """See `BlobStore.scan`. Memory: the names of one folder in 256."""
        start = str(after) if after else ""
        for shard in SHARDS:
            if shard >= start[:2]:
                for name in await self._in_thread(self._names, shard):
                    if name > start:
                        yield UserId(UUID(name))

    async def check(self) -> None:
        """See `BlobStore.check`."""
        await self._in_thread(self._check)

    async def _in_thread(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(function, *args, **kwargs))

    def _prepare(self) -> None:
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        slots = self._root / "backups"
        for folder in (self._incoming, slots, *(slots / shard for shard in SHARDS)):
            folder.mkdir(exist_ok=True, mode=0o700)
        for folder in (slots, self._root, self._root.parent):
            _sync_folder(folder)
        self._sweep()

    def _sweep(self) -> None:
        # What a killed process was writing. A living one holds the lock of its file, or has just renamed it.
        for path in self._incoming.iterdir():
            with suppress(BlockingIOError, FileNotFoundError), path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()

    def _check(self) -> None:
        self._require_sound()
        if not os.access(self._incoming, os.W_OK | os.X_OK):
            raise BlobStoreUnavailable(f"The blob directory {self._root} cannot be written.")

    def _require_sound(self) -> None:
        # After a failed sync the kernel may drop what was not written and call the next sync a success. So nothing that
        # is visible may be believed to be durable any more, until an operator has looked and started us anew.
        if self._sync_failed:
            raise BlobStoreUnavailable("The disk failed to sync a folder; look at the disk, then restart.")

    def _path(self, user_id: UserId) -> Path:
        prefix, name = slot_key(user_id).split("/")
        return self._root / prefix / name[:2] / name

    def _names(self, shard: str) -> list[str]:
        try:
            entries = [path.name for path in (self._root / "backups" / shard).iterdir()]
        except OSError as error:
            raise BlobStoreUnavailable from error
        return sorted(name for name in entries if name != LOCK_NAME)

    def _put(self, user_id: UserId, blob: Spool, draft: Draft, replaces: Tag | None) -> Revision:
        self._require_sound()
        path = self._path(user_id)
        incoming = self._incoming / draft.upload_id
        try:
            with incoming.open("xb") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                write_blob(file, blob, draft)
                with _folder_lock(path.parent, fcntl.LOCK_EX):
                    held = _read_revision(path)
                    if (held.tag if held else None) != replaces:
                        raise PutRefused
                    incoming.rename(path)
                    self._sync_renamed(path.parent)
        except OSError as error:
            raise BlobStoreUnavailable from error
        finally:
            incoming.unlink(missing_ok=True)
        return Revision.of(draft, Tag(draft.upload_id))

    def _sync_renamed(self, folder: Path) -> None:
        try:
            _sync_folder(folder)
        except OSError as error:
            self._sync_failed = True
            raise OutcomeUnknown from error

    def _stat(self, user_id: UserId) -> Revision | None:
        self._require_sound()
        path = self._path(user_id)
        try:
            with _folder_lock(path.parent, fcntl.LOCK_SH):
                return _read_revision(path)
        except OSError as error:
            raise BlobStoreUnavailable from error

    def _open(self, user_id: UserId, wanted: ByteRange | None) -> _FileBlob | None:
        self._require_sound()
        path = self._path(user_id)
        try:
            with _folder_lock(path.parent, fcntl.LOCK_SH):
                file = path.open("rb")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise BlobStoreUnavailable from error
        try:
            revision = read_header(file)
            part = wanted.within(revision.size) if wanted else (0, revision.size)
            if part is None:
                raise RangeNotSatisfiable(size=revision.size)
            start, length = part
            file.seek(start, os.SEEK_CUR)
            # The first piece comes with the same trip to a thread; for most backups it is all there is.
            return _FileBlob(file, revision, start, length, read_bytes(file, min(length, CHUNK_BYTES)))
        except BaseException:
            file.close()
            raise


class _FileBlob:
    def __init__(self, file: BinaryIO, revision: Revision, start: int, length: int, first: bytes) -> None:
        self._file = file
        self._first = first
        self.revision = revision
        self.start = start
        self.length = length

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self._first
        left = self.length - len(self._first)
        while left > 0:
            chunk = await asyncio.to_thread(read_bytes, self._file, min(left, CHUNK_BYTES))
            left -= len(chunk)
            yield chunk

    async def aclose(self) -> None:
        self._file.close()


@contextmanager
def _folder_lock(folder: Path, how: int) -> Iterator[None]:
    # Opened anew each time: flock excludes by open file, so that threads exclude each other as processes do.
    lock = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, how)
        yield
    finally:
        os.close(lock)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read_revision(path: Path) -> Revision | None:
    try:
        with path.open("rb") as file:
            return read_header(file)
    except FileNotFoundError:
        return None
