"""Atomic writes of private files: the order of syncs, and the files after a failure."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from obscura_backup_client.device.atomic_files import create_file, replace_file


@pytest.fixture
def events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The synced, renamed and linked files, by name, in order."""
    seen: list[str] = []

    def fsync(descriptor: int, real: Callable[[int], None] = os.fsync) -> None:
        seen.append(f"sync {Path(f'/proc/self/fd/{descriptor}').readlink().name}")
        real(descriptor)

    def replace(path: Path, target: Path, real: Callable[[Path, Path], Path] = Path.replace) -> Path:
        seen.append(f"rename {path.name}")
        return real(path, target)

    def hardlink_to(path: Path, target: Path, real: Callable[[Path, Path], None] = Path.hardlink_to) -> None:
        seen.append(f"link {target.name}")
        real(path, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    monkeypatch.setattr(Path, "hardlink_to", hardlink_to)
    return seen


def paths(folder: Path) -> tuple[Path, Path]:
    return folder / "file", folder / "file.new"


def no_hard_links(*_: object) -> None:
    raise PermissionError(1, "Operation not permitted")


def full(_: int) -> None:
    raise OSError(28, "No space left on device")


def test_replacing_syncs_the_file_before_the_rename_and_the_folder_after_it(events: list[str], tmp_path: Path) -> None:
    target, temporary = paths(tmp_path)
    replace_file(target, b"content", temporary=temporary)
    assert events == ["sync file.new", "rename file.new", f"sync {tmp_path.name}"]


def test_creating_syncs_the_file_before_the_link_and_the_folder_after_it(events: list[str], tmp_path: Path) -> None:
    target, temporary = paths(tmp_path)
    create_file(target, b"content", temporary=temporary)
    assert events == ["sync file.new", "link file.new", f"sync {tmp_path.name}"]


def test_creating_without_hard_links_syncs_the_folder_after_the_rename(
    events: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "hardlink_to", no_hard_links)
    target, temporary = paths(tmp_path)
    create_file(target, b"content", temporary=temporary)
    assert events == ["sync file.new", "rename file.new", f"sync {tmp_path.name}"]


@pytest.mark.parametrize("write", [replace_file, create_file])
def test_the_file_holds_the_content(tmp_path: Path, write: Callable[..., None]) -> None:
    target, temporary = paths(tmp_path)
    write(target, b"content", temporary=temporary)
    assert target.read_bytes() == b"content"


@pytest.mark.parametrize("write", [replace_file, create_file])
def test_only_the_owner_can_access_the_file(tmp_path: Path, write: Callable[..., None]) -> None:
    target, temporary = paths(tmp_path)
    temporary.write_bytes(b"left by a crash")
    temporary.chmod(0o644)
    write(target, b"content", temporary=temporary)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


@pytest.mark.parametrize("write", [replace_file, create_file])
def test_no_temporary_file_is_left(tmp_path: Path, write: Callable[..., None]) -> None:
    target, temporary = paths(tmp_path)
    write(target, b"content", temporary=temporary)
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("write", [replace_file, create_file])
def test_a_full_disk_leaves_no_partial_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[..., None]
) -> None:
    monkeypatch.setattr(os, "fsync", full)
    target, temporary = paths(tmp_path)
    with pytest.raises(OSError, match="No space"):
        write(target, b"content", temporary=temporary)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, temporary = paths(tmp_path)
    target.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        replace_file(target, b"content", temporary=temporary)
    assert target.read_bytes() == b"old"


def test_a_failed_rename_leaves_no_temporary_file(tmp_path: Path) -> None:
    target, temporary = paths(tmp_path)
    target.mkdir()
    with pytest.raises(OSError, match="directory"):
        replace_file(target, b"content", temporary=temporary)
    assert list(tmp_path.iterdir()) == [target]


def test_creating_does_not_change_an_existing_file(tmp_path: Path) -> None:
    target, temporary = paths(tmp_path)
    target.write_bytes(b"old")
    with pytest.raises(FileExistsError):
        create_file(target, b"content", temporary=temporary)
    assert target.read_bytes() == b"old"


def test_creating_does_not_follow_a_dangling_link(tmp_path: Path) -> None:
    target, temporary = paths(tmp_path)
    target.symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError):
        create_file(target, b"content", temporary=temporary)
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("hard_links", [True, False])
def test_creating_does_not_change_a_file_that_has_just_appeared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, hard_links: bool
) -> None:
    target, temporary = paths(tmp_path)

    def another_was_quicker(path: Path, _: Path) -> None:
        path.write_bytes(b"of another")
        raise FileExistsError(path) if hard_links else PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", another_was_quicker)
    with pytest.raises(FileExistsError):
        create_file(target, b"content", temporary=temporary)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": b"of another"}


@pytest.mark.parametrize("write", [replace_file, create_file])
def test_no_descriptor_is_left_open(tmp_path: Path, write: Callable[..., None]) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(5):
        target, temporary = paths(tmp_path)
        write(target.with_name(f"file{number}"), b"content", temporary=temporary)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
