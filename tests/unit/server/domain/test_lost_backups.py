"""A bucket that was restored to an older tombstone, over a later upload that was acknowledged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contracts import samples
from obscura_backup.adapters.memory import MemoryBlobStore, MemoryMetadataStore
from obscura_backup.adapters.system_clock import SystemClock
from obscura_backup.domain.errors import BackupLost, BackupNotFound, MetadataUnavailable, VersionMismatch
from obscura_backup.domain.model import NO_VERSION, ByteRange, Revision, UserId, Version
from obscura_backup.domain.service import BackupService
from support.table import table

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

USER = samples.user(1)
LOST = Version(3)


class Rows(MemoryMetadataStore):
    """Counts the reads of rows outside of locks; `silent`: does not answer them. `between` runs before each."""

    reads = 0
    silent = False
    between: Callable[[], Awaitable[object]] | None = None

    async def get(self, user_id: UserId) -> Revision | None:
        self.reads += 1
        if self.silent:
            raise MetadataUnavailable
        between, self.between = self.between, None
        if between is not None:
            await between()
        return await super().get(user_id)


class Restored:
    """A service whose bucket held a backup (1), its tombstone (2), a backup again (3), and now holds 2 once more."""

    def __init__(self) -> None:
        self.rows = Rows()
        self.blobs = MemoryBlobStore()
        self.service = BackupService(self.rows, self.blobs, SystemClock())

    async def undo_last_upload(self) -> None:
        await self.service.upload(USER, NO_VERSION, samples.blob("one"))
        await self.service.delete(USER, Version(1))
        copy = dict(self.blobs._objects)
        stored = await self.service.upload(USER, NO_VERSION, samples.blob("three"))
        assert stored.version == LOST
        self.blobs._objects.update(copy)

    async def download(self) -> None:
        await (await self.service.download(USER)).aclose()

    async def download_of_a_range(self) -> None:
        await (await self.service.download(USER, ByteRange(20, 24))).aclose()

    async def describe(self) -> None:
        await self.service.describe(USER)


@pytest.fixture
async def restored() -> Restored:
    restored = Restored()
    await restored.undo_last_upload()
    return restored


READS = [Restored.download, Restored.download_of_a_range, Restored.describe]


@pytest.mark.parametrize("read", READS)
async def test_reader_is_told_that_it_is_lost(restored: Restored, read: Callable[[Restored], Awaitable[None]]) -> None:
    with pytest.raises(BackupLost) as lost:
        await read(restored)
    assert lost.value.version == LOST


@pytest.mark.parametrize("read", READS)
async def test_tombstone_is_no_answer_while_the_row_cannot_be_asked(
    restored: Restored, read: Callable[[Restored], Awaitable[None]]
) -> None:
    restored.rows.silent = True
    with pytest.raises(MetadataUnavailable):
        await read(restored)


@pytest.mark.parametrize("expected", [NO_VERSION, Version(1), Version(2), Version(4)])
async def test_write_that_does_not_know_the_lost_version_is_refused(restored: Restored, expected: Version) -> None:
    with pytest.raises(VersionMismatch) as refused:
        await restored.service.upload(USER, expected, samples.blob("new phone"))
    assert refused.value.current == LOST
    with pytest.raises(VersionMismatch):
        await restored.service.delete(USER, expected)
    with pytest.raises(VersionMismatch):
        await restored.service.refuse_early(USER, expected)
    with pytest.raises(BackupLost):
        await restored.describe()


async def test_upload_on_the_lost_version_is_stored_above_it(restored: Restored) -> None:
    await restored.service.refuse_early(USER, LOST)
    stored = await restored.service.upload(USER, LOST, samples.blob("again"))
    assert stored.version == LOST + 1
    assert await restored.service.describe(USER) == stored


async def test_very_bytes_that_were_lost_are_stored_again(restored: Restored) -> None:
    """The row still names them at the expected version; the object does not have them."""
    stored = await restored.service.upload(USER, LOST, samples.blob("three"))
    assert (stored.version, stored.sha256) == (LOST + 1, samples.blob("three").sha256)


async def test_deletion_of_the_lost_version_holds(restored: Restored) -> None:
    await restored.service.delete(USER, LOST)
    with pytest.raises(BackupNotFound):
        await restored.describe()
    assert (await restored.service.upload(USER, NO_VERSION, samples.blob("anew"))).version == LOST + 2


@table("read", READS)
async def test_upload_between_the_looks_at_object_and_row_is_handed_out(
    read: Callable[[Restored], Awaitable[None]],
) -> None:
    site = Restored()
    await site.service.upload(USER, NO_VERSION, samples.blob("one"))
    await site.service.delete(USER, Version(1))

    async def upload() -> None:
        await site.service.upload(USER, NO_VERSION, samples.blob("three"))

    site.rows.between = upload
    await read(site)


@table("read", READS)
async def test_upload_and_deletion_between_the_looks_are_no_loss(read: Callable[[Restored], Awaitable[None]]) -> None:
    """The row is read after the upload and before the deletion of version 3."""
    site = Restored()
    await site.service.upload(USER, NO_VERSION, samples.blob("one"))
    await site.service.delete(USER, Version(1))

    class LateRow(Rows):
        async def get(self, user_id: UserId) -> Revision | None:
            await site.service.upload(USER, NO_VERSION, samples.blob("three"))
            row = await super().get(user_id)
            await site.service.delete(USER, LOST)
            return row

    late = LateRow()
    late._rows = site.rows._rows
    reader = Restored()
    reader.service = BackupService(late, site.blobs, SystemClock())
    with pytest.raises(BackupNotFound):
        await read(reader)


@table("read", READS)
async def test_live_backup_is_read_without_the_row(read: Callable[[Restored], Awaitable[None]]) -> None:
    site = Restored()
    await site.service.upload(USER, NO_VERSION, samples.blob("one"))
    site.rows.silent = True
    await read(site)
    assert site.rows.reads == 0


@table("read", [Restored.download, Restored.describe])
async def test_tombstone_costs_one_read_of_the_row(read: Callable[[Restored], Awaitable[None]]) -> None:
    site = Restored()
    await site.service.upload(USER, NO_VERSION, samples.blob("one"))
    await site.service.delete(USER, Version(1))
    with pytest.raises(BackupNotFound):
        await read(site)
    assert site.rows.reads == 1


async def test_very_bytes_at_their_version_are_not_written_again() -> None:
    site = Restored()
    first = await site.service.upload(USER, NO_VERSION, samples.blob("one"))
    assert await site.service.upload(USER, first.version, samples.blob("one")) == first
    assert await site.blobs.stat(USER) == first
