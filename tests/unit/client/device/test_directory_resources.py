"""What the state directory keeps open, and what its lock does at the edges."""

from __future__ import annotations

from pathlib import Path

import pytest

from obscura_backup_client.device.directory import LOCK_FILE_NAME, StateDirectory
from obscura_backup_client.device.errors import StateBusy, StateMissing


def descriptors(folder: Path) -> list[str]:
    """What this process holds open in a folder."""
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


def test_while_it_is_locked_the_lock_alone_is_open(directory: StateDirectory) -> None:
    with directory.locked():
        assert descriptors(directory.path) == [str(directory.path / LOCK_FILE_NAME)]


def test_after_the_lock_nothing_is_open(directory: StateDirectory) -> None:
    with directory.locked():
        pass
    assert descriptors(directory.path) == []


def test_after_a_failure_inside_nothing_is_open(directory: StateDirectory) -> None:
    with pytest.raises(ZeroDivisionError), directory.locked():
        raise ZeroDivisionError
    assert descriptors(directory.path) == []


def test_a_wait_that_failed_leaves_nothing_open(directory: StateDirectory) -> None:
    with directory.locked_without_reading():
        with pytest.raises(StateBusy), directory.locked_without_reading():
            pass
        assert len(descriptors(directory.path)) == 1


def test_no_wait_at_all_still_takes_a_free_lock(directory: StateDirectory) -> None:
    with directory.locked_without_reading():
        pass


@pytest.mark.parametrize(("wait_seconds", "tries"), [(0, 1), (0.05, 1), (0.1, 2), (1, 20)])
def test_a_lock_is_tried_as_often_as_its_wait_has_polls(tmp_path: Path, wait_seconds: float, tries: int) -> None:
    slept: list[float] = []
    holder = StateDirectory(tmp_path / "phone")
    waiting = StateDirectory(tmp_path / "phone", lock_wait_seconds=wait_seconds, sleep=slept.append)
    with holder.locked_without_reading(), pytest.raises(StateBusy), waiting.locked_without_reading():
        pass
    assert len(slept) == tries


def test_replacing_leaves_nothing_open(directory: StateDirectory) -> None:
    with directory.locked_without_reading():
        directory.replace(b"content")
    assert descriptors(directory.path) == []


def test_reading_leaves_nothing_open(directory: StateDirectory) -> None:
    with directory.locked_without_reading():
        directory.replace(b"content")
    assert directory.read_file("state.json") == b"content"
    assert descriptors(directory.path) == []


def test_reading_takes_the_file_away_from_other_users(directory: StateDirectory) -> None:
    with directory.locked_without_reading():
        directory.replace(b"content")
    path = directory.path / "state.json"
    path.chmod(0o644)
    directory.read_file("state.json")
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_directory_without_a_state_has_none_to_require(directory: StateDirectory) -> None:
    with directory.locked() as locked, pytest.raises(StateMissing):
        locked.require()
