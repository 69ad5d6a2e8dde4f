"""A new state directory and its files survive a power cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contracts.syncs import record_syncs
from obscura_backup_client.device.atomic_files import create_file, replace_file
from obscura_backup_client.device.directory import StateDirectory

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    return record_syncs(monkeypatch)


@pytest.mark.parametrize("depth", ["state", "one/state", "one/two/three/state"])
def test_every_parent_of_a_new_state_directory_is_synced(tmp_path: Path, synced: list[Path], depth: str) -> None:
    path = tmp_path / depth
    with StateDirectory(path).locked_without_reading():
        at_once = set(synced)
    made_in = {parent for parent in path.parents if parent == tmp_path or tmp_path in parent.parents}
    assert made_in <= at_once


def test_an_existing_state_directory_is_not_synced(tmp_path: Path, synced: list[Path]) -> None:
    with StateDirectory(tmp_path).locked_without_reading():
        pass
    assert synced == []


def test_a_replaced_file_is_synced_before_its_directory(tmp_path: Path, synced: list[Path]) -> None:
    replace_file(tmp_path / "state.json", b"{}", temporary=tmp_path / "state.json.new")
    assert synced == [tmp_path / "state.json.new", tmp_path]


def test_a_created_file_is_synced_before_its_directory(tmp_path: Path, synced: list[Path]) -> None:
    create_file(tmp_path / "export", b"{}", temporary=tmp_path / ".export.new")
    assert synced == [tmp_path / ".export.new", tmp_path]
