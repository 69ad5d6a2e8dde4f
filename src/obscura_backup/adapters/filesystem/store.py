"""Blobs as files: one per slot with metadata and bytes, replaced by rename, durable before the acknowledgement.

    DIR/backups/ab/ab12…      one object (`file_format`)
    DIR/backups/ab/.…         uploads being written; the next process to start removes those of dead processes
    DIR/incoming/…            a locked directory per process

A PUT writes and syncs its file. Then, under the exclusive lock of the slot's directory, it compares the tag, renames
the file and syncs the directory. A reader takes the shared lock while it opens a file, so it never sees a revision that
a power cut could undo. The locks are the kernel's (flock): several processes may share a directory, and a dead process
releases its locks. The directory must be on a local disk.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import secrets
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from obscura_backup.adapters.durable_directories import make_directory, sync_directory
from obscura_backup.adapters.filesystem.directories import UPLOAD_PREFIX, ObjectDirectory, UploadNames
from obscura_backup.adapters.filesystem.download import CHUNK_BYTES, FileBlob, open_blob, read_header, read_revision
from obscura_backup.adapters.filesystem.file_format import encode_header
from obscura_backup.adapters.worker_threads import WorkerThreads
from obscura_backup.domain.blob import Blob
from obscura_backup.domain.errors import BlobStoreUnavailable, OutcomeUnknown, PutRefused, StoreUnusable
from obscura_backup.domain.model import ByteRange, Draft, Revision, Tag, UserId, slot_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

R = TypeVar("R")

SHARDS = [f"{number:02x}" for number in range(256)]
THREADS = 16
"""Each mostly waits for the disk to sync; with more threads, one sync serves more files."""


_NAME = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_log = logging.getLogger(__name__)


class FilesystemBlobStore:
    """Objects as files under one directory, which is made if it is missing.

    Args:
        root: the directory.
    """

    _uploads: UploadNames

    def __init__(self, root: Path) -> None:
        self._root = root
        self._directories: dict[str, ObjectDirectory] = {}
        self._threads = WorkerThreads(THREADS, name="blobs")
        self._sync_failed = False

    async def start(self) -> None:
        """See `BlobStore.start`."""
        try:
            await self._threads.run(self._prepare)
        except OSError as error:
            raise StoreUnusable(f"The blob directory {self._root} cannot be used: {error.strerror}.") from error

    async def close(self) -> None:
        """See `BlobStore.close`."""
        await self._threads.close()
        if self._directories:
            self._uploads.close()
        while self._directories:
            self._directories.popitem()[1].close()

    async def put(self, user_id: UserId, blob: Blob, draft: Draft, *, replaces: Tag | None) -> Revision:
        """See `BlobStore.put`."""
        return await self._threads.run(self._put, user_id, blob, draft, replaces)

    async def open(self, user_id: UserId, byte_range: ByteRange | None = None) -> FileBlob | None:
        """See `BlobStore.open`."""
        return await self._read(partial(open_blob, *self._locate(user_id), byte_range))

    async def stat(self, user_id: UserId) -> Revision | None:
        """See `BlobStore.stat`."""
        return await self._read(partial(read_revision, *self._locate(user_id)))

    async def scan(self, after: UserId | None = None) -> AsyncIterator[UserId]:
        """See `BlobStore.scan`. Memory: the names in one of 256 directories."""
        start = str(after) if after else ""
        for shard in SHARDS:
            if shard >= start[:2]:
                for name in await self._threads.run(self._names, shard):
                    if name > start:
                        yield UserId(UUID(name))

    async def check(self) -> None:
        """See `BlobStore.check`."""
        self._require_no_failed_sync()
        await self._threads.run(self._write_test_file)

    async def _read(self, read: Callable[..., R]) -> R:
        self._require_no_failed_sync()
        with suppress(OSError):  # a lock or the disk has to be waited for; or the error comes again
            return read(wait=False)
        try:
            return await self._threads.run(partial(read, wait=True))
        except OSError as error:
            raise BlobStoreUnavailable from error

    def _prepare(self) -> None:
        slots, incoming = self._root / "backups", self._root / "incoming"
        for path in (self._root, incoming, slots):
            make_directory(path)
        for shard in SHARDS:
            (slots / shard).mkdir(mode=0o700, exist_ok=True)
        sync_directory(slots)  # once for all 256
        self._uploads = UploadNames(incoming, [slots / shard for shard in SHARDS])
        self._directories = {shard: ObjectDirectory(slots / shard) for shard in SHARDS}

    def _require_no_failed_sync(self) -> None:
        # After a failed sync the kernel may drop unwritten data and report the next sync as a success. So no visible
        # file is known to be durable, until an operator has checked the disk and restarted the service.
        if self._sync_failed:
            raise BlobStoreUnavailable("The disk failed to sync a directory: check the disk, then restart.")

    def _write_test_file(self) -> None:
        # Only a write shows a full disk, a file system that became read-only, or a lack of descriptors.
        path = self._uploads.path_in(self._directories[SHARDS[0]], f"check-{secrets.token_hex(8)}")
        try:
            blob = Blob.of(b"test")
            _write(path, b"", blob)
        except OSError as error:
            raise BlobStoreUnavailable(f"The blob directory {self._root} cannot be written.") from error
        finally:
            _remove(path)

    def _locate(self, user_id: UserId) -> tuple[ObjectDirectory, str]:
        prefix, name = slot_key(user_id).split("/")
        return self._directories[name[:2]], f"{self._root}/{prefix}/{name[:2]}/{name}"

    def _names(self, shard: str) -> list[str]:
        try:
            names = sorted(path.name for path in self._directories[shard].path.iterdir())
        except OSError as error:
            raise BlobStoreUnavailable from error
        names = [name for name in names if not name.startswith(UPLOAD_PREFIX)]
        ours = [name for name in names if _NAME.fullmatch(name)]
        if len(ours) < len(names):
            _log.warning("%s contains files that are not ours; they are skipped", self._directories[shard].path)
        return ours

    def _put(self, user_id: UserId, blob: Blob, draft: Draft, replaces: Tag | None) -> Revision:
        self._require_no_failed_sync()
        directory, path = self._locate(user_id)
        upload = self._uploads.path_in(directory, draft.upload_id)
        renamed = False
        try:
            _write(upload, encode_header(draft), blob)
            with directory.locked(fcntl.LOCK_EX):
                current = read_header(path, wait=True)
                if (current.tag if current else None) != replaces:
                    raise PutRefused
                os.rename(upload, path)  # noqa: PTH104  # strings are faster on the hot path
                renamed = True
                directory.sync()
        except OSError as error:
            if renamed:
                self._sync_failed = True
                raise OutcomeUnknown from error
            raise BlobStoreUnavailable from error
        finally:
            if not renamed:
                _remove(upload)
        return Revision.of(draft, Tag(draft.upload_id))


def _write(path: str, header: bytes, blob: Blob) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        blob.file.seek(0)
        data = header + blob.file.read(CHUNK_BYTES)
        while data:
            data = data[os.write(file, data) :] or blob.file.read(CHUNK_BYTES)
        _sync_content(file)
    finally:
        os.close(file)


def _sync_content(file: int) -> None:
    # The bytes and what is needed to find them, not the times of the file.
    getattr(os, "fdatasync", os.fsync)(file)


def _remove(path: str) -> None:
    with suppress(OSError):  # the file or the disk is gone; the first error says more
        os.unlink(path)  # noqa: PTH108  # as above
