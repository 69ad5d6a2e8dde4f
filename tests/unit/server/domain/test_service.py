"""`BackupService` where its stores fail, race or disagree: what a caller gets, what is stored, what is closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from contracts import samples
from obscura_backup.adapters.memory import MemoryBlobStore, MemoryMetadataStore
from obscura_backup.adapters.system_clock import SystemClock
from obscura_backup.domain.errors import (
    BackupLost,
    BackupNotFound,
    OutcomeUnknown,
    PutRefused,
    RangeNotSatisfiable,
    SlotBusy,
    VersionMismatch,
)
from obscura_backup.domain.model import NO_VERSION, ByteRange, Draft, Kind, Revision, Tag, UserId, Version
from obscura_backup.domain.service import OPENS_PER_CALL, PUTS_PER_CALL, BackupService

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from obscura_backup.domain.blob import Blob

USER = samples.user(1)
TEXT = "sealed".ljust(32, ".")
BEYOND = ByteRange(len(TEXT), None)


class Opened:
    """A blob that counts how often it was closed."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.closed = 0
        self.revision: Revision = inner.revision
        self.start: int = inner.start
        self.length: int = inner.length

    def chunks(self) -> AsyncIterator[bytes]:
        chunks: AsyncIterator[bytes] = self._inner.chunks()
        return chunks

    async def aclose(self) -> None:
        self.closed += 1


class Blobs(MemoryBlobStore):
    """Counts, and lets a test act between two calls."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[Opened] = []
        self.opens = self.puts = 0
        self.refuses = self.loses = self.forgets = False

    async def open(self, user_id: UserId, byte_range: ByteRange | None = None) -> Any:
        self.opens += 1
        found = await super().open(user_id, byte_range)
        if found is None:
            return None
        self.opened.append(Opened(found))
        return self.opened[-1]

    async def put(self, user_id: UserId, blob: Blob, draft: Draft, *, replaces: Tag | None) -> Revision:
        self.puts += 1
        if self.refuses:
            raise PutRefused
        if self.forgets:
            raise OutcomeUnknown
        stored = await super().put(user_id, blob, draft, replaces=replaces)
        if self.loses:
            raise OutcomeUnknown
        return stored


class Stores:
    def __init__(self) -> None:
        self.metadata, self.blobs = MemoryMetadataStore(), Blobs()
        self.service = BackupService(self.metadata, self.blobs, SystemClock())

    async def upload(self, expected: int = 0, text: str = "sealed") -> Revision:
        blob = samples.blob(text)
        return await self.service.upload(USER, Version(expected), blob)


@pytest.fixture
def stores() -> Stores:
    return Stores()


async def test_a_range_beyond_the_end_is_told_with_the_size(stores: Stores) -> None:
    await stores.upload()
    with pytest.raises(RangeNotSatisfiable) as caught:
        await stores.service.download(USER, BEYOND)
    assert caught.value.size == len(TEXT)


async def test_a_range_beyond_the_end_takes_one_look(stores: Stores) -> None:
    await stores.upload()
    with pytest.raises(RangeNotSatisfiable):
        await stores.service.download(USER, BEYOND)
    assert stores.blobs.opens == 1


async def test_a_range_of_what_was_deleted_is_no_backup(stores: Stores) -> None:
    await stores.upload()
    await stores.service.delete(USER, Version(1))
    with pytest.raises(BackupNotFound):
        await stores.service.download(USER, BEYOND)


async def test_a_range_that_fits_into_the_tombstone_is_no_backup(stores: Stores) -> None:
    await stores.upload()
    await stores.service.delete(USER, Version(1))
    with pytest.raises(BackupNotFound):
        await stores.service.download(USER, ByteRange(0, 0))


async def test_a_tombstone_that_was_opened_is_closed(stores: Stores) -> None:
    await stores.upload()
    await stores.service.delete(USER, Version(1))
    with pytest.raises(BackupNotFound):
        await stores.service.download(USER)
    assert [opened.closed for opened in stores.blobs.opened] == [1]


async def test_a_backup_that_is_handed_out_is_not_closed(stores: Stores) -> None:
    await stores.upload()
    opened = await stores.service.download(USER)
    assert [each.closed for each in stores.blobs.opened] == [0]
    await opened.aclose()


async def test_a_range_that_a_backup_grew_into_is_served(stores: Stores) -> None:
    class Growing(Blobs):
        async def open(self, user_id: UserId, byte_range: ByteRange | None = None) -> Any:
            try:
                return await super().open(user_id, byte_range)
            except RangeNotSatisfiable:
                stores.blobs._objects.update(grown.blobs._objects)
                raise

    await stores.upload()
    grown = Stores()
    await grown.upload(text="sealed again".ljust(64, "."))
    growing = Growing()
    growing._objects = stores.blobs._objects
    service = BackupService(stores.metadata, growing, SystemClock())
    opened = await service.download(USER, BEYOND)
    assert (opened.start, opened.length) == (32, 32)


async def test_a_range_that_always_races_ends_after_so_many_looks(stores: Stores) -> None:
    class Racing(Blobs):
        async def open(self, user_id: UserId, byte_range: ByteRange | None = None) -> Any:
            self.opens += 1
            raise RangeNotSatisfiable(size=1)

    racing = Racing()
    await stores.upload()
    racing._objects = stores.blobs._objects
    with pytest.raises(SlotBusy):
        await BackupService(stores.metadata, racing, SystemClock()).download(USER, ByteRange(0, 0))
    assert racing.opens == OPENS_PER_CALL


async def test_a_blob_that_is_gone_is_lost_in_the_version_of_its_row(stores: Stores) -> None:
    await stores.upload()
    await stores.upload(1, "sealed again")
    stores.blobs._objects.clear()
    with pytest.raises(BackupLost) as caught:
        await stores.service.download(USER)
    assert caught.value.version == 2


async def test_a_blob_that_is_gone_is_lost_for_a_description_too(stores: Stores) -> None:
    await stores.upload()
    stores.blobs._objects.clear()
    with pytest.raises(BackupLost) as caught:
        await stores.service.describe(USER)
    assert caught.value.version == 1


async def test_a_description_of_what_was_deleted_is_no_backup(stores: Stores) -> None:
    await stores.upload()
    await stores.service.delete(USER, Version(1))
    with pytest.raises(BackupNotFound):
        await stores.service.describe(USER)


async def test_a_lost_tombstone_is_no_backup(stores: Stores) -> None:
    await stores.upload()
    await stores.service.delete(USER, Version(1))
    stores.blobs._objects.clear()
    with pytest.raises(BackupNotFound):
        await stores.service.download(USER)


async def test_an_upload_that_lands_between_the_looks_is_described(stores: Stores) -> None:
    class Late(Blobs):
        async def stat(self, user_id: UserId) -> Revision | None:
            self.opens += 1
            return await super().stat(user_id) if self.opens > 1 else None

    await stores.upload()
    late = Late()
    late._objects = stores.blobs._objects
    assert (await BackupService(stores.metadata, late, SystemClock()).describe(USER)).version == 1


async def test_an_upload_whose_answer_is_lost_is_found(stores: Stores) -> None:
    stores.blobs.loses = True
    assert await stores.upload() == stores.blobs._objects[USER][0]


async def test_an_upload_whose_answer_is_lost_is_on_record(stores: Stores) -> None:
    stores.blobs.loses = True
    assert await stores.upload() == await stores.metadata.get(USER)


async def test_an_upload_that_is_not_found_has_an_unknown_outcome(stores: Stores) -> None:
    stores.blobs.forgets = True
    with pytest.raises(OutcomeUnknown):
        await stores.upload()


async def test_the_upload_of_another_is_not_taken_for_the_lost_one(stores: Stores) -> None:
    await stores.upload()
    stores.blobs.forgets = True
    with pytest.raises(OutcomeUnknown):
        await stores.upload(1, "another")


async def test_an_upload_that_is_always_refused_ends_after_so_many_puts(stores: Stores) -> None:
    stores.blobs.refuses = True
    with pytest.raises(SlotBusy):
        await stores.upload()
    assert stores.blobs.puts == PUTS_PER_CALL


async def test_a_mismatch_names_both_versions(stores: Stores) -> None:
    await stores.upload()
    with pytest.raises(VersionMismatch) as caught:
        await stores.upload(7, "another")
    assert (caught.value.expected, caught.value.current) == (7, 1)


async def test_an_early_mismatch_names_both_versions(stores: Stores) -> None:
    await stores.upload()
    with pytest.raises(VersionMismatch) as caught:
        await stores.service.refuse_early(USER, Version(7))
    assert (caught.value.expected, caught.value.current) == (7, 1)


async def test_what_may_be_stored_is_not_refused_early(stores: Stores) -> None:
    await stores.upload()
    await stores.service.refuse_early(USER, Version(1))


async def test_a_retry_is_not_refused_early(stores: Stores) -> None:
    await stores.upload()
    await stores.service.refuse_early(USER, NO_VERSION)


async def test_a_mismatch_lets_a_row_that_lags_follow(stores: Stores) -> None:
    await stores.upload()
    row = await stores.metadata.get(USER)
    newest = await stores.upload(1, "sealed again")
    assert row is not None
    stores.metadata._rows[USER] = row
    with pytest.raises(VersionMismatch):
        await stores.upload(7, "another")
    assert await stores.metadata.get(USER) == newest


async def test_a_retry_is_answered_with_what_is_stored(stores: Stores) -> None:
    stored = await stores.upload()
    assert await stores.upload() == stored


async def test_a_retry_stores_nothing(stores: Stores) -> None:
    await stores.upload()
    await stores.upload()
    assert stores.blobs.puts == 1


async def test_the_deletion_of_nothing_is_no_backup(stores: Stores) -> None:
    with pytest.raises(BackupNotFound):
        await stores.service.delete(USER, Version(1))


async def test_a_deletion_leaves_a_tombstone_of_sixteen_bytes_and_the_next_version(stores: Stores) -> None:
    await stores.upload()
    await stores.service.delete(USER, Version(1))
    revision, data = stores.blobs._objects[USER]
    assert (revision.kind, revision.version, revision.base, len(data)) == (Kind.TOMBSTONE, 2, 1, 16)


async def test_no_two_uploads_share_an_upload_id(stores: Stores) -> None:
    first = await stores.upload()
    second = await stores.upload(1, "sealed again")
    assert first.upload_id != second.upload_id
    assert len(first.upload_id) == 32


async def test_the_row_of_an_upload_is_the_object_s_revision(stores: Stores) -> None:
    stored = await stores.upload()
    assert stored == await stores.metadata.get(USER) == stores.blobs._objects[USER][0]
