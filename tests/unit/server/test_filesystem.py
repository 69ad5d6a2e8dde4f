from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from contracts import samples
from contracts.blob_store import BlobStoreContract, content, stored
from obscura_backup.adapters.blob_folders import Folder
from obscura_backup.adapters.filesystem import FilesystemBlobStore
from obscura_backup.domain.errors import BlobStoreUnavailable, OutcomeUnknown, StoreUnusable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def blobs(tmp_path: Path) -> AsyncIterator[FilesystemBlobStore]:
    blobs = FilesystemBlobStore(tmp_path / "blobs")
    await blobs.start()
    yield blobs
    await blobs.close()


class TestFilesystemBlobStore(BlobStoreContract):
    pass


async def test_blobs_outlive_the_store(blobs: FilesystemBlobStore, tmp_path: Path) -> None:
    user = samples.user()
    revision = await stored(blobs, user, "kept")
    await blobs.close()
    again = FilesystemBlobStore(tmp_path / "blobs")
    await again.start()
    assert await again.stat(user) == revision
    assert (await content(again, user)).startswith(b"kept")
    await again.close()


async def test_two_processes_worth_of_stores_share_one_folder(blobs: FilesystemBlobStore, tmp_path: Path) -> None:
    other = FilesystemBlobStore(tmp_path / "blobs")
    await other.start()
    user = samples.user()
    revision = await stored(blobs, user, "one")
    assert await other.stat(user) == revision
    assert await stored(other, user, "two", replaces=revision.tag) == await blobs.stat(user)
    await other.close()


async def test_start_sweeps_what_a_power_cut_left(blobs: FilesystemBlobStore, tmp_path: Path) -> None:
    left = tmp_path / "blobs" / "incoming" / "0123"
    left.mkdir()
    (left / "4567").write_bytes(b"half a bl")
    again = FilesystemBlobStore(tmp_path / "blobs")
    await again.start()
    assert not left.exists()
    await again.close()


async def test_start_leaves_alone_what_a_living_process_is_writing(blobs: FilesystemBlobStore, tmp_path: Path) -> None:
    again = FilesystemBlobStore(tmp_path / "blobs")
    await again.start()
    await stored(blobs, samples.user())
    await again.close()
    await stored(blobs, samples.user())


async def test_nothing_is_left_behind_by_a_refused_put(blobs: FilesystemBlobStore, tmp_path: Path) -> None:
    user = samples.user()
    await stored(blobs, user)
    with pytest.raises(Exception, match="condition"):
        await stored(blobs, user, "again")
    assert list((tmp_path / "blobs" / "incoming").glob("*/*")) == []


async def test_file_and_folder_are_synced_before_put_returns(
    blobs: FilesystemBlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fsync

    def observed(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", observed)
    user = samples.user()
    await stored(blobs, user)
    root = tmp_path / "blobs"
    written, folder = (Path(path) for path in synced)
    assert written.parent.parent == root / "incoming"
    assert folder == root / "backups" / str(user)[:2]


async def test_after_a_failed_folder_sync_nothing_is_believed(
    blobs: FilesystemBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is visible by then, and may not be durable; a later sync that succeeds would prove nothing."""

    def broken(_: Folder) -> None:
        raise OSError(5, "Input/output error")

    user = samples.user()
    with monkeypatch.context() as patch:
        patch.setattr(Folder, "sync", broken)
        with pytest.raises(OutcomeUnknown):
            await stored(blobs, user)
    with pytest.raises(BlobStoreUnavailable, match="restart"):
        await blobs.stat(user)
    with pytest.raises(BlobStoreUnavailable, match="restart"):
        await blobs.check()


async def test_full_disk_leaves_the_old_blob(blobs: FilesystemBlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    user = samples.user()
    revision = await stored(blobs, user, "old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(BlobStoreUnavailable):
            await stored(blobs, user, "new", replaces=revision.tag)
    assert await blobs.stat(user) == revision
    assert (await content(blobs, user)).startswith(b"old")


@pytest.mark.parametrize("damage", [b"", b"not one of ours\n", b"OBFS1 {}\n", b"OBFS1 " + b"x" * 2000])
async def test_damaged_file_is_told(blobs: FilesystemBlobStore, damage: bytes) -> None:
    user = samples.user()
    await stored(blobs, user)
    Path(blobs._place(user)[1]).write_bytes(damage)
    with pytest.raises(BlobStoreUnavailable):
        await blobs.stat(user)
    with pytest.raises(BlobStoreUnavailable):
        await blobs.open(user)


async def test_truncated_file_is_told(blobs: FilesystemBlobStore) -> None:
    user = samples.user()
    await stored(blobs, user)
    path = Path(blobs._place(user)[1])
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BlobStoreUnavailable, match="shorter"):
        await content(blobs, user)


async def test_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "blobs").write_text("a file")
    blobs = FilesystemBlobStore(tmp_path / "blobs")
    with pytest.raises(StoreUnusable):
        await blobs.start()
    await blobs.close()
