"""The format of one blob file: a line of metadata, then the blob's bytes, so that one rename replaces both at once.

OBFS1 {"version":3,"base":2,"kind":"live","sha256":"…","size":16474,"upload_id":"…","updated_at":"…"}
the blob's bytes, `size` of them, up to the end of the file
"""

from __future__ import annotations

import os
import shutil
from datetime import datetime  # noqa: TC003  # msgspec reads the annotation at run time
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from obscura_backup.domain.errors import BlobStoreUnavailable
from obscura_backup.domain.model import Draft, Kind, Revision, Sha256, Tag, UploadId, Version

if TYPE_CHECKING:
    from obscura_backup.domain.spool import Spool

MAGIC = b"OBFS1 "
HEADER_MAX_BYTES = 1024
CHUNK_BYTES = 256 * 1024


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    base: int
    kind: Kind
    sha256: str
    size: int
    upload_id: str
    updated_at: datetime


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Header).decode


def write_blob(file: BinaryIO, blob: Spool, draft: Draft) -> None:
    """Write a whole object and sync it."""
    header = _Header(
        version=draft.version,
        base=draft.base,
        kind=draft.kind,
        sha256=draft.sha256.hex(),
        size=draft.size,
        upload_id=draft.upload_id,
        updated_at=draft.updated_at,
    )
    file.write(MAGIC + _encode(header) + b"\n")
    blob.file.seek(0)
    shutil.copyfileobj(blob.file, file, CHUNK_BYTES)
    file.flush()
    os.fsync(file.fileno())


def read_header(file: BinaryIO) -> Revision:
    """Read the line of metadata; the blob's bytes come next. The tag of a file is its upload id.

    Raises:
        BlobStoreUnavailable: the file is not one of ours.
    """
    line = file.readline(HEADER_MAX_BYTES)
    if not line.startswith(MAGIC) or not line.endswith(b"\n"):
        raise BlobStoreUnavailable("A file in the blob directory is not one of ours.")
    try:
        header = _decode(line[len(MAGIC) :])
        sha256 = bytes.fromhex(header.sha256)
    except (msgspec.MsgspecError, ValueError) as error:
        raise BlobStoreUnavailable("A file in the blob directory is damaged.") from error
    return Revision(
        version=Version(header.version),
        base=Version(header.base),
        kind=header.kind,
        sha256=Sha256(sha256),
        size=header.size,
        upload_id=UploadId(header.upload_id),
        updated_at=header.updated_at,
        tag=Tag(header.upload_id),
    )


def read_bytes(file: BinaryIO, length: int) -> bytes:
    """Read exactly `length` bytes.

    Raises:
        BlobStoreUnavailable: there are fewer, or the disk cannot read them.
    """
    try:
        chunk = file.read(length)
    except OSError as error:
        raise BlobStoreUnavailable from error
    if len(chunk) != length:
        raise BlobStoreUnavailable("A file in the blob directory is shorter than it says.")
    return chunk
