"""The values of the domain: users, slots, revisions, ranges and limits. All are immutable."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NewType
from uuid import UUID

if TYPE_CHECKING:
    from datetime import datetime

UserId = NewType("UserId", UUID)
Version = NewType("Version", int)
"""1 for the first upload, then +1 per accepted upload or deletion; never reused. 0 means "none"."""
Sha256 = NewType("Sha256", bytes)
"""32 bytes."""
UploadId = NewType("UploadId", str)
"""32 hexadecimal digits, random per PUT. They tell an upload whose response was lost from other uploads."""
Tag = NewType("Tag", str)
"""The blob store's token for one stored object (S3's ETag), for conditional PUTs. Opaque."""

NO_VERSION = Version(0)
TOMBSTONE_BYTES = 16


def slot_key(user_id: UserId) -> str:
    """The key of a user's object. It is the same for all versions."""
    return f"backups/{user_id}"


class Kind(StrEnum):
    """A backup or a tombstone. A deletion writes an object, too, so that no key becomes absent."""

    LIVE = "live"
    TOMBSTONE = "tombstone"


@dataclass(frozen=True, slots=True)
class Draft:
    """The metadata of a PUT, written in the same atomic step as the bytes."""

    version: Version
    base: Version
    kind: Kind
    sha256: Sha256
    size: int
    upload_id: UploadId
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Revision:
    """One stored state of a slot. The object is the truth; the metadata row is an index that may lag behind.

    Attributes:
        version: of this revision.
        base: the version that the upload expected to replace (0: none).
        kind: a live backup or a tombstone.
        sha256: of the object's bytes.
        size: of the object, in bytes.
        upload_id: of the PUT that wrote it.
        updated_at: when the service accepted it, UTC.
        tag: of the object in the blob store.
    """

    version: Version
    base: Version
    kind: Kind
    sha256: Sha256
    size: int
    upload_id: UploadId
    updated_at: datetime
    tag: Tag

    @classmethod
    def of(cls, draft: Draft, tag: Tag) -> Revision:
        """The revision of a stored draft."""
        return cls(
            version=draft.version,
            base=draft.base,
            kind=draft.kind,
            sha256=draft.sha256,
            size=draft.size,
            upload_id=draft.upload_id,
            updated_at=draft.updated_at,
            tag=tag,
        )

    @property
    def is_live(self) -> bool:
        """Whether this is a backup, not a tombstone."""
        return self.kind is Kind.LIVE


@dataclass(frozen=True, slots=True)
class ByteRange:
    """A requested range, before the size is known (RFC 9110, 14.1.2).

    `first` to `last`, both included; `last` None means "to the end". With `first` None, the last `last` bytes.
    """

    first: int | None
    last: int | None

    def resolve(self, size: int) -> tuple[int, int] | None:
        """The (start, length) within `size` bytes; None if the range is not satisfiable."""
        if self.first is None:
            length = min(self.last or 0, size)
            return (size - length, length) if length else None
        if self.first >= size:
            return None
        end = size if self.last is None else min(self.last + 1, size)
        return self.first, end - self.first


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on the size of a blob.

    Attributes:
        min_bytes: the shortest blob; a shorter one is an accident that would replace a good backup.
        max_bytes: the longest blob.
    """

    min_bytes: int
    max_bytes: int
