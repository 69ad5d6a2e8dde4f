"""What every `BackupMetadataStore` promises. A test file for an adapter is two fixtures and little more.

`store` gives a started, empty store that waits for a lock as long as a busy machine may need. `impatient` gives one
that waits for a quarter of a second, for tests of the end of waiting.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from contracts import samples
from obscura_backup.domain.errors import SlotBusy
from obscura_backup.domain.model import Kind
from support.table import table

if TYPE_CHECKING:
    from obscura_backup.domain.model import Revision, UserId
    from obscura_backup.domain.ports import BackupMetadataStore

LOCK_TIMEOUT_SECONDS = 30.0
SHORT_LOCK_TIMEOUT_SECONDS = 0.25


async def saved(store: BackupMetadataStore, user_id: UserId, revision: Revision) -> None:
    async with store.locked(user_id) as slot:
        await slot.save(revision)


class MetadataStoreContract:
    async def test_unknown_user_has_no_row(self, store: BackupMetadataStore) -> None:
        assert await store.get(samples.user()) is None
        async with store.locked(samples.user()) as slot:
            assert slot.record is None

    @table("kind", list(Kind))
    async def test_saved_row_reads_back_whole(self, store: BackupMetadataStore, kind: Kind) -> None:
        user, revision = samples.user(), samples.revision(7, kind=kind)
        await saved(store, user, revision)
        assert await store.get(user) == revision
        async with store.locked(user) as slot:
            assert slot.record == revision

    async def test_row_is_visible_as_soon_as_save_returns(self, store: BackupMetadataStore) -> None:
        user, revision = samples.user(), samples.revision(1)
        async with store.locked(user) as slot:
            await slot.save(revision)
            assert await store.get(user) == revision

    async def test_row_moves_forward(self, store: BackupMetadataStore) -> None:
        user, newer = samples.user(), samples.revision(9)
        await saved(store, user, samples.revision(1))
        await saved(store, user, newer)
        assert await store.get(user) == newer

    async def test_row_never_goes_back(self, store: BackupMetadataStore) -> None:
        user, newer = samples.user(), samples.revision(9)
        await saved(store, user, newer)
        await saved(store, user, samples.revision(8))
        assert await store.get(user) == newer

    async def test_row_follows_the_same_version_to_another_tag(self, store: BackupMetadataStore) -> None:
        user, revision = samples.user(), samples.revision(3)
        await saved(store, user, revision)
        copied = samples.retagged(revision, "another tag")
        await saved(store, user, copied)
        assert await store.get(user) == copied

    async def test_leaving_without_save_changes_nothing(self, store: BackupMetadataStore) -> None:
        user = samples.user()
        async with store.locked(user):
            pass
        assert await store.get(user) is None

    async def test_failing_inside_changes_nothing_and_lets_go(self, store: BackupMetadataStore) -> None:
        user, revision = samples.user(), samples.revision(1)
        await saved(store, user, revision)
        with pytest.raises(ZeroDivisionError):
            async with store.locked(user):
                raise ZeroDivisionError
        async with store.locked(user) as slot:
            assert slot.record == revision

    async def test_one_at_a_time_for_one_user(self, store: BackupMetadataStore) -> None:
        user = samples.user()
        await saved(store, user, samples.revision(1))
        inside: list[int] = []

        async def enter(number: int) -> None:
            async with store.locked(user) as slot:
                inside.append(number)
                before = slot.record
                await asyncio.sleep(0.002)
                assert inside[-1] == number
                assert before is not None
                await slot.save(samples.revision(before.version + 1))

        await asyncio.gather(*(enter(number) for number in range(8)))
        row = await store.get(user)
        assert row is not None
        assert row.version == 9

    async def test_users_do_not_wait_for_each_other(self, store: BackupMetadataStore) -> None:
        one, other = samples.user(), samples.user()
        await saved(store, one, samples.revision(1))
        await saved(store, other, samples.revision(1))
        async with store.locked(one), store.locked(other) as slot:
            assert slot.record is not None

    async def test_waiting_ends(self, impatient: BackupMetadataStore) -> None:
        user = samples.user()
        await saved(impatient, user, samples.revision(1))
        async with impatient.locked(user):
            with pytest.raises(SlotBusy):
                async with impatient.locked(user):
                    pytest.fail("two inside at once")

    async def test_a_waiter_that_gives_up_does_not_keep_the_lock(self, store: BackupMetadataStore) -> None:
        user = samples.user()
        await saved(store, user, samples.revision(1))

        async def wait() -> None:
            async with store.locked(user):
                pytest.fail("inside although cancelled")

        async with store.locked(user):
            waiter = asyncio.create_task(wait())
            await asyncio.sleep(0.02)
            waiter.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiter
        async with store.locked(user) as slot:
            assert slot.record is not None

    async def test_first_uploads_that_race_leave_the_newest_row(self, store: BackupMetadataStore) -> None:
        user = samples.user()
        revisions = [samples.revision(version) for version in (2, 1, 4, 3)]
        await asyncio.gather(*(saved(store, user, revision) for revision in revisions))
        assert await store.get(user) == revisions[2]

    async def test_scan_gives_all_rows_in_order(self, store: BackupMetadataStore) -> None:
        rows = {samples.user(number): samples.revision(number) for number in (3, 1, 2)}
        for user, revision in rows.items():
            await saved(store, user, revision)
        assert [entry async for entry in store.scan()] == sorted(rows.items(), key=lambda entry: str(entry[0]))

    async def test_scan_resumes_behind_a_user(self, store: BackupMetadataStore) -> None:
        for number in (1, 2, 3, 4):
            await saved(store, samples.user(number), samples.revision(number))
        assert [user async for user, _ in store.scan(after=samples.user(2))] == [samples.user(3), samples.user(4)]

    async def test_scan_is_not_cut_at_a_page(self, store: BackupMetadataStore) -> None:
        users = [samples.user(number) for number in range(1, 1101)]
        revision = samples.revision(1)
        await asyncio.gather(*(saved(store, user, revision) for user in users))
        assert [user async for user, _ in store.scan()] == users

    async def test_check_of_a_store_that_is_well(self, store: BackupMetadataStore) -> None:
        await store.check()

    async def test_closing_twice(self, store: BackupMetadataStore) -> None:
        await store.close()
        await store.close()
