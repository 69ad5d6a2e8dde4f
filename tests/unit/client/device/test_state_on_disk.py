"""The state directory after a power cut or an error, and a device that has used all seq numbers."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from pathlib import Path

import pytest

from obscura_backup_client.content.model import MAX_INTEGER, Writer
from obscura_backup_client.device.directory import StateDirectory
from obscura_backup_client.device.errors import StateBusy, StateDamaged, StateNewer, StateUnusable
from obscura_backup_client.device.state import State, decode_state, encode_state, with_next_seq
from support.client.contents import NOW_MS, PHONE, backup, contact

CONTENT = backup(contact(), writers=(Writer(PHONE, 4),), key_epoch=2, sealed_at_ms=NOW_MS, device_name="phone")
STATE = State(device_id=PHONE, device_name="phone", seq=5, content=CONTENT)
ON_LINUX = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="what is open is known on Linux alone")


@pytest.fixture
def directory(tmp_path: Path) -> StateDirectory:
    return StateDirectory(tmp_path / "new" / "state", lock_wait_seconds=0.1, sleep=lambda _: None)


def write(directory: StateDirectory) -> None:
    with directory.locked() as held:
        held.write(STATE)


# --- what a power cut leaves ---


class Disk:
    """Records the order in which files and directories are synced and renamed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[tuple[str, str]] = []
        really_sync, really_rename = os.fsync, Path.replace

        def fsync(opened: int) -> None:
            self.done.append(("sync", Path(f"/proc/self/fd/{opened}").readlink().name))
            really_sync(opened)

        def rename(source: Path, target: Path) -> Path:
            self.done.append(("rename", source.name))
            return really_rename(source, target)

        monkeypatch.setattr(os, "fsync", fsync)
        monkeypatch.setattr(Path, "replace", rename)


@ON_LINUX
def test_a_write_syncs_the_file_before_the_rename_and_the_directory_after_it(
    directory: StateDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(directory)
    disk = Disk(monkeypatch)
    write(directory)
    assert disk.done == [("sync", "state.json.new"), ("rename", "state.json.new"), ("sync", "state")]


@ON_LINUX
def test_parents_of_a_new_directory_are_synced_before_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    write(StateDirectory(tmp_path / "a" / "b" / "state"))
    before = disk.done[: disk.done.index(("sync", "state.json.new"))]
    assert sorted(before) == [("sync", "a"), ("sync", "b"), ("sync", tmp_path.name)]


@ON_LINUX
def test_a_linked_state_is_synced_at_its_target(
    directory: StateDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(directory)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (directory.path / "state.json").rename(elsewhere / "kept.json")
    (directory.path / "state.json").symlink_to(elsewhere / "kept.json")
    disk = Disk(monkeypatch)
    write(directory)
    assert disk.done[-1] == ("sync", "elsewhere")


# --- what an error leaves ---


def opened(directory: StateDirectory) -> list[str]:
    """The files below the directory that this process has open."""
    found = []
    for each in list(Path("/proc/self/fd").iterdir()):
        # One of them belongs to the listing itself.
        with contextlib.suppress(FileNotFoundError):
            found.append(str(each.readlink()))
    return [each for each in found if each.startswith(str(directory.path))]


@ON_LINUX
@pytest.mark.parametrize("encoded", [b"{", b'{"format": 99}'])
def test_a_state_that_cannot_be_read_leaves_the_lock_free_and_nothing_open(
    directory: StateDirectory, encoded: bytes
) -> None:
    write(directory)
    whole = (directory.path / "state.json").read_bytes()
    (directory.path / "state.json").write_bytes(encoded)
    with pytest.raises((StateDamaged, StateNewer)), directory.locked():
        pass
    assert opened(directory) == []
    (directory.path / "state.json").write_bytes(whole)
    with directory.locked() as held:
        assert held.require() == STATE


@ON_LINUX
def test_a_write_that_fails_and_a_lock_that_is_held_leave_nothing_open(directory: StateDirectory) -> None:
    write(directory)
    (directory.path / "state.json.new").mkdir()
    with pytest.raises(StateUnusable):
        write(directory)
    with directory.locked():
        with pytest.raises(StateBusy), directory.locked():
            pass
        assert opened(directory) == [str(directory.path / "lock")]
    assert opened(directory) == []


# --- the last seq ---


def test_a_device_that_used_its_last_seq_gets_a_new_id() -> None:
    last = with_next_seq(replace(STATE, seq=MAX_INTEGER - 1), bytes)
    assert (last.device_id, last.seq) == (STATE.device_id, MAX_INTEGER)
    assert decode_state(encode_state(last), Path("state.json")) == last
    other = with_next_seq(last, lambda count: b"n" * count)
    assert (other.device_id, other.seq) == (b"n" * 16, 1)
