"""A revision as a row of the table `backups`, and back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from obscura_backup.domain.model import Kind, Revision, Sha256, Tag, UploadId, UserId, Version

# As a timestamp without time zone, in UTC: the driver then depends on neither TimeZone nor DateStyle of the server.
COLUMNS: Final = "version, base, kind, sha256, size, upload_id, updated_at AT TIME ZONE 'UTC', tag"

Row: TypeAlias = tuple[int, int, str, bytes, int, str, datetime, str]
"""A row of `COLUMNS`."""


def values_of(user_id: UserId, revision: Revision) -> dict[str, Any]:
    """The values of a statement that writes the row."""
    return {
        "user_id": user_id,
        "version": revision.version,
        "base": revision.base,
        "kind": revision.kind.value,
        "sha256": revision.sha256,
        "size": revision.size,
        "upload_id": revision.upload_id,
        "updated_at": revision.updated_at,
        "tag": revision.tag,
    }


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
