"""Compares row and object of all slots, explains differences, and repairs those that are safe to repair.

Safety does not depend on it: each call repairs its own slot. It is for operators, after one of the two stores was
restored, and for slots that are not in use.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from obscura_backup.domain import rules
from obscura_backup.domain.errors import BackupDamaged, SlotBusy
from obscura_backup.domain.model import Kind, Revision, UploadId, UserId
from obscura_backup.domain.slots import all_slots, share_before
from obscura_backup.domain.tombstone import restore_tombstone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from obscura_backup.domain.ports import BackupMetadataStore, BlobStore, Clock, LockedSlot

CONCURRENCY = 16
"""Slots examined at the same time; each costs one request to the blob store."""


class Difference(StrEnum):
    """How a row and its object differ. The value is for programs."""

    ROW_MISSING = "row-missing"
    ROW_BEHIND = "row-behind"
    ROW_TAG = "row-tag"
    OBJECT_MISSING = "object-missing"
    OBJECT_OLDER = "object-older"
    TOMBSTONE_MISSING = "tombstone-missing"
    DELETION_UNDONE = "deletion-undone"
    OBJECT_DAMAGED = "object-damaged"
    BUSY = "busy"

    @property
    def explanation(self) -> str:
        """A sentence for an operator."""
        return _EXPLANATIONS[self]

    @property
    def repairable(self) -> bool:
        """Whether a repair loses no data."""
        return self in _REPAIRABLE


_EXPLANATIONS = {
    Difference.ROW_MISSING: "There is a blob but no row: the metadata store was restored from an older copy, or a "
    "commit was lost.",
    Difference.ROW_BEHIND: "The row has an older version than the blob: a commit was lost, or the metadata store was "
    "restored from an older copy.",
    Difference.ROW_TAG: "The row has another tag for the version of the blob: the bucket was copied.",
    Difference.OBJECT_MISSING: "There is a row but no blob: the blob was lost. Readers get `backup-lost` until the "
    "owner uploads again.",
    Difference.OBJECT_OLDER: "The blob has an older version than the row: the blob store was restored from an older "
    "copy. The owner's devices will notice and ask.",
    Difference.TOMBSTONE_MISSING: "The row says deleted, but there is no tombstone: the blob store was restored from a "
    "copy that never had it.",
    Difference.DELETION_UNDONE: "The row says deleted, but there is a blob: the blob store was restored from a copy "
    "from before the deletion.",
    Difference.OBJECT_DAMAGED: "The object is damaged, or this service did not write it. Once it is removed, the owner "
    "can upload again.",
    Difference.BUSY: "Row and blob differed, but the slot was in use for too long to compare them again. The calls "
    "that use it repair it.",
}

_REPAIRABLE = frozenset(
    {
        Difference.ROW_MISSING,
        Difference.ROW_BEHIND,
        Difference.ROW_TAG,
        Difference.TOMBSTONE_MISSING,
        Difference.DELETION_UNDONE,
    }
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One slot that differs.

    Attributes:
        user_id: of the slot.
        difference: how row and object differ.
        row: before a repair; None if there is none.
        found: the revision of the object before a repair; None if there is none.
        repaired: whether a repair was made.
    """

    user_id: UserId
    difference: Difference
    row: Revision | None
    found: Revision | None
    repaired: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a scan.

    Attributes:
        slots: examined so far.
        last: the last examined user. A later scan may continue after it, unless there is a `failure`.
        findings: since the previous progress.
        failure: why some of these slots could not be examined; the scan ends with it.
    """

    slots: int
    last: UserId
    findings: tuple[Finding, ...]
    failure: BaseException | None = None

    @property
    def share(self) -> float:
        """0 to 1: the share of the work that is done."""
        return share_before(self.last)


def compare(row: Revision | None, found: Revision | None) -> Difference | None:
    """How a row and its object differ; None if they do not."""
    if found is None:
        if row is None:
            return None
        return Difference.OBJECT_MISSING if row.is_live else Difference.TOMBSTONE_MISSING
    if row is None:
        return Difference.ROW_MISSING
    if row.version > found.version:
        undone = found.is_live and row.kind is Kind.TOMBSTONE
        return Difference.DELETION_UNDONE if undone else Difference.OBJECT_OLDER
    if row.version < found.version:
        return Difference.ROW_BEHIND
    return None if row == found else Difference.ROW_TAG


class Scrubber:
    """Walks over a pair of stores, which may be in use meanwhile. Memory: a page of each and 16 slots."""

    def __init__(
        self,
        metadata: BackupMetadataStore,
        blobs: BlobStore,
        clock: Clock,
        *,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._metadata = metadata
        self._blobs = blobs
        self._clock = clock
        self._random = random

    async def scan(self, *, repair: bool, after: UserId | None = None) -> AsyncIterator[Progress]:
        """Examine every slot after user `after`, in the order of the user ids.

        Args:
            repair: make all repairs that lose no data.
            after: the `last` of an earlier scan.

        Raises:
            Unavailable: a store does not answer; the progress so far is valid.
        """
        slots = 0
        batch: list[tuple[UserId, Revision | None]] = []
        async for entry in all_slots(self._metadata, self._blobs, after):
            batch.append(entry)
            if len(batch) == CONCURRENCY:
                slots += len(batch)
                progress = await self._examine_batch(slots, batch, repair=repair)
                yield progress
                if progress.failure is not None:
                    raise progress.failure
                batch = []
        if batch:
            progress = await self._examine_batch(slots + len(batch), batch, repair=repair)
            yield progress
            if progress.failure is not None:
                raise progress.failure

    async def _examine_batch(
        self, slots: int, batch: list[tuple[UserId, Revision | None]], *, repair: bool
    ) -> Progress:
        examinations = [self._examine(user_id, row, repair=repair) for user_id, row in batch]
        # All of them, even if one fails: each repair is reported, and none goes on unnoticed.
        outcomes = await asyncio.gather(*examinations, return_exceptions=True)
        failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        findings = tuple(outcome for outcome in outcomes if isinstance(outcome, Finding))
        return Progress(slots, batch[-1][0], findings, failures[0] if failures else None)

    async def _examine(self, user_id: UserId, row: Revision | None, *, repair: bool) -> Finding | None:
        try:
            return await self._examine_undamaged(user_id, row, repair=repair)
        except BackupDamaged:
            return Finding(user_id, Difference.OBJECT_DAMAGED, row, None)
        except SlotBusy:
            return Finding(user_id, Difference.BUSY, row, None)

    async def _examine_undamaged(self, user_id: UserId, row: Revision | None, *, repair: bool) -> Finding | None:
        if compare(row, await self._blobs.stat(user_id)) is None:
            return None
        # The row was read some time before the object: only a difference under the lock counts.
        async with self._metadata.locked(user_id) as slot:
            found = await self._blobs.stat(user_id)
            difference = compare(slot.record, found)
            if difference is None:
                return None
            finding = Finding(user_id, difference, slot.record, found)
            if repair and difference.repairable and await self._repair(user_id, slot, found):
                return replace(finding, repaired=True)
            return finding

    async def _repair(self, user_id: UserId, slot: LockedSlot, found: Revision | None) -> bool:
        row = slot.record
        if found is not None and rules.is_stale(row, found):
            await slot.save(found)
            return True
        if row is None or row.kind is not Kind.TOMBSTONE:
            return False
        restored = await restore_tombstone(
            self._blobs,
            user_id,
            row,
            replaces=found.tag if found else None,
            upload_id=UploadId(self._random(16).hex()),
            now=self._clock.now(),
            random=self._random,
        )
        if restored is None:
            return False
        await slot.save(restored)
        return True
