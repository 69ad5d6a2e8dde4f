"""Putting a tombstone back where a restored bucket lost it, or brought back what it had buried."""

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
    """Make the object say again what the row remembers: deleted, at the very version that the deletion had.

    Args:
        blobs: where the object is.
        user_id: whose.
        deleted: the row.
        replaces: the tag of what is there; None: nothing is.
        upload_id: of this PUT.
        now: the time.
        random: gives the tombstone's bytes.

    Returns:
        The tombstone; None where somebody else was faster, whose business the slot is now.

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
