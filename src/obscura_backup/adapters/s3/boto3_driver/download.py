"""A running GET: the headers have arrived, the bytes are arriving.

The object's suffix (`stored_object`) is checked before the last piece of the blob is given out. So a reader never gets
all of an object that was damaged or mixed from two.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

from obscura_backup.adapters.object_stores.errors import TransientFailure, failure_of_read
from obscura_backup.adapters.object_stores.stored_object import CHUNK_BYTES, DRAIN_BYTES
from obscura_backup.adapters.s3.boto3_driver.errors import DRIVER_ERRORS, failed_request
from obscura_backup.domain.errors import BackupDamaged, BlobStoreUnavailable

if TYPE_CHECKING:
    from obscura_backup.domain.model import Revision


class Body(Protocol):
    """The part of botocore's `StreamingBody` that is used."""

    def read(self, amt: int) -> bytes:
        """At most `amt` bytes, none at the end."""

    def close(self) -> None:
        """Close the connection, too, if bytes are left on it."""


class ReadAhead:
    """A body of which one byte has arrived.

    Raises:
        BlobStoreUnavailable: none did: the store broke off.
    """

    def __init__(self, body: Body) -> None:
        self._body = body
        self._first = _read_some(body, 1)

    def read(self, amt: int) -> bytes:
        """See `Body.read`."""
        first, self._first = self._first, b""
        return first or self._body.read(amt)

    def close(self) -> None:
        """See `Body.close`."""
        self._body.close()


class Download:
    """An object being read. Blocking and thread-safe.

    Attributes:
        revision: of the object.
        start: offset of the first byte.
        length: of the requested part of the blob, in bytes.
        first_chunk: the first piece, read with the headers.

    Args:
        suffix: the expected bytes after those of the blob; empty if the range ends before.

    Raises:
        BlobStoreUnavailable: the store broke off.
        BackupDamaged: the object does not end with its upload id.
    """

    def __init__(self, body: Body, revision: Revision, start: int, length: int, suffix: bytes) -> None:
        self._body = body
        self._left = length
        self._suffix = suffix
        self._closed = False
        self._lock = threading.Lock()
        self.revision = revision
        self.start = start
        self.length = length
        try:
            self.first_chunk = self.read() if length else self._verify_suffix(b"")
        except BaseException:
            body.close()
            raise

    def read(self) -> bytes:
        """The next piece; empty at the end.

        Raises:
            BlobStoreUnavailable: the store broke off.
            BackupDamaged: the object does not end with its upload id.
        """
        with self._lock:
            if self._closed or not self._left:
                return b""
            return self._read_chunk(min(self._left, CHUNK_BYTES))

    def close(self) -> None:
        """Release the connection: into the pool if little is left to read, else closed. Safe to call again."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            try:
                if self._left <= DRAIN_BYTES:
                    while self._left:
                        self._read_chunk(self._left)
            except (BlobStoreUnavailable, BackupDamaged):
                pass  # the bytes are unwanted; the connection is closed below
            finally:
                self._body.close()

    @property
    def is_complete(self) -> bool:
        """Whether all bytes were read, so that the connection is back in the pool."""
        return not self._left

    def _read_chunk(self, amount: int) -> bytes:
        piece = _read_some(self._body, amount)
        self._left -= len(piece)
        return piece if self._left else self._verify_suffix(piece)

    def _verify_suffix(self, last: bytes) -> bytes:
        """`last`, the last piece of the blob, after the suffix was read and is right."""
        suffix = b""
        while len(suffix) < len(self._suffix):
            suffix += _read_some(self._body, len(self._suffix) - len(suffix))
        if suffix != self._suffix:
            raise BackupDamaged("An object in the bucket is damaged: it does not end with its upload id.")
        return last


def _read_some(body: Body, amount: int) -> bytes:
    try:
        piece = body.read(amount)
    except DRIVER_ERRORS as error:
        failed = failed_request(error)
        raise failure_of_read(failed) from failed
    if not piece:
        raise TransientFailure("The blob store sent fewer bytes than it announced.")
    return piece
