"""The layout of an object: the blob's bytes, then the 16 raw bytes of the upload id of its PUT.

S3 makes the tag of an object from its bytes. The upload id is unique per PUT, so no two PUTs have the same bytes, and
no tag is ever used again: a conditional PUT that arrives late cannot meet its old tag. Other kinds of stores give each
PUT a new tag by themselves; there, the upload id shows an object that was cut off or exchanged. Sizes, ranges and
digests in the rest of the service are those of the blob.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from obscura_backup.domain.errors import BackupDamaged, BlobStoreUnavailable

if TYPE_CHECKING:
    from obscura_backup.domain.model import ByteRange, UploadId

CONTENT_TYPE = "application/octet-stream"
SUFFIX_BYTES = 16
CHUNK_BYTES = 256 * 1024
DRAIN_BYTES = 64 * 1024
"""Up to this many bytes, reading an unwanted body is cheaper than a new connection with its TLS handshake."""

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


def suffix_of(upload_id: UploadId) -> bytes:
    """The 16 bytes after the blob's bytes in the object."""
    return bytes.fromhex(upload_id)


class ObjectBody:
    """A blob and its suffix as one file, with the methods that botocore needs of the body of a PUT.

    Args:
        file: the blob's bytes.
        size: of the blob, in bytes.
        suffix: after the blob.
    """

    def __init__(self, file: BinaryIO, size: int, suffix: bytes) -> None:
        self._file = file
        self._size = size
        self._suffix = suffix
        self._at = 0
        file.seek(0)

    def __len__(self) -> int:
        """The total length in bytes."""
        return self._size + len(self._suffix)

    def read(self, amount: int = -1) -> bytes:
        """At most `amount` bytes, or all if it is negative; none at the end."""
        left = len(self) - self._at
        byte_range = left if amount < 0 else min(amount, left)
        of_blob = min(byte_range, max(0, self._size - self._at))
        data = self._file.read(of_blob) if of_blob else b""
        if len(data) == of_blob < byte_range:
            at = self._at + of_blob - self._size
            data += self._suffix[at : at + byte_range - of_blob]
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to an offset from the start, the current position or the end."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: len(self)}[whence]
        self._at = base + offset
        self._file.seek(min(self._at, self._size))
        return self._at

    def tell(self) -> int:
        """The offset from the start."""
        return self._at


@dataclass(frozen=True, slots=True)
class Part:
    """The part of an object in the response to a GET.

    Attributes:
        start: offset in the blob of the first byte.
        length: number of bytes of the blob.
        of_suffix: number of bytes of the suffix after them.
        size: of the whole blob, in bytes.
    """

    start: int
    length: int
    of_suffix: int
    size: int


def blob_size(object_size: int) -> int:
    """The size of the blob in an object of this size, both in bytes.

    Raises:
        BackupDamaged: the object is too short to be ours.
    """
    if object_size < SUFFIX_BYTES:
        raise BackupDamaged("An object in the bucket is not ours: it is shorter than an upload id.")
    return object_size - SUFFIX_BYTES


def range_header(byte_range: ByteRange) -> str:
    """The range of the object that covers `byte_range`, a range of the blob.

    It may include up to 16 bytes of the suffix, since the blob's size is not known beforehand.
    """
    if byte_range.first is None:
        return f"bytes=-{(byte_range.last or 0) + SUFFIX_BYTES}"
    return f"bytes={byte_range.first}-{'' if byte_range.last is None else byte_range.last}"


def part_of(answer: dict[str, Any], *, partial: bool) -> Part:
    """The part that a response announces; `partial`: a range was requested.

    Raises:
        BlobStoreUnavailable: the response does not fit a range.
        BackupDamaged: the object is too short to be ours.
    """
    length = int(answer.get("ContentLength", -1))
    first, total = _extent(answer, length) if partial else (0, length)
    return part_within(first, first + length, total)


def part_within(first: int, end: int, object_size: int) -> Part:
    """The part of an object from `first` to before `end`.

    Raises:
        BackupDamaged: the object is too short to be one of ours.
    """
    size = blob_size(object_size)
    of_blob = max(0, min(end, size) - first)
    return Part(start=first, length=of_blob, of_suffix=end - first - of_blob, size=size)


def _extent(answer: dict[str, Any], length: int) -> tuple[int, int]:
    match = _CONTENT_RANGE.fullmatch(answer.get("ContentRange") or "")
    first, last, total = (int(group) for group in match.groups()) if match else (0, 0, 0)
    if match is None or length != last - first + 1 or last >= total:
        raise BlobStoreUnavailable("The blob store answered a range request with something else.")
    return first, total
