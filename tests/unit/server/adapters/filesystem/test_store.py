from __future__ import annotations

import asyncio
import fcntl
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from contracts import samples
from contracts.blob_store import BlobStoreContract, content, stored
from contracts.open_files import open_files
from contracts.syncs import record_syncs
from obscura_backup.adapters.filesystem.directories import ObjectDirectory
from obscura_backup.adapters.filesystem.store import FilesystemBlobStore
from obscura_backup.domain.errors import (
    BackupDamaged,
    BlobStoreUnavailable,
    OutcomeUnknown,
    RangeNotSatisfiable,
    StoreUnusable,
)
from obscura_backup.domain.model import ByteRange
from support.table import table

if TYPE_CHECKING:
    from collections.abc import Callable


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
    (left / "4567").write_bytes(b"half a bl")  # older versions wrote uploads here
    upload = tmp_path / "blobs" / "backups" / "a7" / ".0123-4567"
    upload.write_bytes(b"half a bl")
    again = FilesystemBlobStore(tmp_path / "blobs")
    await again.start()
    assert not left.exists()
    assert not upload.exists()
    await again.close()


async def test_start_sweeps_what_several_processes_left(blobs: FilesystemBlobStore, tmp_path: Path) -> None:
    uploads = [tmp_path / "blobs" / "backups" / shard / f".{token}-4567" for shard in ("00", "a7") for token in "ab"]
    for upload in uploads:
        (tmp_path / "blobs" / "incoming" / upload.name[1]).mkdir(exist_ok=True)
        upload.write_bytes(b"half a bl")
    living = Path(blobs._uploads.path_in(blobs._directories["a7"], "4567"))
    living.write_bytes(b"half a bl")
    again = FilesystemBlobStore(tmp_path / "blobs")
    await again.start()
    assert not any(upload.exists() for upload in uploads)
    assert living.exists()
    await again.close()


async def test_scan_does_not_see_uploads(blobs: FilesystemBlobStore, caplog: pytest.LogCaptureFixture) -> None:
    user = samples.user()
    await stored(blobs, user)
    Path(blobs._uploads.path_in(blobs._locate(user)[0], "4567")).write_bytes(b"half a bl")
    assert [user async for user in blobs.scan()] == [user]
    assert caplog.text == ""


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
    assert list((tmp_path / "blobs" / "backups").glob("*/.*")) == []


async def test_file_is_synced_then_renamed_and_then_its_folder_is_synced(
    blobs: FilesystemBlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All before put returns."""
    synced, rename = record_syncs(monkeypatch), os.rename

    def recorded(source: str, target: str) -> None:
        rename(source, target)
        synced.append(Path(target))

    monkeypatch.setattr(os, "rename", recorded)
    user = samples.user()
    await stored(blobs, user)
    written, renamed, folder = synced
    assert folder == tmp_path / "blobs" / "backups" / str(user)[:2]
    assert written.parent == folder
    assert written.name.startswith(".")
    assert renamed == folder / str(user)


async def test_after_a_failed_folder_sync_nothing_is_believed(
    blobs: FilesystemBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is visible by then, and may not be durable; a later sync that succeeds would prove nothing."""

    def broken(_: ObjectDirectory) -> None:
        raise OSError(5, "Input/output error")

    user = samples.user()
    with monkeypatch.context() as patch:
        patch.setattr(ObjectDirectory, "sync", broken)
        with pytest.raises(OutcomeUnknown):
            await stored(blobs, user)
    with pytest.raises(BlobStoreUnavailable, match="restart"):
        await blobs.stat(user)
    with pytest.raises(BlobStoreUnavailable, match="restart"):
        await blobs.open(user)
    with pytest.raises(BlobStoreUnavailable, match="restart"):
        await stored(blobs, samples.user())
    with pytest.raises(BlobStoreUnavailable, match="restart"):
        await blobs.check()


async def test_full_disk_leaves_the_old_blob(blobs: FilesystemBlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    user = samples.user()
    revision = await stored(blobs, user, "old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", full)
        with pytest.raises(BlobStoreUnavailable):
            await stored(blobs, user, "new", replaces=revision.tag)
    assert await blobs.stat(user) == revision
    assert (await content(blobs, user)).startswith(b"old")


def header(**changed: object) -> bytes:
    whole = {
        "version": 1,
        "base": 0,
        "kind": "live",
        "sha256": "00" * 32,
        "size": 32,
        "upload_id": "11" * 16,
        "updated_at": "2026-03-14T15:09:26Z",
    }
    return b"OBFS1 " + json.dumps({**whole, **changed}).encode() + b"\n" + bytes(32)


@table(
    "damage",
    [
        b"",
        b"not one of ours\n",
        b"OBFS1 {}\n",
        b"OBFS1 " + b"x" * 2000,
        header(version=0),
        header(version=2**70),
        header(size=-5),
        header(size=10**30),
        header(kind="undead"),
        header(sha256="00"),
        header(upload_id="../../x"),
        header(updated_at="2026-03-14T15:09:26"),
        header(more=1),
    ],
)
async def test_damaged_file_is_told(blobs: FilesystemBlobStore, damage: bytes) -> None:
    user = samples.user()
    await stored(blobs, user)
    Path(blobs._locate(user)[1]).write_bytes(damage)
    with pytest.raises(BackupDamaged):
        await blobs.stat(user)
    with pytest.raises(BackupDamaged):
        await blobs.open(user)


@table("change", [lambda whole: whole[:-1], lambda whole: whole + b"x"])
async def test_file_of_another_length_is_told_before_any_byte_of_it(
    blobs: FilesystemBlobStore, change: Callable[[bytes], bytes]
) -> None:
    user = samples.user()
    await stored(blobs, user)
    path = Path(blobs._locate(user)[1])
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(BackupDamaged, match="long"):
        await blobs.open(user)


async def test_file_of_another_length_can_be_replaced(blobs: FilesystemBlobStore) -> None:
    """Its owner has the content, and a conditional upload is what brings it back."""
    user = samples.user()
    revision = await stored(blobs, user)
    path = Path(blobs._locate(user)[1])
    path.write_bytes(path.read_bytes()[:-1])
    await stored(blobs, user, "anew", replaces=revision.tag)
    assert (await content(blobs, user)).startswith(b"anew")


async def test_descriptors_are_returned(blobs: FilesystemBlobStore, tmp_path: Path) -> None:
    user = samples.user()
    await stored(blobs, user)
    before = open_files(tmp_path)
    for _ in range(20):
        opened = await blobs.open(user)
        assert opened is not None
        await opened.aclose()
        with pytest.raises(RangeNotSatisfiable):
            await blobs.open(user, ByteRange(5000, None))
    assert open_files(tmp_path) == before


async def test_folder_that_another_process_holds_is_waited_for(blobs: FilesystemBlobStore) -> None:
    """flock, not only a lock of this process: several services on one directory are promised to be safe."""
    user = samples.user()
    await stored(blobs, user)
    holder = os.open(blobs._locate(user)[0].path, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    reading = asyncio.create_task(blobs.stat(user))
    await asyncio.sleep(0.1)
    assert not reading.done()
    os.close(holder)
    assert await reading is not None


async def test_check_tries_to_write(blobs: FilesystemBlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fdatasync", full)
    with pytest.raises(BlobStoreUnavailable, match="cannot be written"):
        await blobs.check()


async def test_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "blobs").write_text("a file")
    blobs = FilesystemBlobStore(tmp_path / "blobs")
    with pytest.raises(StoreUnusable):
        await blobs.start()
    await blobs.close()
