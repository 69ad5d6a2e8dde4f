"""A name that was made in a folder survives a power cut only once that folder was synced."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from contracts import samples
from contracts.blob_store import stored
from contracts.syncs import record_syncs
from obscura_backup.adapters.durable_directories import make_directory
from obscura_backup.adapters.filesystem import store
from obscura_backup.adapters.filesystem.store import FilesystemBlobStore
from obscura_backup.adapters.memory import MemoryMetadataStore
from obscura_backup.adapters.sqlite import SqliteMetadataStore
from obscura_backup.adapters.system_clock import SystemClock
from obscura_backup.domain.model import Kind
from obscura_backup.domain.scrub import Scrubber
from obscura_backup.entrypoints.signing_secret import signing_secrets


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    return record_syncs(monkeypatch)


def folders_made_for(path: Path, above: Path) -> set[Path]:
    """Those that hold the names of `path` and of its parents below `above`."""
    return {parent for parent in path.parents if parent == above or above in parent.parents}


@pytest.mark.parametrize("depth", ["", "one", "one/two/three"])
async def test_blob_store_syncs_every_parent_of_a_folder_that_it_makes(
    tmp_path: Path, synced: list[Path], depth: str
) -> None:
    root = tmp_path / depth / "blobs"
    blobs = FilesystemBlobStore(root)
    await blobs.start()
    at_start = set(synced)
    await blobs.close()
    assert folders_made_for(root / "backups" / "00", tmp_path) <= at_start
    assert {stat.S_IMODE(path.stat().st_mode) for path in (root, root / "backups", root / "backups" / "ff")} == {0o700}


async def test_blob_store_syncs_what_another_process_made_a_moment_ago(tmp_path: Path, synced: list[Path]) -> None:
    root = tmp_path / "blobs"
    for folder in (root, root / "backups", root / "incoming"):
        folder.mkdir()
    for shard in store.SHARDS:
        (root / "backups" / shard).mkdir()
    blobs = FilesystemBlobStore(root)
    await blobs.start()
    await blobs.close()
    assert {tmp_path, root, root / "backups"} <= set(synced)


async def test_blob_store_syncs_the_folder_above_a_single_new_one(tmp_path: Path, synced: list[Path]) -> None:
    root = tmp_path / "blobs"
    first, second = FilesystemBlobStore(root), FilesystemBlobStore(root)
    await first.start()
    await first.close()
    (root / "backups" / "a7").rmdir()
    synced.clear()
    await second.start()
    await second.close()
    assert root / "backups" in synced


async def test_folder_for_a_part_of_the_users_is_synced_before_the_store_has_started(
    tmp_path: Path, synced: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After all of them were made, not before."""
    real = os.fsync
    seen: list[int] = []

    def sync(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").readlink() == tmp_path / "blobs" / "backups":
            seen.append(len(list((tmp_path / "blobs" / "backups").iterdir())))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", sync)
    blobs = FilesystemBlobStore(tmp_path / "blobs")
    await blobs.start()
    await blobs.close()
    assert seen[-1] == len(store.SHARDS)
    assert synced


async def test_blob_store_syncs_the_name_by_which_its_uploads_are_found(tmp_path: Path, synced: list[Path]) -> None:
    blobs = FilesystemBlobStore(tmp_path / "blobs")
    await blobs.start()
    assert synced[-1] == tmp_path / "blobs" / "incoming"
    await blobs.close()


@pytest.mark.parametrize("depth", ["", "one", "one/two/three"])
async def test_metadata_store_syncs_every_parent_and_the_folder_of_its_file(
    tmp_path: Path, synced: list[Path], depth: str
) -> None:
    path = tmp_path / depth / "metadata.sqlite3"
    store = SqliteMetadataStore(path)
    await store.start()
    at_start = set(synced)
    await store.close()
    assert folders_made_for(path, tmp_path) <= at_start


@pytest.mark.parametrize("depth", ["", "one", "one/two/three"])
def test_signing_secret_and_its_folders_are_synced(tmp_path: Path, synced: list[Path], depth: str) -> None:
    folder = tmp_path / depth
    signing_secrets(folder)
    assert folders_made_for(folder / "auth-secret", tmp_path) <= set(synced)
    assert synced[-1] == folder
    assert [path.name[:1] for path in synced if path.parent == folder and not path.is_dir()] == ["."]


async def test_repair_by_scrub_is_synced(tmp_path: Path, synced: list[Path]) -> None:
    """The tombstone that it puts back, as any other object."""
    user = samples.user(1)
    rows, blobs = MemoryMetadataStore(), FilesystemBlobStore(tmp_path)
    await blobs.start()
    await stored(blobs, user)
    async with rows.locked(user) as slot:
        await slot.save(samples.revision(2, kind=Kind.TOMBSTONE))
    synced.clear()
    findings = [
        finding
        async for progress in Scrubber(rows, blobs, SystemClock()).scan(repair=True)
        for finding in progress.findings
    ]
    await blobs.close()
    assert [finding.repaired for finding in findings] == [True]
    folder = tmp_path / "backups" / str(user)[:2]
    assert [path.parent for path in synced[:1]] == [folder]
    assert synced[1:] == [folder]


def test_folder_that_is_made_is_private_and_its_parents_are_as_usual(tmp_path: Path) -> None:
    make_directory(tmp_path / "one" / "two")
    umask = os.umask(0)
    os.umask(umask)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("one", "one/two")]
    assert modes == [0o777 & ~umask, 0o700 & ~umask]


def test_file_in_the_place_of_a_parent_is_told(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("a file")
    with pytest.raises(OSError, match=r"."):
        make_directory(tmp_path / "one" / "two")
    with pytest.raises(OSError, match=r"."):
        make_directory(tmp_path / "one")


def test_failed_sync_of_a_parent_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="Input/output"):
        make_directory(tmp_path / "one")
