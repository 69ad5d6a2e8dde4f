"""Deletes the backups of inactive users. "Inactive" means: no upload since a given time. Downloads are not recorded.

Uploads may happen meanwhile. Each deletion is conditional: it names the version that was found inactive, and fails if
there is a newer one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from obscura_backup.domain.errors import BackupDamaged, BackupNotFound, SlotBusy, VersionMismatch
from obscura_backup.domain.slots import all_slots

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from obscura_backup.domain.model import Revision, UserId
    from obscura_backup.domain.ports import BackupMetadataStore, BlobStore
    from obscura_backup.domain.service import BackupService


class Outcome(StrEnum):
    """What became of an inactive backup. The value is for programs."""

    INACTIVE = "inactive"
    DELETED = "deleted"
    CHANGED = "changed"
    BUSY = "busy"
    LOST = "lost"
    DAMAGED = "damaged"

    @property
    def explanation(self) -> str:
        """A sentence for an operator."""
        return _EXPLANATIONS[self]

    @property
    def remains(self) -> bool:
        """Whether an operator has to act, or another scan has to try again."""
        return self in (Outcome.BUSY, Outcome.LOST, Outcome.DAMAGED)


_EXPLANATIONS = {
    Outcome.INACTIVE: "Inactive; not deleted, since this is a dry run.",
    Outcome.DELETED: "Inactive; deleted.",
    Outcome.CHANGED: "There was an upload or a deletion just now; nothing was deleted.",
    Outcome.BUSY: "Other requests of this user held the slot; nothing was deleted. Run `reap` again.",
    Outcome.LOST: "There is a row but no blob; nothing was deleted. See `obscura-backup scrub`.",
    Outcome.DAMAGED: "The object is damaged, or this service did not write it; nothing was deleted. Remove it.",
}


@dataclass(frozen=True, slots=True)
class Reaped:
    """One inactive backup.

    Attributes:
        user_id: of the slot.
        revision: the inactive revision; None if the object is damaged and there is no row.
        outcome: what became of it.
    """

    user_id: UserId
    revision: Revision | None
    outcome: Outcome


class Reaper:
    """Walks over a pair of stores, which may be in use meanwhile, in bounded memory."""

    def __init__(self, metadata: BackupMetadataStore, blobs: BlobStore, service: BackupService) -> None:
        self._metadata = metadata
        self._blobs = blobs
        self._service = service

    async def scan(
        self, inactive_since: datetime, *, delete: bool, after: UserId | None = None
    ) -> AsyncIterator[tuple[UserId, Reaped | None]]:
        """Examine every slot after user `after`, in the order of the user ids.

        Args:
            inactive_since: backups whose last upload was before this time are inactive.
            delete: delete them; otherwise they are only reported.
            after: the last user of an earlier scan.

        Yields:
            Each user, and its backup if that is inactive.

        Raises:
            Unavailable: a store does not answer. All users up to the last one yielded are done.
        """
        async for user_id, row in all_slots(self._metadata, self._blobs, after):
            yield user_id, await self.examine(user_id, row, inactive_since, delete=delete)

    async def examine(
        self, user_id: UserId, row: Revision | None, inactive_since: datetime, *, delete: bool
    ) -> Reaped | None:
        """Delete the backup of one user if it is inactive; None if it is not. See `scan`.

        The row may lag behind the object. So it can only tell that a slot needs no look; the object decides.
        """
        if row is not None and (not row.is_live or row.updated_at >= inactive_since):
            return None
        try:
            found = await self._blobs.stat(user_id)
            if found is None:
                return None if row is None else Reaped(user_id, row, Outcome.LOST)
            if not found.is_live or found.updated_at >= inactive_since:
                return None
            if not delete:
                return Reaped(user_id, found, Outcome.INACTIVE)
            return Reaped(user_id, found, await self._delete(user_id, found))
        except BackupDamaged:
            return Reaped(user_id, row, Outcome.DAMAGED)

    async def _delete(self, user_id: UserId, found: Revision) -> Outcome:
        try:
            await self._service.delete(user_id, found.version)
        except (VersionMismatch, BackupNotFound):
            return Outcome.CHANGED
        except SlotBusy:
            return Outcome.BUSY
        return Outcome.DELETED
