"""Restoring a tombstone that a restored bucket lost, or replaced by the backup that had been deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obscura_backup.domain.blob import Blob
from obscura_backup.domain.errors import PutRefused
from obscura_backup.domain.model import TOMBSTONE_BYTES, Draft, Kind

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from obscura_backup.domain.model import Revision, Tag, UploadId, UserId
    from obscura_backup.domain.ports import BlobStore


async def restore_tombstone(
    blobs: BlobStore,
    user_id: UserId,
    deleted: Revision,
    *,
    replaces: Tag | None,
    upload_id: UploadId,
    now: datetime,
    random: Callable[[int], bytes],
) -> Revision | None:
    """Write the tombstone that the row remembers, at the version of the deletion.

    Args:
        blobs: the blob store.
        user_id: the user.
        deleted: the row.
        replaces: the tag of the current object; None: there is none.
        upload_id: of this PUT.
        now: the time.
        random: gives the tombstone's bytes.

    Returns:
        The tombstone; None if another writer was faster.

    Raises:
        Unavailable: as `BlobStore.put`.
    """
    tombstone = Blob.of(random(TOMBSTONE_BYTES))
    draft = Draft(
        version=deleted.version,
        base=deleted.base,
        kind=Kind.TOMBSTONE,
        sha256=tombstone.sha256,
        size=tombstone.size,
        upload_id=upload_id,
        updated_at=now,
    )
    try:
        return await blobs.put(user_id, tombstone, draft, replaces=replaces)
    except PutRefused:
        return None
