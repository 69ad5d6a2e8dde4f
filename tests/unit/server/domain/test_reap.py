"""Inactive backups are deleted, each at the version that was found inactive, and no others."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from contracts import samples
from obscura_backup.adapters.memory import MemoryBlobStore, MemoryMetadataStore
from obscura_backup.domain.errors import BackupDamaged, BackupNotFound, BlobStoreUnavailable, SlotBusy
from obscura_backup.domain.model import NO_VERSION, Revision, UserId, Version
from obscura_backup.domain.reap import Outcome, Reaped, Reaper
from obscura_backup.domain.service import BackupService
from support.clocks import MovableClock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

SINCE = samples.MOMENT
LONG_AGO = SINCE - timedelta(microseconds=1)
ONE, TWO, THREE = (samples.user(number) for number in (1, 2, 3))


class Blobs(MemoryBlobStore):
    """`after_stat` runs after the next look at an object; `fails` is raised by it."""

    after_stat: Callable[[], Awaitable[object]] | None = None
    fails: Exception | None = None
    looks = 0

    async def stat(self, user_id: UserId) -> Revision | None:
        self.looks += 1
        if self.fails is not None:
            raise self.fails
        found = await super().stat(user_id)
        act, self.after_stat = self.after_stat, None
        if act is not None:
            await act()
        return found


class Stores:
    def __init__(self) -> None:
        self.metadata, self.blobs, self.clock = MemoryMetadataStore(), Blobs(), MovableClock(LONG_AGO)
        self.service = BackupService(self.metadata, self.blobs, self.clock)
        self.reaper = Reaper(self.metadata, self.blobs, self.service)

    async def upload(self, user: UserId, at: datetime = LONG_AGO, expected: Version = NO_VERSION) -> Revision:
        self.clock.moment = at
        return await self.service.upload(user, expected, samples.blob(f"{user} {expected}"))

    async def scan(self, *, delete: bool = True, after: UserId | None = None) -> dict[UserId, Reaped | None]:
        return {user: reaped async for user, reaped in self.reaper.scan(SINCE, delete=delete, after=after)}

    def is_live(self, user: UserId) -> bool:
        return self.blobs._objects[user][0].is_live


@pytest.fixture
def stores() -> Stores:
    return Stores()


async def test_only_backups_from_before_the_given_time_are_deleted(stores: Stores) -> None:
    old = await stores.upload(ONE)
    await stores.upload(TWO, at=SINCE)
    assert await stores.scan() == {ONE: Reaped(ONE, old, Outcome.DELETED), TWO: None}
    assert (stores.is_live(ONE), stores.is_live(TWO)) == (False, True)
    with pytest.raises(BackupNotFound):
        await stores.service.download(ONE)


async def test_dry_run_deletes_nothing(stores: Stores) -> None:
    old = await stores.upload(ONE)
    assert await stores.scan(delete=False) == {ONE: Reaped(ONE, old, Outcome.INACTIVE)}
    assert stores.is_live(ONE)


async def test_second_walk_finds_nothing_left(stores: Stores) -> None:
    await stores.upload(ONE)
    await stores.scan()
    looks = stores.blobs.looks
    assert await stores.scan() == {ONE: None}
    assert stores.blobs.looks == looks, "a row of a deletion needs no look at the object"


async def test_walk_continues_after_a_user(stores: Stores) -> None:
    for user in (ONE, TWO, THREE):
        await stores.upload(user)
    assert list(await stores.scan(after=ONE)) == [TWO, THREE]
    assert stores.is_live(ONE)


async def test_row_that_lags_behind_an_upload_does_not_delete_it(stores: Stores) -> None:
    old = await stores.upload(ONE)
    await stores.upload(ONE, at=SINCE, expected=Version(1))
    stores.metadata._rows[ONE] = old
    assert await stores.scan() == {ONE: None}
    assert stores.is_live(ONE)


async def test_backup_without_a_row_is_deleted(stores: Stores) -> None:
    old = await stores.upload(ONE)
    stores.metadata._rows.clear()
    assert await stores.scan() == {ONE: Reaped(ONE, old, Outcome.DELETED)}


async def test_upload_after_the_look_is_kept(stores: Stores) -> None:
    old = await stores.upload(ONE)
    stores.blobs.after_stat = lambda: stores.upload(ONE, at=SINCE, expected=Version(1))
    assert await stores.scan() == {ONE: Reaped(ONE, old, Outcome.CHANGED)}
    found = await stores.blobs.stat(ONE)
    assert found is not None
    assert (found.version, found.is_live) == (2, True)


async def test_lost_backup_is_reported_and_stays_lost(stores: Stores) -> None:
    old = await stores.upload(ONE)
    stores.blobs._objects.clear()
    assert await stores.scan() == {ONE: Reaped(ONE, old, Outcome.LOST)}
    assert stores.blobs._objects == {}


async def test_damaged_object_is_reported_and_the_walk_goes_on(stores: Stores) -> None:
    old = await stores.upload(ONE)
    stores.blobs.fails = BackupDamaged()
    assert await stores.scan() == {ONE: Reaped(ONE, old, Outcome.DAMAGED)}


async def test_busy_slot_is_reported(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    async def delete(*_: object) -> None:
        raise SlotBusy

    old = await stores.upload(ONE)
    monkeypatch.setattr(stores.service, "delete", delete)
    assert await stores.scan() == {ONE: Reaped(ONE, old, Outcome.BUSY)}


async def test_store_that_does_not_answer_ends_the_walk(stores: Stores) -> None:
    await stores.upload(ONE)
    stores.blobs.fails = BlobStoreUnavailable()
    with pytest.raises(BlobStoreUnavailable):
        await stores.scan()


def test_each_outcome_is_explained_and_some_need_an_operator() -> None:
    assert {outcome for outcome in Outcome if outcome.remains} == {Outcome.BUSY, Outcome.LOST, Outcome.DAMAGED}
    assert all(outcome.explanation.endswith(".") for outcome in Outcome)
