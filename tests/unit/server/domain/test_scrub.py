from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from contracts import samples
from obscura_backup.adapters.memory import MemoryBlobStore, MemoryMetadataStore
from obscura_backup.adapters.system_clock import SystemClock
from obscura_backup.domain.errors import BackupDamaged, BlobStoreUnavailable, SlotBusy
from obscura_backup.domain.model import NO_VERSION, Kind, Revision, UserId, Version
from obscura_backup.domain.scrub import Difference, Finding, Progress, Scrubber, compare
from obscura_backup.domain.service import BackupService

LIVE_3 = samples.revision(3)
LIVE_5 = samples.revision(5)
GRAVE_6 = samples.revision(6, kind=Kind.TOMBSTONE)


def test_comparison() -> None:
    cases: list[tuple[Revision | None, Revision | None, Difference | None]] = [
        (None, None, None),
        (LIVE_3, LIVE_3, None),
        (GRAVE_6, GRAVE_6, None),
        (None, LIVE_3, Difference.ROW_MISSING),
        (None, GRAVE_6, Difference.ROW_MISSING),
        (LIVE_3, LIVE_5, Difference.ROW_BEHIND),
        (LIVE_5, GRAVE_6, Difference.ROW_BEHIND),
        (LIVE_3, samples.retagged(LIVE_3, "copied"), Difference.ROW_TAG),
        (LIVE_5, LIVE_3, Difference.OBJECT_OLDER),
        (LIVE_3, None, Difference.OBJECT_MISSING),
        (GRAVE_6, None, Difference.TOMBSTONE_MISSING),
        (GRAVE_6, LIVE_5, Difference.DELETION_UNDONE),
    ]
    for row, found, difference in cases:
        assert compare(row, found) == difference


class Stores:
    """A pair of stores that can be put at odds, as restores from copies of different age do."""

    def __init__(self) -> None:
        self.metadata = MemoryMetadataStore()
        self.blobs = MemoryBlobStore()
        self.service = BackupService(self.metadata, self.blobs, SystemClock())
        self.scrubber = Scrubber(self.metadata, self.blobs, SystemClock())

    async def backed_up(self, user: UserId, versions: int = 2) -> None:
        version = NO_VERSION
        for number in range(versions):
            blob = samples.blob(f"{user} {number}")
            version = (await self.service.upload(user, version, blob)).version

    def copy(self, user: UserId) -> tuple[Revision | None, tuple[Revision, bytes] | None]:
        return self.metadata._rows.get(user), self.blobs._objects.get(user)

    def restore_row(self, user: UserId, row: Revision | None) -> None:
        self.metadata._rows.pop(user, None)
        if row is not None:
            self.metadata._rows[user] = row

    def restore_object(self, user: UserId, stored: tuple[Revision, bytes] | None) -> None:
        self.blobs._objects.pop(user, None)
        if stored is not None:
            self.blobs._objects[user] = stored

    async def scan(self, *, repair: bool = False, after: UserId | None = None) -> list[Progress]:
        return [progress async for progress in self.scrubber.scan(repair=repair, after=after)]

    async def findings(self, *, repair: bool = False) -> list[Finding]:
        return [finding for progress in await self.scan(repair=repair) for finding in progress.findings]


@pytest.fixture
def stores() -> Stores:
    return Stores()


async def test_nothing_to_find(stores: Stores) -> None:
    for number in range(40):
        await stores.backed_up(samples.user(number + 1))
    scan = await stores.scan()
    assert [progress.findings for progress in scan] == [()] * 3
    assert scan[-1].slots == 40


async def test_empty_stores(stores: Stores) -> None:
    assert await stores.scan() == []


@pytest.mark.parametrize("keep", [0, 1])
async def test_row_that_lags_is_mended(stores: Stores, keep: int) -> None:
    user = samples.user()
    await stores.backed_up(user, versions=1)
    older = stores.copy(user)[0] if keep else None
    await stores.service.upload(user, Version(1), samples.blob("two"))
    stores.restore_row(user, older)
    (finding,) = await stores.findings(repair=True)
    assert finding.difference == (Difference.ROW_BEHIND if keep else Difference.ROW_MISSING)
    assert finding.repaired
    assert await stores.findings() == []
    assert await stores.metadata.get(user) == await stores.blobs.stat(user)


async def test_without_repair_nothing_is_touched(stores: Stores) -> None:
    user = samples.user()
    await stores.backed_up(user)
    stores.restore_row(user, None)
    (finding,) = await stores.findings()
    assert not finding.repaired
    assert await stores.metadata.get(user) is None


async def test_lost_blob_is_reported_not_mended(stores: Stores) -> None:
    user = samples.user()
    await stores.backed_up(user)
    stores.restore_object(user, None)
    (finding,) = await stores.findings(repair=True)
    assert (finding.difference, finding.repaired) == (Difference.OBJECT_MISSING, False)


async def test_older_blob_is_reported_not_mended(stores: Stores) -> None:
    user = samples.user()
    await stores.backed_up(user, versions=1)
    older = stores.copy(user)[1]
    await stores.service.upload(user, Version(1), samples.blob("two"))
    stores.restore_object(user, older)
    (finding,) = await stores.findings(repair=True)
    assert (finding.difference, finding.repaired) == (Difference.OBJECT_OLDER, False)
    row = await stores.metadata.get(user)
    assert row is not None
    assert row.version == 2  # so that version 2 is never given out twice


@pytest.mark.parametrize("whole", [True, False])
async def test_deletion_is_made_to_hold_again(stores: Stores, *, whole: bool) -> None:
    user = samples.user()
    await stores.backed_up(user, versions=1)
    before = stores.copy(user)[1]
    await stores.service.delete(user, Version(1))
    stores.restore_object(user, before if whole else None)
    (finding,) = await stores.findings(repair=True)
    assert finding.difference == (Difference.DELETION_UNDONE if whole else Difference.TOMBSTONE_MISSING)
    assert finding.repaired
    found = await stores.blobs.stat(user)
    assert found is not None
    assert (found.kind, found.version) == (Kind.TOMBSTONE, 2)
    assert await stores.findings() == []


async def test_everybody_is_met_once_whichever_store_knows_them(stores: Stores) -> None:
    users = [samples.user(number) for number in range(1, 100)]
    for number, user in enumerate(users):
        await stores.backed_up(user)
        if number % 3 == 0:
            stores.restore_row(user, None)
        if number % 3 == 1:
            stores.restore_object(user, None)
    scan = await stores.scan()
    assert scan[-1].slots == 99
    met = [finding.user_id for progress in scan for finding in progress.findings]
    assert met == [user for number, user in enumerate(users) if number % 3 != 2]


async def test_walk_resumes_where_it_ended(stores: Stores) -> None:
    users = [samples.user(number) for number in range(1, 41)]
    for user in users:
        await stores.backed_up(user)
        stores.restore_row(user, None)
    first = (await stores.scan())[0]
    rest = await stores.scan(after=first.last)
    met = [finding.user_id for progress in [first, *rest] for finding in progress.findings]
    assert met == users


async def test_what_others_mended_meanwhile_is_no_difference(stores: Stores) -> None:
    user = samples.user()
    await stores.backed_up(user, versions=1)
    stale = await stores.metadata.get(user)
    await stores.service.upload(user, Version(1), samples.blob("two"))
    assert await stores.scrubber._examine(user, stale, repair=False) is None


async def test_damaged_object_is_reported_and_stops_nothing(stores: Stores) -> None:
    class PartlyDamaged(MemoryBlobStore):
        async def stat(self, user_id: UserId) -> Revision | None:
            if user_id == samples.user(2):
                raise BackupDamaged
            return await super().stat(user_id)

    damaged = PartlyDamaged()
    stores.scrubber = Scrubber(stores.metadata, damaged, SystemClock())
    stores.service = BackupService(stores.metadata, damaged, SystemClock())
    for number in (1, 2, 3):
        await stores.backed_up(samples.user(number), versions=1)
    (finding,) = await stores.findings(repair=True)
    assert (finding.user_id, finding.difference) == (samples.user(2), Difference.OBJECT_DAMAGED)
    assert not finding.repaired


def test_share_of_the_walk_that_is_done() -> None:
    user = UserId(UUID("80000000-0000-0000-0000-000000000000"))
    assert Progress(1, user, ()).share == 0.5


async def test_busy_slot_is_told_and_stops_nothing(stores: Stores) -> None:
    class OneBusy(MemoryMetadataStore):
        def locked(self, user_id: UserId) -> Any:
            if user_id == samples.user(2):
                raise SlotBusy
            return super().locked(user_id)

    for number in (1, 2, 3):
        await stores.backed_up(samples.user(number))
    busy = OneBusy()
    scrubber = Scrubber(busy, stores.blobs, SystemClock())
    findings = [finding async for progress in scrubber.scan(repair=True) for finding in progress.findings]
    assert [(finding.difference, finding.repaired) for finding in findings] == [
        (Difference.ROW_MISSING, True),
        (Difference.BUSY, False),
        (Difference.ROW_MISSING, True),
    ]


async def test_what_was_mended_is_told_before_the_walk_ends_with_a_failure(stores: Stores) -> None:
    class OneFails(MemoryBlobStore):
        async def stat(self, user_id: UserId) -> Revision | None:
            if user_id == samples.user(2):
                raise BlobStoreUnavailable
            return await super().stat(user_id)

    failing = OneFails()
    service = BackupService(MemoryMetadataStore(), failing, SystemClock())
    for number in (1, 3):
        blob = samples.blob(str(number))
        await service.upload(samples.user(number), NO_VERSION, blob)
    failing._objects[samples.user(2)] = failing._objects[samples.user(1)]
    scrubber = Scrubber(MemoryMetadataStore(), failing, SystemClock())
    told: list[Finding] = []

    async def scan() -> None:
        async for progress in scrubber.scan(repair=True):
            told.extend(progress.findings)

    with pytest.raises(BlobStoreUnavailable):
        await scan()
    assert [finding.repaired for finding in told] == [True, True]


async def test_of_two_failures_the_walk_ends_with_the_first(stores: Stores) -> None:
    class TwoFail(MemoryBlobStore):
        async def stat(self, user_id: UserId) -> Revision | None:
            raise BlobStoreUnavailable(f"user {user_id.int >> 64}")

    for number in (1, 2):
        stores.restore_row(samples.user(number), LIVE_3)
    scrubber = Scrubber(stores.metadata, TwoFail(), SystemClock())
    with pytest.raises(BlobStoreUnavailable, match="user 1"):
        [progress async for progress in scrubber.scan(repair=False)]
