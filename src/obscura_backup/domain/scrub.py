"""Walking all slots, to tell where row and object differ, why, and to mend what may be mended.

Nothing needs this to stay safe: each call mends its own slot. It is for after a restore of one of the two stores, when
an operator wants to know before the users do, and for the slots that nobody touches.
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
from obscura_backup.domain.tombstone import restore_tombstone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from obscura_backup.domain.ports import BackupMetadataStore, BlobStore, Clock, LockedSlot

CONCURRENCY = 16
"""Slots looked at side by side; each costs one request to the blob store."""


class Difference(StrEnum):
    """How a row and its object differ. The value is what machines read."""

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
        """Whether a repair loses nothing."""
        return self in _REPAIRABLE


_EXPLANATIONS = {
    Difference.ROW_MISSING: "There is a blob and no row: the metadata store was restored from an older copy, or a "
    "commit was lost with its answer.",
    Difference.ROW_BEHIND: "The row is of an older version than the blob: a commit was lost with its answer, or the "
    "metadata store was restored from an older copy.",
    Difference.ROW_TAG: "The row names the blob's version by another tag: the bucket was copied.",
    Difference.OBJECT_MISSING: "There is a row and no blob: it was lost. Readers are told so until the owner uploads "
    "anew.",
    Difference.OBJECT_OLDER: "The blob is of an older version than the row: the blob store was restored from an older "
    "copy. The owner's devices will notice and ask.",
    Difference.TOMBSTONE_MISSING: "The row says deleted and there is no tombstone: the blob store was restored from a "
    "copy that never had it.",
    Difference.DELETION_UNDONE: "The row says deleted and the blob is back: the blob store was restored from before "
    "the deletion.",
    Difference.OBJECT_DAMAGED: "What is in the blob's place is not one of ours, or no longer. Once it is out of the "
    "way, the owner can upload anew.",
    Difference.BUSY: "Row and blob differed, and then others held the slot for too long to look again. Their own calls "
    "mend it.",
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
        user_id: whose.
        difference: how.
        row: the row as it was found, None where there is none.
        found: the object's revision, None where there is none.
        mended: whether a repair was made.
    """

    user_id: UserId
    difference: Difference
    row: Revision | None
    found: Revision | None
    repaired: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the walk has come.

    Attributes:
        slots: looked at so far.
        last: where it is. All slots up to it are done, and it may be resumed behind it, unless there is a `failure`.
        findings: of the slots since the last progress.
        failure: what kept some of these from being looked at; the walk ends with it.
    """

    slots: int
    last: UserId
    findings: tuple[Finding, ...]
    failure: BaseException | None = None

    @property
    def share(self) -> float:
        """0 to 1. User ids are random, so where the walk stands among them is how much of it is done."""
        return (self.last.int >> 96) / 2**32


def compare(row: Revision | None, found: Revision | None) -> Difference | None:
    """How a row and its object differ; None where they do not."""
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
    """One walk over a pair of stores, which may serve meanwhile. Memory: a page of each and a handful of slots."""

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

    async def walk(self, *, repair: bool, after: UserId | None = None) -> AsyncIterator[Progress]:
        """Look at every slot behind `after`, in the order of their user ids.

        Args:
            repair: mend what may be mended without a loss.
            after: where an earlier walk ended.

        Raises:
            Unavailable: a store does not answer; what was yielded so far stands.
        """
        slots = 0
        batch: list[tuple[UserId, Revision | None]] = []
        async for entry in self._entries(after):
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

    async def _entries(self, after: UserId | None) -> AsyncIterator[tuple[UserId, Revision | None]]:
        """Everybody who has a row, a blob or both, once, in order: two sorted walks, merged."""
        rows, users = self._metadata.scan(after), self._blobs.scan(after)
        row, user = await anext(rows, None), await anext(users, None)
        while row is not None or user is not None:
            if user is None or (row is not None and str(row[0]) <= str(user)):
                assert row is not None  # noqa: S101  # for the type checker: one of the two is there
                yield row
                if user == row[0]:
                    user = await anext(users, None)
                row = await anext(rows, None)
            else:
                yield user, None
                user = await anext(users, None)

    async def _examine_batch(
        self, slots: int, batch: list[tuple[UserId, Revision | None]], *, repair: bool
    ) -> Progress:
        examinations = [self._examine(user_id, row, repair=repair) for user_id, row in batch]
        # All of them, also where one fails: what was mended must be told, and nothing may go on behind our back.
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
        # The row was read a while before the object: only what still differs while nobody else is at it counts.
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
