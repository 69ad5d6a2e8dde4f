"""Open files of the state directory, and limits of its lock."""

from __future__ import annotations

from pathlib import Path

import pytest

from obscura_backup_client.device.directory import LOCK_FILE_NAME, StateDirectory
from obscura_backup_client.device.errors import StateBusy, StateMissing


def descriptors(folder: Path) -> list[str]:
    """The files in a directory that this process has open."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found.append(str(entry.readlink()))
        except FileNotFoundError:  # the listing's own
            continue
    return sorted(path for path in found if path.startswith(str(folder)))


@pytest.fixture
def directory(tmp_path: Path) -> StateDirectory:
    return StateDirectory(tmp_path / "phone", lock_wait_seconds=0, sleep=lambda _: None)


def test_only_the_lock_is_open_while_the_state_is_locked(directory: StateDirectory) -> None:
    with directory.locked():
        assert descriptors(directory.path) == [str(directory.path / LOCK_FILE_NAME)]


def test_no_file_is_open_after_the_lock(directory: StateDirectory) -> None:
    with directory.locked():
        pass
    assert descriptors(directory.path) == []


def test_no_file_is_open_after_a_failure_under_the_lock(directory: StateDirectory) -> None:
    with pytest.raises(ZeroDivisionError), directory.locked():
        raise ZeroDivisionError
    assert descriptors(directory.path) == []


def test_no_file_is_open_after_a_lock_time_out(directory: StateDirectory) -> None:
    with directory.locked_without_reading():
        with pytest.raises(StateBusy), directory.locked_without_reading():
            pass
        assert len(descriptors(directory.path)) == 1


def test_a_free_lock_is_taken_without_a_wait(directory: StateDirectory) -> None:
    with directory.locked_without_reading():
        pass


@pytest.mark.parametrize(("wait_seconds", "tries"), [(0, 1), (0.05, 1), (0.1, 2), (1, 20)])
def test_a_lock_is_tried_once_per_poll(tmp_path: Path, wait_seconds: float, tries: int) -> None:
    slept: list[float] = []
    holder = StateDirectory(tmp_path / "phone")
    waiting = StateDirectory(tmp_path / "phone", lock_wait_seconds=wait_seconds, sleep=slept.append)
    with holder.locked_without_reading(), pytest.raises(StateBusy), waiting.locked_without_reading():
        pass
    assert len(slept) == tries


def test_no_file_is_open_after_replacing(directory: StateDirectory) -> None:
    with directory.locked_without_reading():
        directory.replace(b"content")
    assert descriptors(directory.path) == []


def test_no_file_is_open_after_reading(directory: StateDirectory) -> None:
    with directory.locked_without_reading():
        directory.replace(b"content")
    assert directory.read_file("state.json") == b"content"
    assert descriptors(directory.path) == []


def test_reading_removes_permissions_of_other_users(directory: StateDirectory) -> None:
    with directory.locked_without_reading():
        directory.replace(b"content")
    path = directory.path / "state.json"
    path.chmod(0o644)
    directory.read_file("state.json")
    assert path.stat().st_mode & 0o777 == 0o600


def test_requiring_a_missing_state_is_an_error(directory: StateDirectory) -> None:
    with directory.locked() as locked, pytest.raises(StateMissing):
        locked.require()
