"""What `FilesystemBlobStore` releases when it closes or fails, and the edges of its chunks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from contracts import samples
from contracts.blob_store import stored
from contracts.open_files import open_files
from obscura_backup.adapters.filesystem import store
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
