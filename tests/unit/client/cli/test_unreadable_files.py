"""A file that cannot be read is named, with the reason that the system gives."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from obscura_backup_client.cli.exits import UnreadableFile
from obscura_backup_client.cli.settings import opened_file


def why(name: str, *, regular: bool = False) -> str:
    with pytest.raises(UnreadableFile) as refused, opened_file(name, regular=regular):
        pytest.fail("it was opened")
    return str(refused.value)


@pytest.mark.parametrize("regular", [True, False])
def test_a_missing_file_has_the_systems_reason(tmp_path: Path, *, regular: bool) -> None:
    said = why(str(tmp_path / "none"), regular=regular)
    assert str(tmp_path / "none") in said
    assert "No such file or directory" in said
    assert "Error" not in said


def test_an_impossible_file_name_has_the_class_of_the_error() -> None:
    assert "ValueError" in why("a\0name")


def test_an_error_without_a_reason_has_its_class(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnreadableFile, match="TimeoutError"), opened_file(str(tmp_path / "file")):
        raise TimeoutError


def test_an_error_while_reading_has_the_systems_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnreadableFile, match="Input/output error"), opened_file(str(tmp_path / "file")):
        raise OSError(5, "Input/output error")


@pytest.mark.parametrize("kind", ["directory", "pipe"])
def test_a_file_that_is_not_regular_is_refused_with_its_kind(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "it"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    assert "give a regular file, or - for standard input" in why(str(path), regular=True)


def test_a_closed_standard_input_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    said = why("-")
    assert "standard input" in said
    assert "it is closed" in said


def test_standard_input_is_read_as_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\n")))
    with opened_file("-") as stream:
        assert stream.read() == b"\xff\n"
