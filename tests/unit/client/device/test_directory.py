"""The state directory: permissions, links, locking and atomic writes."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from obscura_backup_client.device.directory import StateDirectory
from obscura_backup_client.device.errors import StateMissing, StateNewer, StateUnusable
from obscura_backup_client.device.state import State, decode_state, encode_state
from support.client.contents import PHONE, backup, contact

STATE = State(PHONE, "phone", 5, backup(contact()))

# Every file then counts as another user's: a test cannot create files of other users.
NO_TRUSTED_USER = frozenset[int]()


@pytest.fixture
def directory(tmp_path: Path) -> StateDirectory:
    return StateDirectory(tmp_path / "new" / "state", lock_wait_seconds=0.1, sleep=lambda _: None)


def write(directory: StateDirectory, state: State = STATE) -> None:
    with directory.locked() as held:
        held.write(state)


def test_a_written_state_is_read(directory: StateDirectory) -> None:
    write(directory)
    assert directory.read() == STATE


def test_other_users_cannot_read_the_state(directory: StateDirectory) -> None:
    old = os.umask(0)
    try:
        write(directory)
    finally:
        os.umask(old)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.path.iterdir()}
    assert modes == {"state.json": 0o600, "lock": 0o600}
    assert stat.S_IMODE(directory.path.stat().st_mode) == 0o700


def test_permissions_of_other_users_are_removed_when_a_state_is_read(directory: StateDirectory) -> None:
    write(directory)
    (directory.path / "state.json").chmod(0o644)
    directory.path.chmod(0o775)
    directory.read()
    assert stat.S_IMODE((directory.path / "state.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.path.stat().st_mode) == 0o700


def test_a_directory_with_other_files_keeps_its_mode_and_is_reported(directory: StateDirectory) -> None:
    write(directory)
    (directory.path / "something else").touch()
    directory.path.chmod(0o777)
    directory.read()
    assert stat.S_IMODE(directory.path.stat().st_mode) == 0o777
    assert directory.is_writable_by_others()


def test_permissions_of_a_directory_are_removed_before_the_first_write(directory: StateDirectory) -> None:
    directory.path.mkdir(parents=True)
    directory.path.chmod(0o777)
    assert not directory.is_writable_by_others()
    assert stat.S_IMODE(directory.path.stat().st_mode) == 0o777
    write(directory)
    assert stat.S_IMODE(directory.path.stat().st_mode) == 0o700


def test_a_directory_of_another_user_is_reported(directory: StateDirectory) -> None:
    write(directory)
    assert not directory.is_writable_by_others()
    assert replace(directory, trusted=NO_TRUSTED_USER).is_writable_by_others()


def test_a_directory_whose_mode_cannot_be_changed_is_reported(
    directory: StateDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    write(directory)
    directory.path.chmod(0o777)
    monkeypatch.setattr(os, "fchmod", refuse)
    assert directory.is_writable_by_others()


def test_a_directory_with_the_sticky_bit_keeps_its_mode(directory: StateDirectory) -> None:
    directory.path.mkdir(parents=True)
    directory.path.chmod(0o1777)
    write(directory)
    directory.read()
    assert stat.S_IMODE(directory.path.stat().st_mode) == 0o1777
    assert directory.is_writable_by_others()


def test_a_state_of_another_user_is_recognised_and_read(directory: StateDirectory) -> None:
    assert not replace(directory, trusted=NO_TRUSTED_USER).is_owned_by_another_user()
    write(directory)
    assert not directory.is_owned_by_another_user()
    assert replace(directory, trusted=NO_TRUSTED_USER).is_owned_by_another_user()
    assert replace(directory, trusted=NO_TRUSTED_USER).read() == STATE


@pytest.mark.parametrize("leads", ["somewhere", "nowhere"])
def test_a_link_that_another_user_may_have_planted_is_refused(
    directory: StateDirectory, tmp_path: Path, leads: str
) -> None:
    elsewhere = tmp_path / "elsewhere.json"
    directory.path.mkdir(parents=True)
    (directory.path / "state.json").symlink_to(elsewhere)
    if leads == "somewhere":
        elsewhere.write_bytes(encode_state(STATE))
    (directory.path / "something else").touch()
    directory.path.chmod(0o777)
    with pytest.raises(StateUnusable, match="a link that another user put there"):
        write(replace(directory, trusted=NO_TRUSTED_USER), replace(STATE, seq=6))
    assert elsewhere.exists() == (leads == "somewhere")
    assert leads == "nowhere" or decode_state(elsewhere.read_bytes(), elsewhere) == STATE


def test_a_link_in_another_users_private_directory_is_followed(directory: StateDirectory, tmp_path: Path) -> None:
    """For example under sudo."""
    directory.path.mkdir(parents=True, mode=0o700)
    (directory.path / "state.json").symlink_to(tmp_path / "elsewhere.json")
    write(replace(directory, trusted=NO_TRUSTED_USER))
    assert (tmp_path / "elsewhere.json").exists()


def test_a_linked_state_stays_a_link(directory: StateDirectory, tmp_path: Path) -> None:
    write(directory)
    elsewhere = tmp_path / "elsewhere.json"
    (directory.path / "state.json").rename(elsewhere)
    (directory.path / "state.json").symlink_to(elsewhere)
    write(directory, replace(STATE, seq=6))
    assert (directory.path / "state.json").is_symlink()
    assert decode_state(elsewhere.read_bytes(), elsewhere).seq == 6
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o600


def test_a_dangling_link_is_followed(directory: StateDirectory, tmp_path: Path) -> None:
    directory.path.mkdir(parents=True)
    (directory.path / "state.json").symlink_to(tmp_path / "elsewhere.json")
    write(directory)
    assert (tmp_path / "elsewhere.json").exists()
    assert directory.read() == STATE


def test_a_circular_link_is_a_typed_error(directory: StateDirectory) -> None:
    directory.path.mkdir(parents=True)
    (directory.path / "state.json").symlink_to(directory.path / "state.json")
    with pytest.raises(StateUnusable):
        write(directory)


def test_a_missing_home_directory_is_a_typed_error() -> None:
    with pytest.raises(StateUnusable):
        StateDirectory.at("~nobody-of-this-name/state")


def test_a_file_left_by_a_crash_is_replaced(directory: StateDirectory) -> None:
    write(directory)
    leftover = directory.path / "state.json.new"
    leftover.touch(mode=0o644)
    write(directory, replace(STATE, seq=6))
    assert stat.S_IMODE((directory.path / "state.json").stat().st_mode) == 0o600
    assert directory.read().seq == 6


def test_a_write_that_fails_leaves_the_old_state(directory: StateDirectory) -> None:
    write(directory)
    (directory.path / "state.json.new").mkdir()
    with pytest.raises(StateUnusable):
        write(directory, replace(STATE, seq=6))
    assert directory.read() == STATE


def test_a_lock_is_waited_for(directory: StateDirectory) -> None:
    holding = directory.locked()
    holding.__enter__()

    def let_go(_seconds: float) -> None:
        holding.__exit__(None, None, None)

    with replace(directory, sleep=let_go).locked() as held:
        assert held.state is None


def test_reading_needs_no_lock(directory: StateDirectory) -> None:
    write(directory)
    with directory.locked():
        assert directory.read() == STATE


def test_there_is_no_state_before_the_first_write(directory: StateDirectory) -> None:
    with pytest.raises(StateMissing):
        directory.read()
    assert not directory.path.exists()


def test_a_path_that_cannot_hold_a_state_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StateUnusable), StateDirectory(tmp_path / "file").locked():
        pass


def test_a_state_of_a_later_format_is_not_changed(directory: StateDirectory) -> None:
    write(directory)
    path = directory.path / "state.json"
    later = path.read_bytes().replace(b'"format": 1,\n "device', b'"format": 2,\n "device')
    path.write_bytes(later)
    with pytest.raises(StateNewer):
        write(directory)
    assert path.read_bytes() == later
