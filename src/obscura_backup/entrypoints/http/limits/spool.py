"""Receives request bodies: in memory while the budget of the process allows it, then in a temporary file."""

from __future__ import annotations

import hashlib
import hmac
import io
import tempfile
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO

from obscura_backup.domain.blob import Blob
from obscura_backup.domain.errors import BlobTooLarge, BlobTooSmall, DigestMismatch, Unavailable
from obscura_backup.domain.model import Limits, Sha256

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterator
    from contextlib import AbstractAsyncContextManager

MEMORY_BYTES = 256 * 1024
"""Per upload; a longer body goes to a temporary file."""


class SpoolMemory:
    """The memory that all uploads of a process share.

    Args:
        max_bytes: in total.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._left_bytes = max_bytes

    @property
    def used_bytes(self) -> int:
        """How much is reserved now."""
        return self._max_bytes - self._left_bytes

    def reserve(self, count: int) -> bool:
        """Reserve `count` bytes; False if that is more than is left."""
        fits = count <= self._left_bytes
        if fits:
            self._left_bytes -= count
        return fits

    def release(self, count: int) -> None:
        """Return `count` reserved bytes."""
        self._left_bytes += count


def receive(
    chunks: AsyncIterable[bytes], limits: Limits, memory: SpoolMemory, *, declared_sha256: bytes | None = None
) -> AbstractAsyncContextManager[Blob]:
    """Receive a body of unknown length; its memory or file is released at the end. No lock is held meanwhile.

    Args:
        chunks: the body as it arrives.
        limits: on its size.
        memory: shared by all uploads.
        declared_sha256: the digest that the client declared, if any.

    Raises:
        BlobTooLarge: as soon as more than `limits.max_bytes` arrived.
        BlobTooSmall: it ended before `limits.min_bytes`.
        DigestMismatch: it does not have the declared digest.
        Unavailable: this machine has no space for it.
    """
    return _Reception(chunks, limits, _Spool(memory), declared_sha256)


class _Reception:
    # A class, since the event loop keeps a list of all generators that are awaited.
    def __init__(
        self, chunks: AsyncIterable[bytes], limits: Limits, spool: _Spool, declared_sha256: bytes | None
    ) -> None:
        self._chunks = chunks
        self._limits = limits
        self._spool = spool
        self._declared_sha256 = declared_sha256

    async def __aenter__(self) -> Blob:
        try:
            return await self._receive()
        except BaseException:
            self._spool.close()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._spool.close()

    async def _receive(self) -> Blob:
        limits, spool = self._limits, self._spool
        async for chunk in self._chunks:
            if spool.size + len(chunk) > limits.max_bytes:
                raise BlobTooLarge(max_bytes=limits.max_bytes)
            spool.write(chunk)
        if spool.size < limits.min_bytes:
            raise BlobTooSmall(size=spool.size, min_bytes=limits.min_bytes)
        blob = spool.finish()
        if self._declared_sha256 is not None and not hmac.compare_digest(self._declared_sha256, blob.sha256):
            raise DigestMismatch
        return blob


class _Spool:
    def __init__(self, memory: SpoolMemory) -> None:
        self._memory = memory
        self._reserved = 0
        self._chunks: list[bytes] = []
        self._file: BinaryIO | None = None
        self._hasher = hashlib.sha256()
        self.size = 0

    def write(self, chunk: bytes) -> None:
        self.size += len(chunk)
        self._hasher.update(chunk)
        if self._file is None and self.size <= MEMORY_BYTES and self._memory.reserve(len(chunk)):
            self._reserved = self.size
            self._chunks.append(chunk)
            return
        with _no_space():
            file = self._file or self._move_to_disk()
            file.write(chunk)

    def finish(self) -> Blob:
        if self._file is None:
            self._file = io.BytesIO(b"".join(self._chunks))  # without a copy if there is one chunk
            self._chunks.clear()
        with _no_space():
            self._file.flush()  # the last bytes may still be buffered, and a reader expects no failed write
        return Blob(self.size, Sha256(self._hasher.digest()), self._file, self._hasher)

    def close(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # bytes that are still buffered are not needed any more
                self._file.close()
        self._release()

    def _move_to_disk(self) -> BinaryIO:
        file = tempfile.TemporaryFile()  # noqa: SIM115  # `close` closes it
        self._file = file
        file.writelines(self._chunks)
        self._chunks.clear()
        self._release()
        return file

    def _release(self) -> None:
        self._memory.release(self._reserved)
        self._reserved = 0


@contextmanager
def _no_space() -> Iterator[None]:
    try:
        yield
    except OSError as error:  # no directory for temporary files, no space in it, or no file descriptors left
        raise Unavailable("There is no space to receive a blob.") from error
