"""A revision as a row of the table `backups`, and back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, TypeAlias

from obscura_backup.domain.model import Kind, Revision, Sha256, Tag, UploadId, UserId, Version

# As a timestamp without time zone, in UTC: the driver then depends on neither TimeZone nor DateStyle of the server.
COLUMNS: Final = "version, base, kind, sha256, size, upload_id, updated_at AT TIME ZONE 'UTC', tag"

Row: TypeAlias = tuple[int, int, str, bytes, int, str, datetime, str]
"""A row of `COLUMNS`."""


def values_of(user_id: UserId, revision: Revision) -> tuple[bytes, ...]:
    """The values of the row in the order of its columns, as text that does not depend on settings of the server."""
    return (
        str(user_id).encode(),
        b"%d" % revision.version,
        b"%d" % revision.base,
        revision.kind.value.encode(),
        b"\\x" + revision.sha256.hex().encode(),
        b"%d" % revision.size,
        revision.upload_id.encode(),
        revision.updated_at.isoformat().encode(),
        revision.tag.encode(),
    )


def revision_of(row: Row) -> Revision:
    """The revision in a row of `COLUMNS`."""
    version, base, kind, sha256, size, upload_id, updated_at, tag = row
    return Revision(
        version=Version(version),
        base=Version(base),
        kind=Kind(kind),
        sha256=Sha256(sha256),
        size=size,
        upload_id=UploadId(upload_id),
        updated_at=updated_at.replace(tzinfo=UTC),
        tag=Tag(tag),
    )
