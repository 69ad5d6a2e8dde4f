"""The format of a blob file: a line of metadata, then the blob's bytes, so that one rename replaces both.

OBFS1 {"version":3,"base":2,"kind":"live","sha256":"…","size":16474,"upload_id":"…","updated_at":"…"}
the blob's bytes, `size` of them, up to the end of the file
"""

from __future__ import annotations

from datetime import datetime  # noqa: TC003  # msgspec reads the annotation at run time
from typing import Annotated

import msgspec

from obscura_backup.domain.errors import BackupDamaged
from obscura_backup.domain.model import Draft, Kind, Revision, Sha256, Tag, UploadId, Version

MAGIC = b"OBFS1 "
HEADER_MAX_BYTES = 1024
_INT_MAX = 2**53


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: Annotated[int, msgspec.Meta(ge=1, le=_INT_MAX)]
    base: Annotated[int, msgspec.Meta(ge=0, le=_INT_MAX)]
    kind: Kind
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    size: Annotated[int, msgspec.Meta(ge=0, le=_INT_MAX)]
    upload_id: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]
    updated_at: Annotated[datetime, msgspec.Meta(tz=True)]


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Header).decode


def encode_header(draft: Draft) -> bytes:
    """The line before the blob's bytes."""
    header = _Header(
        version=draft.version,
        base=draft.base,
        kind=draft.kind,
        sha256=draft.sha256.hex(),
        size=draft.size,
        upload_id=draft.upload_id,
        updated_at=draft.updated_at,
    )
    return MAGIC + _encode(header) + b"\n"


def decode_header(beginning: bytes | bytearray) -> tuple[Revision, int]:
    """The revision in a file, and the length of its header in bytes. The tag of a file is its upload id.

    Args:
        beginning: at least the first `HEADER_MAX_BYTES` of the file, or all of it if it is shorter.

    Raises:
        BackupDamaged: the file is damaged, or this service did not write it.
    """
    end = beginning.find(b"\n", 0, HEADER_MAX_BYTES)
    if end < 0 or not beginning.startswith(MAGIC):
        raise BackupDamaged("A file in the blob directory is not ours.")
    try:
        header = _decode(memoryview(beginning)[len(MAGIC) : end])
        sha256 = bytes.fromhex(header.sha256)
    except (msgspec.MsgspecError, ValueError) as error:
        raise BackupDamaged("A file in the blob directory is damaged.") from error
    revision = Revision(
        version=Version(header.version),
        base=Version(header.base),
        kind=header.kind,
        sha256=Sha256(sha256),
        size=header.size,
        upload_id=UploadId(header.upload_id),
        updated_at=header.updated_at,
        tag=Tag(header.upload_id),
    )
    return revision, end + 1
