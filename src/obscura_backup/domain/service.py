"""The protocol between the two stores: uploads, deletions and downloads.

Safety depends only on the conditional PUT. The lock avoids contention, and the row avoids reading the object. An
interrupted upload leaves no orphan, only a row that is one version behind; the next call repairs it. There is no
clean-up job.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from obscura_backup.domain import rules
from obscura_backup.domain.blob import Blob
from obscura_backup.domain.errors import (
    BackupLost,
    BackupNotFound,
    BlobStoreUnavailable,
    OutcomeUnknown,
    PutRefused,
    RangeNotSatisfiable,
    SlotBusy,
    Unavailable,
    VersionMismatch,
)
from obscura_backup.domain.model import TOMBSTONE_BYTES, Draft, Kind, Revision, Sha256, UploadId
from obscura_backup.domain.rules import Absent, Deletion, Done, Mismatch, Put, RestoreTombstone, Upload
from obscura_backup.domain.tombstone import restore_tombstone

if TYPE_CHECKING:
    from collections.abc import Callable

    from obscura_backup.domain.model import ByteRange, UserId, Version
    from obscura_backup.domain.ports import BackupMetadataStore, BlobStore, Clock, LockedSlot, OpenBlob

_NO_BYTES = Sha256(b"")


class Event(Enum):
    """What happened without being seen in an answer."""

    RETRY_RECOGNISED = "retry-recognised"
    """A request had been carried out before, and was not carried out again."""
    ROW_REPAIRED = "row-repaired"
    """A row lagged behind its object, and was updated."""


PUTS_PER_CALL = 2
"""One based on the row, one based on the object. A caller that loses both races gets `SlotBusy`."""
OPENS_PER_CALL = 3
"""Of a range. To lose them all takes a deletion and an upload between each two of them."""


@dataclass(slots=True)
class _Attempts:
    """The PUTs of one call.

    Attributes:
        puts_left: how many more may be sent.
        upload_ids: of the PUTs that may have been stored.
        already_done: whether the request turned out to be fulfilled before.
    """

    puts_left: int = PUTS_PER_CALL
    upload_ids: set[UploadId] = field(default_factory=set)
    already_done: bool = False


class BackupService:
    """Uploads, downloads and deletions over one pair of stores. Stateless; any number may run side by side.

    Args:
        metadata: the index of the slots.
        blobs: the objects of the slots.
        clock: for the times of revisions.
        random: gives that many unpredictable bytes.
        notify: told of each event; must not raise.
    """

    def __init__(
        self,
        metadata: BackupMetadataStore,
        blobs: BlobStore,
        clock: Clock,
        *,
        random: Callable[[int], bytes] = os.urandom,
        notify: Callable[[Event], None] = lambda _: None,
    ) -> None:
        self._metadata = metadata
        self._blobs = blobs
        self._clock = clock
        self._random = random
        self._notify = notify

    async def refuse_early(self, user_id: UserId, expected: Version) -> None:
        """Refuse an upload before its body is sent, if no body can be accepted. Returning promises nothing.

        The row alone is not enough: it may lag behind an upload of which this one is a retry.

        Raises:
            VersionMismatch: the object has another version.
            Unavailable: a store does not answer, so the upload could not be stored either.
        """
        row = await self._metadata.get(user_id)
        if rules.decide(row, Upload(expected, _NO_BYTES)) is not None:
            return
        current = rules.certain_conflict(row, await self._blobs.stat(user_id), expected)
        if current is not None:
            raise VersionMismatch(expected=expected, current=current)

    async def upload(self, user_id: UserId, expected: Version, blob: Blob) -> Revision:
        """Store `blob` as the version after `expected` (0: as the first), or find that this was done before.

        Raises:
            VersionMismatch: the slot holds another version; nothing was stored.
            Unavailable: a store failed. Unless `nothing_changed`, the blob may have been stored. Sending it again is
                safe and gives the answer.
        """
        revision = await self._apply(user_id, Upload(expected, blob.sha256), blob)
        if revision is None:
            raise AssertionError("an upload always leaves an object")
        return revision

    async def delete(self, user_id: UserId, expected: Version) -> None:
        """Replace version `expected` by a tombstone; a deleted slot stays as it is.

        Raises:
            VersionMismatch: the slot holds another version; nothing was deleted.
            BackupNotFound: there never was a backup.
            Unavailable: as for `upload`.
        """
        tombstone = Blob.of(self._random(TOMBSTONE_BYTES))
        await self._apply(user_id, Deletion(expected), tombstone)

    async def download(self, user_id: UserId, byte_range: ByteRange | None = None) -> OpenBlob:
        """Start to read the backup: bytes, version and digest come from one read of one object. The caller closes it.

        The metadata store is asked only if there is no object, or a tombstone. So a restore works while it is down.

        Raises:
            BackupNotFound: there is none, or it was deleted.
            BackupLost: one is on record, but its bytes are gone.
            RangeNotSatisfiable: `byte_range` lies outside of it.
            Unavailable: a store does not answer.
        """
        opened, revision = await self._open_live(user_id, byte_range)
        if opened is None:
            row = await self._require_loss(user_id, revision)
            opened, revision = await self._open_live(user_id, byte_range)
            if opened is None:
                raise _loss_or_absence(row, revision)
        return opened

    async def describe(self, user_id: UserId) -> Revision:
        """The revision that `download` would give, without its bytes.

        Raises:
            BackupNotFound: there is none, or it was deleted.
            BackupLost: one is on record, but its bytes are gone.
            Unavailable: a store does not answer.
        """
        found = await self._blobs.stat(user_id)
        if found is None or not found.is_live:
            row = await self._require_loss(user_id, found)
            found = await self._blobs.stat(user_id)
            if found is None or not found.is_live:
                raise _loss_or_absence(row, found)
        return found

    async def _open(self, user_id: UserId, byte_range: ByteRange | None) -> OpenBlob | None:
        for _ in range(OPENS_PER_CALL):
            try:
                return await self._blobs.open(user_id, byte_range)
            except RangeNotSatisfiable:
                # The object may be a tombstone, whose size is private. By now there may be a backup.
                size = (await self.describe(user_id)).size
                if byte_range is None or byte_range.resolve(size) is None:
                    raise RangeNotSatisfiable(size=size) from None
        raise SlotBusy

    async def _open_live(
        self, user_id: UserId, byte_range: ByteRange | None
    ) -> tuple[OpenBlob, Revision] | tuple[None, Revision | None]:
        """The backup and its revision; or None and the revision of the tombstone, if there is one."""
        opened = await self._open(user_id, byte_range)
        if opened is None:
            return None, None
        if opened.revision.is_live:
            return opened, opened.revision
        await opened.aclose()
        return None, opened.revision

    async def _require_loss(self, user_id: UserId, found: Revision | None) -> Revision:
        """The row, if it has a backup while the object is absent or an older tombstone.

        This alone does not prove a loss: an upload may have come between the reads of the object and of the row. The
        caller reads the object once more.

        Raises:
            BackupNotFound: the row has no such backup.
            MetadataUnavailable: the row cannot be read, so nothing is known.
        """
        row = await self._metadata.get(user_id)
        if row is None or not rules.is_lost(row, found):
            raise BackupNotFound
        return row

    async def _apply(self, user_id: UserId, request: Upload | Deletion, blob: Blob) -> Revision | None:
        attempts = _Attempts()
        try:
            async with self._metadata.locked(user_id) as slot:
                fast = None if rules.is_unchanged_upload(slot.record, request) else rules.decide(slot.record, request)
                if fast is not None:
                    stored = await self._put(user_id, request, blob, fast, attempts)
                    if stored is not None:
                        await slot.save(stored)
                        return stored
                return await self._slow_path(user_id, request, blob, slot, attempts)
        except Unavailable as error:
            error.nothing_changed = not (attempts.upload_ids or attempts.already_done)
            raise

    async def _slow_path(
        self, user_id: UserId, request: Upload | Deletion, blob: Blob, slot: LockedSlot, attempts: _Attempts
    ) -> Revision | None:
        found = await self._blobs.stat(user_id)
        while True:
            if found is not None and found.upload_id in attempts.upload_ids and found.kind is _kind(request):
                # The store refused the second copy of a request whose first copy it had stored.
                await slot.save(found)
                return found
            outcome = rules.reconcile(slot.record, found, request)
            match outcome:
                case Put():
                    stored = await self._put(user_id, request, blob, outcome, attempts)
                    if stored is not None:
                        await slot.save(stored)
                        return stored
                    found = await self._blobs.stat(user_id)
                case RestoreTombstone():
                    found = await self._restore_tombstone(user_id, outcome, attempts) or await self._blobs.stat(user_id)
                case Done(revision):
                    attempts.already_done = True
                    self._notify(Event.RETRY_RECOGNISED)
                    await self._update_row(slot, found)
                    return revision
                case Mismatch(current):
                    await self._update_row(slot, found)
                    raise VersionMismatch(expected=request.expected, current=current)
                case Absent():
                    raise BackupNotFound

    async def _update_row(self, slot: LockedSlot, found: Revision | None) -> None:
        if found is not None and rules.is_stale(slot.record, found):
            await slot.save(found)
            self._notify(Event.ROW_REPAIRED)

    async def _put(
        self, user_id: UserId, request: Upload | Deletion, blob: Blob, put: Put, attempts: _Attempts
    ) -> Revision | None:
        """Try one conditional PUT: the stored revision; None if it was refused."""
        draft = Draft(
            version=put.version,
            base=request.expected,
            kind=_kind(request),
            sha256=blob.sha256,
            size=blob.size,
            upload_id=self._new_upload_id(attempts),
            updated_at=self._clock.now(),
        )
        try:
            return await self._blobs.put(user_id, blob, draft, replaces=put.replaces)
        except PutRefused:
            return None
        except BlobStoreUnavailable:
            attempts.upload_ids.discard(draft.upload_id)  # known not to have been stored
            raise
        except OutcomeUnknown:
            found = await self._blobs.stat(user_id)
            if found is not None and found.upload_id == draft.upload_id:
                return found
            raise  # not there now, but it may still arrive: only a retry by the client can tell

    async def _restore_tombstone(
        self, user_id: UserId, restore: RestoreTombstone, attempts: _Attempts
    ) -> Revision | None:
        return await restore_tombstone(
            self._blobs,
            user_id,
            restore.deleted,
            replaces=restore.replaces,
            upload_id=self._new_upload_id(attempts),
            now=self._clock.now(),
            random=self._random,
        )

    def _new_upload_id(self, attempts: _Attempts) -> UploadId:
        if attempts.puts_left == 0:
            raise SlotBusy
        attempts.puts_left -= 1
        upload_id = UploadId(self._random(16).hex())
        attempts.upload_ids.add(upload_id)
        return upload_id


def _kind(request: Upload | Deletion) -> Kind:
    return Kind.LIVE if isinstance(request, Upload) else Kind.TOMBSTONE


def _loss_or_absence(row: Revision, found: Revision | None) -> BackupLost | BackupNotFound:
    return BackupLost(version=row.version) if rules.is_lost(row, found) else BackupNotFound()
