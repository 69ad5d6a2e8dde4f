"""What the service talks about: users, slots, revisions, ranges and limits. All of it immutable."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NewType
from uuid import UUID

if TYPE_CHECKING:
    from datetime import datetime

UserId = NewType("UserId", UUID)
Version = NewType("Version", int)
"""1 for the first upload, then +1 for each accepted upload or deletion; never reused. 0 means "there is none"."""
Sha256 = NewType("Sha256", bytes)
"""32 bytes."""
UploadId = NewType("UploadId", str)
"""32 hexadecimal digits, random and fresh for each PUT: how an upload whose answer was lost is told from another's."""
Tag = NewType("Tag", str)
"""The blob store's own token for one stored object (S3's ETag), the handle of a conditional PUT. Opaque."""

NO_VERSION = Version(0)
TOMBSTONE_BYTES = 16


def slot_key(user_id: UserId) -> str:
    """The one key under which a user's blob lives, whatever its version."""
    return f"backups/{user_id}"


class Kind(StrEnum):
    """What an object is: a backup, or the grave of one. A deletion is an object too, so that no key becomes absent."""

    LIVE = "live"
    TOMBSTONE = "tombstone"


@dataclass(frozen=True, slots=True)
class Draft:
    """What travels with a PUT, in the object's own metadata and in the same atomic write as its bytes."""

    version: Version
    base: Version
    kind: Kind
    sha256: Sha256
    size: int
    upload_id: UploadId
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Revision:
    """One stored state of a slot. The object is the truth; a metadata row holds the last revision that it heard of.

    Attributes:
        version: of this revision.
        base: the version that its upload expected to replace (0: none).
        kind: a live backup or a tombstone.
        sha256: of the object's bytes.
        size: of the object, in bytes.
        upload_id: of the PUT that wrote it.
        updated_at: when the service accepted it, UTC.
        tag: the blob store's token for it.
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
        """The revision that a draft becomes once it is stored."""
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
        """Whether there is a backup to hand out."""
        return self.kind is Kind.LIVE


@dataclass(frozen=True, slots=True)
class ByteRange:
    """A range as asked for, before the size is known (RFC 9110, 14.1.2).

    `first` to `last`, both included and `last` None for "to the end"; or, with `first` None, the final `last` bytes.
    """

    first: int | None
    last: int | None

    def resolve(self, size: int) -> tuple[int, int] | None:
        """The (start, length) that a body of `size` bytes has to offer, or None where it is not satisfiable."""
        if self.first is None:
            length = min(self.last or 0, size)
            return (size - length, length) if length else None
        if self.first >= size:
            return None
        end = size if self.last is None else min(self.last + 1, size)
        return self.first, end - self.first


@dataclass(frozen=True, slots=True)
class Limits:
    """What a stranger may make grow.

    Attributes:
        min_bytes: the shortest blob; a shorter one is an accident that would wipe a good backup.
        max_bytes: the longest blob.
    """

    min_bytes: int
    max_bytes: int
