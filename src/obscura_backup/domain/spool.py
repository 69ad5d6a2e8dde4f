"""Receiving a blob: into bounded memory, then an unnamed file, hashed as it comes. No lock is held meanwhile."""

from __future__ import annotations

import hashlib
import hmac
import io
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Self

from obscura_backup.domain.errors import BlobTooLarge, BlobTooSmall, DigestMismatch, Unavailable
from obscura_backup.domain.model import Limits, Sha256

if TYPE_CHECKING:
    from collections.abc import AsyncIterable
    from hashlib import _Hash
    from types import TracebackType

MEMORY_BYTES = 256 * 1024
"""What one upload may hold in memory; what is longer goes to a file without a name."""

_NO_ROOM = "There is no room to receive a blob."


class SpoolMemory:
    """The memory that all uploads of a process share; where it is used up, they go to files from their first byte.

    Args:
        max_bytes: at once.
    """

    def __init__(self, max_bytes: int) -> None:
        self._left_bytes = max_bytes

    def share(self) -> SpoolShare:
        """A share for one upload, empty at first."""
        return SpoolShare(self)

    def _take(self, count: int) -> bool:
        fits = count <= self._left_bytes
        if fits:
            self._left_bytes -= count
        return fits

    def _give_back(self, count: int) -> None:
        self._left_bytes += count


class SpoolShare:
    """What one upload has of the memory."""

    def __init__(self, memory: SpoolMemory) -> None:
        self._memory = memory
        self._bytes = 0

    def grow(self, count: int) -> bool:
        """Take so much more; False where that is too much for one, or for all together."""
        grows = self._bytes + count <= MEMORY_BYTES and self._memory._take(count)  # noqa: SLF001  # two halves of one thing
        if grows:
            self._bytes += count
        return grows

    def release(self) -> None:
        """Give all of it back; safe to call more than once."""
        self._memory._give_back(self._bytes)  # noqa: SLF001  # as above
        self._bytes = 0


@dataclass(frozen=True, slots=True)
class Spool:
    """A blob that has arrived whole. A context manager: leaving it lets its memory or file go.

    Attributes:
        size: in bytes.
        sha256: of the bytes.
        file: the bytes, readable and seekable; a reader rewinds it first.
        hashed: the hash state that saw the bytes arrive; for `sha256_followed_by`.
        share: of the memory that all uploads share; None where the bytes were at hand anyway.
    """

    size: int
    sha256: Sha256
    file: BinaryIO
    hashed: _Hash = field(repr=False, compare=False)
    share: SpoolShare | None = None

    @classmethod
    def of(cls, data: bytes) -> Spool:
        """A spool of bytes that are already at hand."""
        hashed = hashlib.sha256(data)
        return cls(size=len(data), sha256=Sha256(hashed.digest()), file=io.BytesIO(data), hashed=hashed)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _let_go(self.file, self.share)

    def read(self) -> bytes:
        """All the bytes, from the start."""
        self.file.seek(0)
        return self.file.read()

    def sha256_followed_by(self, suffix: bytes) -> bytes:
        """Of the bytes and then `suffix`: 32 bytes. What was kept is not read again, but what arrived is gone on from.

        So a checksum that a store is sent is of the bytes that arrived, whatever became of them since.
        """
        hashed = self.hashed.copy()
        hashed.update(suffix)
        return hashed.digest()


async def receive(
    chunks: AsyncIterable[bytes], limits: Limits, memory: SpoolMemory, *, declared_sha256: bytes | None = None
) -> Spool:
    """Take in a body of unknown length, and stop as soon as it is too long.

    Args:
        chunks: the body as it comes.
        limits: on its size.
        memory: that all uploads share.
        declared_sha256: what the sender says its digest is, if it does.

    Raises:
        BlobTooLarge: as soon as more than `limits.max_bytes` have come.
        BlobTooSmall: it ended short of `limits.min_bytes`.
        DigestMismatch: it is not what was declared.
        Unavailable: there is no room for it on this machine.
    """
    # No size of its own at which it would become a file: how much is in memory is for the share to say.
    file = tempfile.SpooledTemporaryFile(max_size=0)  # noqa: SIM115  # handed on in the Spool
    share = memory.share()
    in_memory = True
    try:
        digest = hashlib.sha256()
        size = 0
        async for chunk in chunks:
            size += len(chunk)
            _require_at_most(limits.max_bytes, size)
            digest.update(chunk)
            if in_memory and not share.grow(len(chunk)):
                in_memory = False
                _move_to_disk(file)
                share.release()
            _keep(file, chunk)
        _write_out(file)
        _require_whole(size, digest.digest(), limits, declared_sha256)
    except BaseException:
        _let_go(file, share)
        raise
    return Spool(size=size, sha256=Sha256(digest.digest()), file=file, hashed=digest, share=share)  # type: ignore[arg-type]  # typeshed: it is no BinaryIO, though it does it all


def _move_to_disk(file: tempfile.SpooledTemporaryFile[bytes]) -> None:
    try:
        file.rollover()
    except OSError as error:  # no folder for temporary files, no space in it, no descriptors left
        raise Unavailable(_NO_ROOM) from error


def _keep(file: tempfile.SpooledTemporaryFile[bytes], chunk: bytes) -> None:
    try:
        file.write(chunk)
    except OSError as error:  # no space left
        raise Unavailable(_NO_ROOM) from error


def _write_out(file: tempfile.SpooledTemporaryFile[bytes]) -> None:
    # The last bytes are in a buffer still, and whoever reads or closes the file does not expect it to be written.
    try:
        file.flush()
    except OSError as error:
        raise Unavailable(_NO_ROOM) from error


def _let_go(file: BinaryIO | tempfile.SpooledTemporaryFile[bytes], share: SpoolShare | None) -> None:
    with suppress(OSError):  # of what could not be written before, and is not wanted any more
        file.close()
    if share is not None:
        share.release()


def _require_at_most(max_bytes: int, size: int) -> None:
    if size > max_bytes:
        raise BlobTooLarge(max_bytes=max_bytes)


def _require_whole(size: int, sha256: bytes, limits: Limits, declared_sha256: bytes | None) -> None:
    if size < limits.min_bytes:
        raise BlobTooSmall(size=size, min_bytes=limits.min_bytes)
    if declared_sha256 is not None and not hmac.compare_digest(declared_sha256, sha256):
        raise DigestMismatch
