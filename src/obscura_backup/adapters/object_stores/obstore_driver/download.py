"""A running GET by obstore: the headers have arrived, the bytes are arriving.

As in `download`, the object's suffix is checked before the last piece of the blob is given out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from obscura_backup.adapters.object_stores.errors import TransientFailure, failure_of_read
from obscura_backup.adapters.object_stores.obstore_driver.errors import DRIVER_ERRORS, failed_request
from obscura_backup.adapters.object_stores.stored_object import CHUNK_BYTES, DRAIN_BYTES
from obscura_backup.domain.errors import BackupDamaged, BlobStoreUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from obstore import BytesStream, GetResult

    from obscura_backup.adapters.object_stores.stored_object import Part
    from obscura_backup.domain.model import Revision


class ObstoreDownload:
    """The object being read; see `OpenBlob`.

    Attributes:
        revision: of the object.
        start: offset of the first byte.
        length: number of bytes of the blob.
        first_chunk: the first piece, after `begin`.

    Args:
        result: of the GET.
        part: of the object, in the response.
        suffix: the bytes that must follow the blob's; empty if the range ends before.
    """

    def __init__(self, result: GetResult, revision: Revision, part: Part, suffix: bytes) -> None:
        self._stream: BytesStream | None = result.stream(min_chunk_size=CHUNK_BYTES)
        self._left = part.length
        self._suffix = suffix
        self.revision = revision
        self.start = part.start
        self.length = part.length
        self.first_chunk = b""

    async def begin(self) -> None:
        """Read the first piece.

        Raises:
            BlobStoreUnavailable: the store broke off.
            BackupDamaged: the object does not end as it should.
        """
        if self._left or self._suffix:
            self.first_chunk = await self._next()

    async def chunks(self) -> AsyncIterator[bytes]:
        """See `OpenBlob.chunks`."""
        yield self.first_chunk
        while self._left and self._stream is not None:
            yield await self._next()

    async def aclose(self) -> None:
        """Give the connection back to the pool if little is left to read, else close it."""
        try:
            if self._left <= DRAIN_BYTES:
                while self._left and self._stream is not None:
                    await self._next()
        except (BlobStoreUnavailable, BackupDamaged):
            pass  # these bytes are not needed
        finally:
            self._stream = None

    async def _next(self) -> bytes:
        piece = await self._read_some()
        if len(piece) < self._left:
            self._left -= len(piece)
            return piece
        while len(piece) < self._left + len(self._suffix):
            piece += await self._read_some()
        self._stream = None
        if piece[self._left :] != self._suffix:
            raise BackupDamaged("An object in the bucket is damaged: it does not end with its upload id.")
        last, self._left = piece[: self._left], 0
        return last

    async def _read_some(self) -> bytes:
        if self._stream is None:
            raise BlobStoreUnavailable("The download was closed.")
        try:
            return await anext(self._stream)
        except StopAsyncIteration:
            raise TransientFailure("The blob store sent fewer bytes than it announced.") from None
        except DRIVER_ERRORS as error:
            failed = failed_request(error, "GetObject")
            raise failure_of_read(failed) from failed
