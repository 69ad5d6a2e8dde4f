"""The state directory after a power cut or an error: what is synced, what stays open, and a device's last seq."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contracts.open_files import open_files
from contracts.syncs import record_syncs
from obscura_backup_client.content.model import MAX_INTEGER, Writer
from obscura_backup_client.device.directory import LOCK_FILE_NAME, StateDirectory
from obscura_backup_client.device.errors import StateBusy, StateDamaged, StateMissing, StateNewer, StateUnusable
from obscura_backup_client.device.state import State, decode_state, encode_state, with_next_seq
from support.client.contents import NOW_MS, PHONE, backup, contact

CONTENT = backup(contact(), writers=(Writer(PHONE, 4),), key_epoch=2, sealed_at_ms=NOW_MS, device_name="phone")
STATE = State(device_id=PHONE, device_name="phone", seq=5, content=CONTENT)
ON_LINUX = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are listed on Linux alone")


@pytest.fixture
def directory(tmp_path: Path) -> StateDirectory:
    return StateDirectory(tmp_path / "new" / "state", lock_wait_seconds=0, sleep=lambda _: None)


def write(directory: StateDirectory) -> None:
    with directory.locked() as held:
        held.write(STATE)


# --- what a power cut leaves ---


@ON_LINUX
def test_a_write_syncs_the_file_and_then_its_directory(
    directory: StateDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(directory)
    synced = record_syncs(monkeypatch)
    write(directory)
    assert synced == [directory.path / "state.json.new", directory.path]


@ON_LINUX
@pytest.mark.parametrize("depth", ["state", "one/state", "one/two/three/state"])
def test_every_parent_of_a_new_directory_is_synced_before_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, depth: str
) -> None:
    path, synced = tmp_path / depth, record_syncs(monkeypatch)
    with StateDirectory(path).locked_without_reading():
        at_once = set(synced)
    assert {parent for parent in path.parents if parent == tmp_path or tmp_path in parent.parents} <= at_once


@ON_LINUX
def test_an_existing_directory_is_not_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = record_syncs(monkeypatch)
    with StateDirectory(tmp_path).locked_without_reading():
        pass
    assert synced == []


@ON_LINUX
def test_a_linked_state_is_synced_at_its_target(
    directory: StateDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(directory)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (directory.path / "state.json").rename(elsewhere / "kept.json")
    (directory.path / "state.json").symlink_to(elsewhere / "kept.json")
    synced = record_syncs(monkeypatch)
    write(directory)
    assert synced[-1] == elsewhere


# --- what stays open ---


@ON_LINUX
def test_only_the_lock_is_open_while_the_state_is_locked_and_nothing_afterwards(directory: StateDirectory) -> None:
    with directory.locked():
        assert open_files(directory.path) == [str(directory.path / LOCK_FILE_NAME)]
    assert open_files(directory.path) == []


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
    assert open_files(directory.path) == []
    (directory.path / "state.json").write_bytes(whole)
    with directory.locked() as held:
        assert held.require() == STATE


@ON_LINUX
def test_failures_under_the_lock_leave_nothing_open(directory: StateDirectory) -> None:
    write(directory)
    (directory.path / "state.json.new").mkdir()
    with pytest.raises(StateUnusable):
        write(directory)
    with pytest.raises(ZeroDivisionError), directory.locked():
        raise ZeroDivisionError
    assert open_files(directory.path) == []


@ON_LINUX
@pytest.mark.parametrize("lock", [StateDirectory.locked, StateDirectory.locked_without_reading])
def test_a_lock_that_is_held_leaves_nothing_more_open(directory: StateDirectory, lock: Any) -> None:
    with lock(directory):
        with pytest.raises(StateBusy), lock(directory):
            pass
        assert open_files(directory.path) == [str(directory.path / LOCK_FILE_NAME)]
    assert open_files(directory.path) == []


@ON_LINUX
def test_reading_and_replacing_a_file_leave_nothing_open(directory: StateDirectory) -> None:
    with directory.locked_without_reading():
        directory.replace(b"content")
    assert open_files(directory.path) == []
    assert directory.read_file("state.json") == b"content"
    assert open_files(directory.path) == []


# --- the lock ---


@pytest.mark.parametrize(("wait_seconds", "tries"), [(0, 1), (0.05, 1), (0.1, 2), (1, 20)])
def test_a_lock_is_tried_once_per_poll(tmp_path: Path, wait_seconds: float, tries: int) -> None:
    slept: list[float] = []
    holder = StateDirectory(tmp_path / "phone")
    waiting = StateDirectory(tmp_path / "phone", lock_wait_seconds=wait_seconds, sleep=slept.append)
    with holder.locked_without_reading(), pytest.raises(StateBusy), waiting.locked_without_reading():
        pass
    assert len(slept) == tries


def test_requiring_a_missing_state_is_an_error(directory: StateDirectory) -> None:
    with directory.locked() as locked, pytest.raises(StateMissing):
        locked.require()


# --- the last seq ---


def test_a_device_that_used_its_last_seq_gets_a_new_id() -> None:
    last = with_next_seq(replace(STATE, seq=MAX_INTEGER - 1), bytes)
    assert (last.device_id, last.seq) == (STATE.device_id, MAX_INTEGER)
    assert decode_state(encode_state(last), Path("state.json")) == last
    other = with_next_seq(last, lambda count: b"n" * count)
    assert (other.device_id, other.seq) == (b"n" * 16, 1)
