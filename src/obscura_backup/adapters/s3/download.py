"""One GET under way: headers that have come, and bytes that are still coming.

The object's suffix (`stored_object`) is checked before the last piece of the blob is given out: a reader of an object
that was damaged or put together from two never has all of it.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

from obscura_backup.adapters.s3.errors import DRIVER_ERRORS, TransientFailure, failure_of_read
from obscura_backup.domain.errors import BackupDamaged, BlobStoreUnavailable

if TYPE_CHECKING:
    from obscura_backup.domain.model import Revision

CHUNK_BYTES = 256 * 1024
DRAIN_BYTES = 64 * 1024
"""Up to here it is cheaper to read what nobody wants than to make a new connection, with its TLS handshake."""


class Body(Protocol):
    """The part of botocore's `StreamingBody` that is used."""

    def read(self, amt: int) -> bytes:
        """At most `amt` bytes, none at the end."""

    def close(self) -> None:
        """Close the connection as well, where bytes are left on it."""


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
    """The object being read. Blocking; one thread at a time gets in, whichever it is.

    Attributes:
        revision: of the object.
        start: offset of the first byte that comes.
        length: of all of the blob that comes, in bytes.
        first: the first piece, read with the headers.

    Args:
        suffix: the bytes that have to follow those of the blob; none where the range ends before.

    Raises:
        BlobStoreUnavailable: the store broke off.
        BackupDamaged: the object does not end as it should.
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
        """The next piece; empty when all has come.

        Raises:
            BlobStoreUnavailable: the store broke off.
            BackupDamaged: the object does not end as it should.
        """
        with self._lock:
            if self._closed or not self._left:
                return b""
            return self._read_chunk(min(self._left, CHUNK_BYTES))

    def close(self) -> None:
        """Let the connection go: back to the pool where little is left on it, else closed. Safe to call again."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            try:
                if self._left <= DRAIN_BYTES:
                    while self._left:
                        self._read_chunk(self._left)
            except (BlobStoreUnavailable, BackupDamaged):
                pass  # nobody wants these bytes; the connection is closed below and not used again
            finally:
                self._body.close()

    @property
    def is_complete(self) -> bool:
        """Whether all has come, so that the connection is back in the pool already."""
        return not self._left

    def _read_chunk(self, amount: int) -> bytes:
        piece = _read_some(self._body, amount)
        self._left -= len(piece)
        return piece if self._left else self._verify_suffix(piece)

    def _verify_suffix(self, last: bytes) -> bytes:
        """The last piece of the blob, once what follows it came and is what has to follow."""
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
        raise failure_of_read(error) from error
    if not piece:
        raise TransientFailure("The blob store sent fewer bytes than it said.")
    return piece
