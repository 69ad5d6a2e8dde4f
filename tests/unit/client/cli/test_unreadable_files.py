"""A file that cannot be read is named, with the reason that the system gives."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING

import pytest

from obscura_backup_client.cli.exits import UnreadableFile
from obscura_backup_client.cli.settings import opened_file

if TYPE_CHECKING:
    from pathlib import Path


def why(name: str, *, regular: bool = False) -> str:
    with pytest.raises(UnreadableFile) as refused, opened_file(name, regular=regular):
        pytest.fail("it was opened")
    return str(refused.value)


@pytest.mark.parametrize("regular", [True, False])
def test_a_missing_file_is_told_in_the_words_of_the_system(tmp_path: Path, *, regular: bool) -> None:
    said = why(str(tmp_path / "none"), regular=regular)
    assert str(tmp_path / "none") in said
    assert "No such file or directory" in said
    assert "Error" not in said


def test_a_name_that_no_file_can_have_is_told_by_the_kind_of_error() -> None:
    assert "ValueError" in why("a\0name")


def test_an_error_without_words_is_told_by_its_kind(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnreadableFile, match="TimeoutError"), opened_file(str(tmp_path / "file")):
        raise TimeoutError


def test_an_error_while_reading_is_told_in_the_words_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnreadableFile, match="Input/output error"), opened_file(str(tmp_path / "file")):
        raise OSError(5, "Input/output error")


@pytest.mark.parametrize("kind", ["directory", "pipe"])
def test_what_is_no_regular_file_is_refused_and_said_what_it_is(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "it"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    assert "give a regular file, or - for standard input" in why(str(path), regular=True)


def test_standard_input_that_is_closed_is_told_by_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    said = why("-")
    assert "standard input" in said
    assert "it is closed" in said


def test_standard_input_is_read_as_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\n")))
    with opened_file("-") as stream:
        assert stream.read() == b"\xff\n"
