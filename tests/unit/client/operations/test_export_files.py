from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest

from obscura_backup_client.device.directory import StateDirectory
from obscura_backup_client.formats.errors import ExportExists, ExportUnwritable
from obscura_backup_client.operations.export import write_export
from support.table import table


def test_only_this_user_can_read_an_export(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        write_export(tmp_path / "out.json", b"{}", overwrite=False)
    finally:
        os.umask(old)
    assert [each.name for each in tmp_path.iterdir()] == ["out.json"]
    assert stat.S_IMODE((tmp_path / "out.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("kind", ["file", "folder", "link", "broken link"])
def test_an_existing_file_is_replaced_only_with_force(tmp_path: Path, kind: str) -> None:
    target, elsewhere = tmp_path / "out.json", tmp_path / "elsewhere"
    if kind == "file":
        target.write_text("mine")
    elif kind == "folder":
        target.mkdir()
    else:
        target.symlink_to(elsewhere)
        if kind == "link":
            elsewhere.write_text("mine")
    before = sorted(each.name for each in tmp_path.iterdir())
    with pytest.raises(ExportExists):
        write_export(target, b"{}", overwrite=False)
    assert sorted(each.name for each in tmp_path.iterdir()) == before
    assert not target.is_file() or target.read_text() == "mine"


def test_force_replaces_a_file_and_its_mode(tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    target.write_text("mine")
    target.chmod(0o644)
    write_export(target, b"{}", overwrite=True)
    assert (target.read_bytes(), stat.S_IMODE(target.stat().st_mode)) == (b"{}", 0o600)


def test_force_keeps_a_link_and_replaces_its_target(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("mine")
    (tmp_path / "out.json").symlink_to(tmp_path / "elsewhere")
    write_export(tmp_path / "out.json", b"{}", overwrite=True)
    assert (tmp_path / "out.json").is_symlink()
    assert (tmp_path / "elsewhere").read_bytes() == b"{}"


def test_force_replaces_only_regular_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(ExportUnwritable):
            write_export(tmp_path / name, b"{}", overwrite=True)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["folder", "pipe"]


@table("name", ["state.json", "state.json.new", "profile.json", "profile.json.new", "lock"])
@table("way", ["as it is", "around", "by a link", "in capitals"])
@table("overwrite", [False, True])
def test_the_clients_own_files_are_never_made_or_replaced(
    tmp_path: Path, name: str, way: str, *, overwrite: bool
) -> None:
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    directory = StateDirectory(folder / "state")
    directory.path.mkdir()
    if name == "state.json":
        (directory.path / name).write_text("mine")
    target = directory.path / name
    if way == "around":
        target = directory.path / ".." / "state" / name
    elif way == "by a link":
        target = folder / "link"
        target.symlink_to(directory.path / name)
    elif way == "in capitals":
        target = directory.path / name.upper()
    before = sorted(folder.rglob("*"))
    with pytest.raises(ExportUnwritable, match="its own files"):
        write_export(target, b"{}", overwrite=overwrite, directory=directory)
    assert sorted(folder.rglob("*")) == before
    assert name != "state.json" or (directory.path / name).read_text() == "mine"


def test_the_target_of_a_linked_state_is_not_replaced(tmp_path: Path) -> None:
    directory = StateDirectory(tmp_path / "state")
    directory.path.mkdir()
    (tmp_path / "kept.json").write_text("mine")
    (directory.path / "state.json").symlink_to(tmp_path / "kept.json")
    with pytest.raises(ExportUnwritable):
        write_export(tmp_path / "kept.json", b"{}", overwrite=True, directory=directory)


def test_an_export_may_be_in_the_state_directory(tmp_path: Path) -> None:
    directory = StateDirectory(tmp_path)
    write_export(tmp_path / "out.json", b"{}", overwrite=False, directory=directory)
    (tmp_path / "elsewhere").mkdir()
    write_export(tmp_path / "elsewhere" / "state.json", b"{}", overwrite=False, directory=directory)


@pytest.mark.parametrize("name", ["no/such/folder/x", "", "with\0zero", "x" * 300, "/dev/null/x"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_an_unwritable_path_is_a_typed_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, *, overwrite: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ExportUnwritable, ExportExists)):
        write_export(Path(name), b"{}", overwrite=overwrite)
    assert list(tmp_path.iterdir()) == []


def test_an_export_needs_no_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_others: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    write_export(tmp_path / "out.json", b"{}", overwrite=False)
    assert [each.name for each in tmp_path.iterdir()] == ["out.json"]
    with pytest.raises(ExportExists):
        write_export(tmp_path / "out.json", b"[]", overwrite=False)
