"""Blobs as files: one per slot with metadata and bytes, replaced by rename, durable before the acknowledgement.

    DIR/backups/ab/ab12…      one object (`file_format`)
    DIR/incoming/…/…          uploads being written, one directory per process; leftovers of dead processes are removed

A PUT writes and syncs its file in `incoming`. Then, under the exclusive lock of the slot's directory, it compares the
tag, renames the file and syncs the directory. A reader takes the shared lock while it opens a file, so it never sees a
revision that a power cut could undo. The locks are the kernel's (flock): several processes may share a directory, and a
dead process releases its locks. The directory must be on a local disk.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar
from uuid import UUID

from obscura_backup.adapters.durable_directories import make_directory, sync_directory
from obscura_backup.adapters.filesystem.directories import IncomingDirectory, ObjectDirectory
from obscura_backup.adapters.filesystem.file_format import HEADER_MAX_BYTES, decode_header, encode_header
from obscura_backup.domain.blob import Blob
from obscura_backup.domain.errors import (
    BackupDamaged,
    BlobStoreUnavailable,
    OutcomeUnknown,
    PutRefused,
    RangeNotSatisfiable,
    StoreUnusable,
)
from obscura_backup.domain.model import ByteRange, Draft, Revision, Tag, UserId, slot_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

P = ParamSpec("P")
R = TypeVar("R")

CHUNK_BYTES = 256 * 1024
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

    _incoming: IncomingDirectory

    def __init__(self, root: Path) -> None:
        self._root = root
        self._directories: dict[str, ObjectDirectory] = {}
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
        if self._directories:
            self._incoming.close()
        while self._directories:
            self._directories.popitem()[1].close()

    async def put(self, user_id: UserId, blob: Blob, draft: Draft, *, replaces: Tag | None) -> Revision:
        """See `BlobStore.put`."""
        return await self._in_thread(self._put, user_id, blob, draft, replaces)

    async def open(self, user_id: UserId, byte_range: ByteRange | None = None) -> _FileBlob | None:
        """See `BlobStore.open`."""
        return await self._in_thread(self._open, user_id, byte_range)

    async def stat(self, user_id: UserId) -> Revision | None:
        """See `BlobStore.stat`."""
        return await self._in_thread(self._stat, user_id)

    async def scan(self, after: UserId | None = None) -> AsyncIterator[UserId]:
        """See `BlobStore.scan`. Memory: the names in one of 256 directories."""
        start = str(after) if after else ""
        for shard in SHARDS:
            if shard >= start[:2]:
                for name in await self._in_thread(self._names, shard):
                    if name > start:
                        yield UserId(UUID(name))

    async def check(self) -> None:
        """See `BlobStore.check`."""
        self._require_no_failed_sync()
        await self._in_thread(self._write_test_file)

    async def _in_thread(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(function, *args, **kwargs))

    def _prepare(self) -> None:
        slots, incoming = self._root / "backups", self._root / "incoming"
        for path in (self._root, incoming, slots):
            make_directory(path)
        for shard in SHARDS:
            (slots / shard).mkdir(mode=0o700, exist_ok=True)
        sync_directory(slots)  # once for all 256
        self._incoming = IncomingDirectory(incoming)
        self._directories = {shard: ObjectDirectory(slots / shard) for shard in SHARDS}

    def _require_no_failed_sync(self) -> None:
        # After a failed sync the kernel may drop unwritten data and report the next sync as a success. So no visible
        # file is known to be durable, until an operator has checked the disk and restarted the service.
        if self._sync_failed:
            raise BlobStoreUnavailable("The disk failed to sync a directory: check the disk, then restart.")

    def _write_test_file(self) -> None:
        # Only a write shows a full disk, a file system that became read-only, or a lack of descriptors.
        path = f"{self._incoming.path}/check-{secrets.token_hex(8)}"
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
        ours = [name for name in names if _NAME.fullmatch(name)]
        if len(ours) < len(names):
            _log.warning("%s contains files that are not ours; they are skipped", self._directories[shard].path)
        return ours

    def _put(self, user_id: UserId, blob: Blob, draft: Draft, replaces: Tag | None) -> Revision:
        self._require_no_failed_sync()
        directory, path = self._locate(user_id)
        incoming = f"{self._incoming.path}/{draft.upload_id}"
        renamed = False
        try:
            _write(incoming, encode_header(draft), blob)
            with directory.locked(fcntl.LOCK_EX):
                current = _read_revision(path)
                if (current.tag if current else None) != replaces:
                    raise PutRefused
                os.rename(incoming, path)  # noqa: PTH104  # strings are faster on the hot path
                renamed = True
                directory.sync()
        except OSError as error:
            if renamed:
                self._sync_failed = True
                raise OutcomeUnknown from error
            raise BlobStoreUnavailable from error
        finally:
            if not renamed:
                _remove(incoming)
        return Revision.of(draft, Tag(draft.upload_id))

    def _stat(self, user_id: UserId) -> Revision | None:
        self._require_no_failed_sync()
        directory, path = self._locate(user_id)
        try:
            with directory.locked(fcntl.LOCK_SH):
                return _read_revision(path)
        except OSError as error:
            raise BlobStoreUnavailable from error

    def _open(self, user_id: UserId, byte_range: ByteRange | None) -> _FileBlob | None:
        self._require_no_failed_sync()
        directory, path = self._locate(user_id)
        try:
            with directory.locked(fcntl.LOCK_SH):
                file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise BlobStoreUnavailable from error
        try:
            # This one read covers most backups.
            beginning = os.pread(file, HEADER_MAX_BYTES + CHUNK_BYTES, 0)
            revision, header_bytes = decode_header(beginning)
            if os.fstat(file).st_size != header_bytes + revision.size:
                raise BackupDamaged("A file in the blob directory is not as long as its header says.")
            part = byte_range.resolve(revision.size) if byte_range else (0, revision.size)
            if part is None:
                raise RangeNotSatisfiable(size=revision.size)
        except OSError as error:
            os.close(file)
            raise BlobStoreUnavailable from error
        except BaseException:
            os.close(file)
            raise
        start, length = part
        first = beginning[header_bytes + start : header_bytes + start + min(length, CHUNK_BYTES)]
        return _FileBlob(file, revision, start, length, header_bytes + start, first)


class _FileBlob:
    def __init__(self, file: int, revision: Revision, start: int, length: int, offset: int, first: bytes) -> None:
        self._file: int | None = file
        self._offset = offset
        self._first = first
        self.revision = revision
        self.start = start
        self.length = length

    async def chunks(self) -> AsyncIterator[bytes]:
        first, self._first = self._first, b""  # release its memory while a slow reader takes the rest
        done = len(first)
        if first:
            yield first
        del first
        while done < self.length:
            chunk = await asyncio.to_thread(self._read, self._offset + done, min(self.length - done, CHUNK_BYTES))
            done += len(chunk)
            yield chunk

    def _read(self, offset: int, length: int) -> bytes:
        if self._file is None:
            raise BlobStoreUnavailable("The blob was closed while it was being read.")
        try:
            chunk = os.pread(self._file, length, offset)
        except OSError as error:
            raise BlobStoreUnavailable from error
        if not chunk:
            raise BlobStoreUnavailable("A file in the blob directory is shorter than its header says.")
        return chunk

    async def aclose(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


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


def _read_revision(path: str) -> Revision | None:
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return decode_header(os.read(file, HEADER_MAX_BYTES))[0]
    finally:
        os.close(file)
