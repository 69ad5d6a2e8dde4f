"""What happens at a limit, one below it and one above it."""

from __future__ import annotations

import asyncio
import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from contracts import samples
from contracts.metadata_store import saved
from obscura_backup.adapters.filesystem.file_format import HEADER_MAX_BYTES, decode_header
from obscura_backup.adapters.memory import MemoryBlobStore, MemoryMetadataStore
from obscura_backup.adapters.sqlite import BATCH_ROWS, SqliteMetadataStore, _Write
from obscura_backup.adapters.system_clock import SystemClock
from obscura_backup.domain.errors import BackupDamaged, RangeNotSatisfiable, SlotBusy
from obscura_backup.domain.model import NO_VERSION, ByteRange, Limits, Revision, UserId, Version
from obscura_backup.domain.scrub import CONCURRENCY, Scrubber
from obscura_backup.domain.service import BackupService
from obscura_backup.entrypoints.http.limits.spool import MEMORY_BYTES, SpoolMemory, receive
from support.table import table

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


USER = samples.user(1)


def test_range() -> None:
    cases: list[tuple[ByteRange, int, tuple[int, int] | None]] = [
        (ByteRange(0, 0), 1, (0, 1)),
        (ByteRange(0, None), 1, (0, 1)),
        (ByteRange(0, 0), 0, None),
        (ByteRange(0, None), 0, None),
        (ByteRange(9, 9), 10, (9, 1)),
        (ByteRange(9, None), 10, (9, 1)),
        (ByteRange(10, None), 10, None),
        (ByteRange(10, 10), 10, None),
        (ByteRange(0, 8), 10, (0, 9)),
        (ByteRange(0, 9), 10, (0, 10)),
        (ByteRange(0, 10), 10, (0, 10)),
        (ByteRange(None, 0), 10, None),
        (ByteRange(None, None), 10, None),
        (ByteRange(None, 1), 10, (9, 1)),
        (ByteRange(None, 9), 10, (1, 9)),
        (ByteRange(None, 10), 10, (0, 10)),
        (ByteRange(None, 11), 10, (0, 10)),
        (ByteRange(None, 1), 0, None),
    ]
    for byte_range, size, part in cases:
        assert byte_range.resolve(size) == part


async def body(*sizes: int) -> AsyncIterator[bytes]:
    for size in sizes:
        yield bytes(size)


@table(
    ("shared", "size", "in_a_file"),
    [
        (100, 100, False),
        (100, 101, True),
        (2 * MEMORY_BYTES, MEMORY_BYTES, False),
        (2 * MEMORY_BYTES, MEMORY_BYTES + 1, True),
        (0, 1, True),
    ],
)
async def test_memory_for_a_blob(shared: int, size: int, *, in_a_file: bool) -> None:
    memory = SpoolMemory(shared)
    async with receive(body(size), Limits(min_bytes=1, max_bytes=size), memory) as blob:
        assert isinstance(blob.file, io.BytesIO) is not in_a_file
        assert memory._left_bytes == (shared if in_a_file else shared - size)


def header_of(length: int, **changed: object) -> bytes:
    """A header of so many bytes, its line end among them."""
    fields = {
        "version": 1,
        "base": 0,
        "kind": "live",
        "sha256": "00" * 32,
        "size": 32,
        "upload_id": "11" * 16,
        "updated_at": "2026-03-14T15:09:26Z",
    }
    return b"OBFS1 " + json.dumps({**fields, **changed}).encode().ljust(length - 7) + b"\n"


def test_header_of_a_file_has_a_longest_length() -> None:
    assert decode_header(header_of(HEADER_MAX_BYTES) + bytes(32))[1] == HEADER_MAX_BYTES
    with pytest.raises(BackupDamaged):
        decode_header(header_of(HEADER_MAX_BYTES + 1) + bytes(32))


def test_number_in_the_header_of_a_file() -> None:
    cases: list[tuple[str, int, bool]] = [
        ("version", 1, True),
        ("version", 0, False),
        ("version", 2**53, True),
        ("version", 2**53 + 1, False),
        ("base", 0, True),
        ("base", -1, False),
        ("base", 2**53, True),
        ("base", 2**53 + 1, False),
        ("size", 0, True),
        ("size", -1, False),
        ("size", 2**53, True),
        ("size", 2**53 + 1, False),
    ]
    for field, value, sound in cases:
        encoded = header_of(400, **{field: value})
        if sound:
            assert getattr(decode_header(encoded)[0], field) == value
        else:
            with pytest.raises(BackupDamaged):
                decode_header(encoded)


@pytest.mark.parametrize(
    ("waiting", "batch"),
    [(1, 1), (BATCH_ROWS, BATCH_ROWS), (BATCH_ROWS + 1, BATCH_ROWS), (BATCH_ROWS - 1, BATCH_ROWS - 1)],
)
async def test_rows_that_one_commit_takes(tmp_path: Path, waiting: int, batch: int) -> None:
    store, loop = SqliteMetadataStore(tmp_path / "never started"), asyncio.get_running_loop()
    writes = [_Write(None, loop.create_future()) for _ in range(waiting)]
    for write in writes[1:]:
        store._writes.put(write)
    assert store._collect_batch(writes[0]) == (writes[:batch], True)
    assert store._writes.qsize() == waiting - batch


async def test_rows_that_wait_when_the_store_is_closed_are_committed(tmp_path: Path) -> None:
    """However many commits that takes."""
    store = SqliteMetadataStore(tmp_path / "metadata.sqlite3")
    await store.start()
    users = [samples.user(number) for number in range(1, 2 * BATCH_ROWS + 2)]
    saves = [asyncio.ensure_future(store.save(user, samples.revision(1))) for user in users]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*saves)
    again = SqliteMetadataStore(tmp_path / "metadata.sqlite3")
    await again.start()
    assert [user async for user, _ in again.scan()] == users
    await again.close()


@table("count", [CONCURRENCY - 1, CONCURRENCY, CONCURRENCY + 1, 2 * CONCURRENCY])
async def test_walk_of_scrub_over_full_batches(count: int) -> None:
    rows, blobs = MemoryMetadataStore(), MemoryBlobStore()
    users = [samples.user(number) for number in range(1, count + 1)]
    for user in users:
        await saved(rows, user, samples.revision(1))
    steps = [step async for step in Scrubber(rows, blobs, SystemClock()).scan(repair=False)]
    assert (steps[-1].slots, steps[-1].last) == (count, users[-1])
    assert len(steps) == -(-count // CONCURRENCY)
    assert [finding.user_id for step in steps for finding in step.findings] == users


@table("refusals", [0, 1, 2, 3])
async def test_three_opens_and_no_fourth_in_one_call(refusals: int) -> None:
    """Of a range that does not fit the object that is opened, and fits the one that is looked at."""

    class Changing(MemoryBlobStore):
        opens = 0

        async def open(self, user_id: UserId, byte_range: ByteRange | None = None) -> Any:
            self.opens += 1
            if self.opens <= refusals:
                raise RangeNotSatisfiable(size=16)
            return await super().open(user_id, byte_range)

    blobs = Changing()
    service = BackupService(MemoryMetadataStore(), blobs, SystemClock())
    await service.upload(USER, NO_VERSION, samples.blob())
    if refusals == 3:
        with pytest.raises(SlotBusy):
            await service.download(USER, ByteRange(20, 24))
    else:
        await (await service.download(USER, ByteRange(20, 24))).aclose()
    assert blobs.opens == min(refusals + 1, 3)


async def test_row_that_names_the_version_before_costs_no_look() -> None:
    class Unseen(MemoryBlobStore):
        async def stat(self, user_id: UserId) -> Revision | None:
            raise AssertionError("the object was looked at")

    service = BackupService(MemoryMetadataStore(), Unseen(), SystemClock())
    await service.upload(USER, NO_VERSION, samples.blob("one"))
    assert (await service.upload(USER, Version(1), samples.blob("two"))).version == 2
