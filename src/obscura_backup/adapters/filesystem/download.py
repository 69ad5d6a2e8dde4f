"""An object file that is being downloaded."""

from __future__ import annotations

import asyncio
import fcntl
import os
from typing import TYPE_CHECKING

from obscura_backup.adapters.filesystem.file_format import HEADER_MAX_BYTES, decode_header
from obscura_backup.adapters.filesystem.reads import open_file, read_file
from obscura_backup.domain.errors import BackupDamaged, BlobStoreUnavailable, RangeNotSatisfiable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from obscura_backup.adapters.filesystem.directories import ObjectDirectory
    from obscura_backup.domain.model import ByteRange, Revision

CHUNK_BYTES = 256 * 1024


class FileBlob:
    """See `OpenBlob`."""

    def __init__(self, file: int, revision: Revision, start: int, length: int, offset: int, first: bytes) -> None:
        self._file: int | None = file
        self._offset = offset
        self._first = first
        self.revision = revision
        self.start = start
        self.length = length

    async def chunks(self) -> AsyncIterator[bytes]:
        """See `OpenBlob.chunks`."""
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
        """See `OpenBlob.aclose`."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def open_blob(directory: ObjectDirectory, path: str, byte_range: ByteRange | None, *, wait: bool) -> FileBlob | None:
    """Open an object, and read as much as most backups have; None if there is none.

    Args:
        directory: that holds the file.
        path: of the file.
        byte_range: as in `BlobStore.open`.
        wait: whether to wait for a writer and for the disk.

    Raises:
        OSError: the file cannot be read; or not without waiting.
        BackupDamaged: see `decode_header`.
        RangeNotSatisfiable: see `BlobStore.open`.
    """
    try:
        with directory.locked(fcntl.LOCK_SH, wait=wait):
            file = open_file(path, wait=wait)
    except FileNotFoundError:
        return None
    try:
        size = os.fstat(file).st_size
        beginning = read_file(file, min(size, HEADER_MAX_BYTES + CHUNK_BYTES), 0, wait=wait)
        revision, header_bytes = decode_header(beginning)
        if size != header_bytes + revision.size:
            raise BackupDamaged("A file in the blob directory is not as long as its header says.")
        part = byte_range.resolve(revision.size) if byte_range else (0, revision.size)
        if part is None:
            raise RangeNotSatisfiable(size=revision.size)
    except BaseException:
        os.close(file)
        raise
    start, length = part
    offset = header_bytes + start
    first = bytes(memoryview(beginning)[offset : offset + min(length, CHUNK_BYTES)])
    return FileBlob(file, revision, start, length, offset, first)


def read_revision(directory: ObjectDirectory, path: str, *, wait: bool) -> Revision | None:
    """The revision of an object; None if there is none. Arguments and errors are those of `open_blob`."""
    with directory.locked(fcntl.LOCK_SH, wait=wait):
        return read_header(path, wait=wait)


def read_header(path: str, *, wait: bool) -> Revision | None:
    """As `read_revision`, for a caller that holds the lock of the directory.

    Raises:
        OSError: the file cannot be read; or not without waiting.
        BackupDamaged: see `decode_header`.
    """
    try:
        file = open_file(path, wait=wait)
    except FileNotFoundError:
        return None
    try:
        return decode_header(read_file(file, min(os.fstat(file).st_size, HEADER_MAX_BYTES), 0, wait=wait))[0]
    finally:
        os.close(file)
