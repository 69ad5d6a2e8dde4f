"""What `FilesystemBlobStore` keeps open, and what it does on the event loop and what in threads."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from contracts import samples
from contracts.blob_store import content, stored
from contracts.open_files import open_files
from obscura_backup.adapters.filesystem import reads, store
from obscura_backup.adapters.filesystem.download import CHUNK_BYTES
from obscura_backup.adapters.filesystem.store import FilesystemBlobStore
from obscura_backup.domain.blob import Blob
from obscura_backup.domain.errors import BackupDamaged, BlobStoreUnavailable
from obscura_backup.domain.model import ByteRange
from support.table import table

ALL_SHARDS = store.SHARDS


async def test_closing_leaves_no_descriptor(blobs: FilesystemBlobStore, tmp_path: Path) -> None:
    await stored(blobs, samples.user())
    await blobs.close()
    assert open_files(tmp_path) == []


async def test_start_holds_one_descriptor_for_each_shard_and_one_for_its_uploads(
    blobs: FilesystemBlobStore, tmp_path: Path
) -> None:
    assert len(open_files(tmp_path)) == len(store.SHARDS) + 1


def test_objects_are_spread_over_256_directories() -> None:
    assert [f"{number:02x}" for number in range(256)] == ALL_SHARDS


async def test_closing_leaves_nothing_in_the_folder_of_uploads(blobs: FilesystemBlobStore, tmp_path: Path) -> None:
    await blobs.close()
    assert list((tmp_path / "blobs" / "incoming").iterdir()) == []


async def test_closing_a_store_that_never_started_is_safe(tmp_path: Path) -> None:
    await FilesystemBlobStore(tmp_path / "blobs").close()


async def test_a_check_leaves_nothing_behind(blobs: FilesystemBlobStore, tmp_path: Path) -> None:
    await blobs.check()
    assert list((tmp_path / "blobs" / "backups").glob("*/.*")) == []


async def test_a_check_that_fails_leaves_nothing_behind(
    blobs: FilesystemBlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fdatasync", full)
    with pytest.raises(BlobStoreUnavailable):
        await blobs.check()
    assert list((tmp_path / "blobs" / "backups").glob("*/.*")) == []


async def test_a_damaged_file_leaves_no_descriptor(blobs: FilesystemBlobStore, tmp_path: Path) -> None:
    user = samples.user()
    before = open_files(tmp_path)
    await stored(blobs, user)
    Path(blobs._locate(user)[1]).write_bytes(b"damaged")
    with pytest.raises(BackupDamaged):
        await blobs.open(user)
    with pytest.raises(BackupDamaged):
        await blobs.stat(user)
    assert open_files(tmp_path) == before


async def test_a_file_that_cannot_be_read_leaves_no_descriptor(
    blobs: FilesystemBlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    user = samples.user()
    await stored(blobs, user)
    before = open_files(tmp_path)
    monkeypatch.setattr(os, "pread", broken)
    monkeypatch.setattr(os, "preadv", broken)
    with pytest.raises(BlobStoreUnavailable):
        await blobs.open(user)
    assert open_files(tmp_path) == before


async def test_closing_a_blob_twice_closes_it_once(blobs: FilesystemBlobStore, tmp_path: Path) -> None:
    user = samples.user()
    await stored(blobs, user)
    opened = await blobs.open(user)
    assert opened is not None
    await opened.aclose()
    other = os.open(tmp_path, os.O_RDONLY)  # it gets the number that was free again
    await opened.aclose()
    os.close(other)


async def test_a_blob_that_was_closed_gives_no_more_bytes(blobs: FilesystemBlobStore) -> None:
    user, large = samples.user(), Blob.of(bytes(CHUNK_BYTES * 2))
    await blobs.put(user, large, samples.draft(large), replaces=None)
    opened = await blobs.open(user)
    assert opened is not None
    chunks = opened.chunks()
    await anext(chunks)
    await opened.aclose()
    with pytest.raises(BlobStoreUnavailable, match="closed"):
        await anext(chunks)


@table("length", [1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES + 7])
async def test_a_range_ends_where_it_should_at_the_edges_of_its_chunks(blobs: FilesystemBlobStore, length: int) -> None:
    data = os.urandom(3 * CHUNK_BYTES)
    user, large = samples.user(), Blob.of(data)
    await blobs.put(user, large, samples.draft(large), replaces=None)
    opened = await blobs.open(user, ByteRange(5, 5 + length - 1))
    assert opened is not None
    chunks = [chunk async for chunk in opened.chunks()]
    await opened.aclose()
    assert b"".join(chunks) == data[5 : 5 + length]
    assert max(map(len, chunks)) <= CHUNK_BYTES


async def test_a_scan_that_resumes_within_a_shard_meets_the_rest_of_it(blobs: FilesystemBlobStore) -> None:
    users = sorted((samples.user(number) for number in (1, 2, 3)), key=str)  # one shard, 00
    for user in users:
        await stored(blobs, user)
    assert [user async for user in blobs.scan(users[0])] == users[1:]


@pytest.fixture
def calls(blobs: FilesystemBlobStore, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The calls made in threads from now on."""
    run, calls = blobs._threads.run, list[object]()

    def recorded(function: Any, *args: Any) -> asyncio.Future[Any]:
        calls.append(function)
        return run(function, *args)

    monkeypatch.setattr(blobs._threads, "run", recorded)
    return calls


def can_read_without_waiting(path: Path) -> bool:
    try:
        os.close(reads.open_file(str(path), wait=False))
    except OSError:
        return False
    return True


async def test_a_file_in_memory_is_read_on_the_event_loop(blobs: FilesystemBlobStore, calls: list[object]) -> None:
    user = samples.user()
    await stored(blobs, user, "warm")
    if not can_read_without_waiting(Path(blobs._locate(user)[1])):
        pytest.skip("this system cannot open a file without waiting for the disk")
    calls.clear()
    assert (await content(blobs, user)).startswith(b"warm")
    assert await blobs.stat(user) is not None
    assert calls == []


async def test_a_file_on_the_disk_is_read_in_a_thread(
    blobs: FilesystemBlobStore, calls: list[object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def not_in_memory(*_: object) -> int:
        raise BlockingIOError

    user = samples.user()
    await stored(blobs, user, "cold")
    before = open_files(tmp_path)
    calls.clear()
    monkeypatch.setattr(os, "preadv", not_in_memory)
    assert (await content(blobs, user)).startswith(b"cold")
    assert await blobs.stat(user) is not None
    assert len(calls) == 2
    assert open_files(tmp_path) == before


@pytest.mark.parametrize(
    ("module", "name", "replacement"),
    [(os, "preadv", lambda *_: 10), (reads, "_syscall", None)],
    ids=["only a part is in memory", "the system cannot tell"],
)
async def test_a_file_that_may_not_be_in_memory_is_read_in_a_thread(
    blobs: FilesystemBlobStore,
    calls: list[object],
    monkeypatch: pytest.MonkeyPatch,
    module: object,
    name: str,
    replacement: object,
) -> None:
    user = samples.user()
    await stored(blobs, user, "any")
    calls.clear()
    monkeypatch.setattr(module, name, replacement)
    assert (await content(blobs, user)).startswith(b"any")
    assert len(calls) == 1


async def test_a_reader_waits_for_a_writer_of_this_process_in_a_thread(blobs: FilesystemBlobStore) -> None:
    user = samples.user()
    await stored(blobs, user)
    directory = blobs._locate(user)[0]
    with directory._threads:
        reading = asyncio.create_task(blobs.stat(user))
        await asyncio.sleep(0.05)
        assert not reading.done()
    assert await reading is not None


async def test_an_upload_that_fails_disturbs_no_other(
    blobs: FilesystemBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = [samples.user(number) for number in range(1, 9)]
    real, failed = os.fdatasync, list[str]()

    def one_fails(descriptor: int) -> None:
        path = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        if not failed:
            failed.append(path)
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", one_fails)
    results = await asyncio.gather(*(stored(blobs, user) for user in users), return_exceptions=True)
    assert [type(result) for result in results if isinstance(result, BaseException)] == [BlobStoreUnavailable]
    found = [await blobs.stat(user) for user in users]
    assert found == [None if isinstance(result, BaseException) else result for result in results]


async def test_a_cancelled_upload_disturbs_no_other(
    blobs: FilesystemBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    real, begun, go = os.fdatasync, threading.Event(), threading.Event()

    def slow(descriptor: int) -> None:
        begun.set()
        go.wait(10)
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", slow)
    cancelled, other = (asyncio.create_task(stored(blobs, samples.user(number))) for number in (1, 2))
    await asyncio.to_thread(begun.wait, 10)
    cancelled.cancel()
    await asyncio.wait([cancelled])
    go.set()
    assert await other == await blobs.stat(samples.user(2))
    assert complaints == []


async def test_uploads_in_progress_are_finished_by_closing(blobs: FilesystemBlobStore, tmp_path: Path) -> None:
    users = [samples.user(number) for number in range(1, 31)]
    storing = [asyncio.create_task(stored(blobs, user)) for user in users]
    await asyncio.sleep(0)
    await blobs.close()
    revisions = await asyncio.gather(*storing)
    again = FilesystemBlobStore(tmp_path / "blobs")
    await again.start()
    assert [await again.stat(user) for user in users] == revisions
    await again.close()
    assert list((tmp_path / "blobs" / "backups").glob("*/.*")) == []
