from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from obscura_backup.adapters.regular_file import UnsuitableFile, opened_regular_file, read_regular_file

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def leaves_nothing_open() -> Iterator[None]:
    before = len(list(Path("/dev/fd").iterdir()))
    yield
    assert len(list(Path("/dev/fd").iterdir())) == before


def test_file_of_exactly_the_limit_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 1000)
    assert read_regular_file(tmp_path / "file", 1000) == b"x" * 1000


def test_file_of_one_byte_more_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 1001)
    with pytest.raises(UnsuitableFile, match="more than 1000 bytes"):
        read_regular_file(tmp_path / "file", 1000)


def test_empty_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert read_regular_file(tmp_path / "file", 10) == b""


def test_size_of_the_directory_entry_is_not_believed() -> None:
    """Files under /proc have size 0 and content."""
    assert read_regular_file(Path("/proc/self/status"), 100_000)
    with pytest.raises(UnsuitableFile, match="more than 10 bytes"):
        read_regular_file(Path("/proc/self/status"), 10)


def test_link_to_a_regular_file_is_followed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    assert read_regular_file(tmp_path / "link", 100) == b"content"


@pytest.mark.usefixtures("leaves_nothing_open")
@pytest.mark.parametrize("name", ["/dev/zero", "/dev/null", "/dev/urandom", "/dev/full"])
def test_device_is_refused_at_once(tmp_path: Path, name: str) -> None:
    (tmp_path / "link").symlink_to(name)
    for path in (Path(name), tmp_path / "link"):
        with pytest.raises(UnsuitableFile, match="it is a device"):
            read_regular_file(path, 100)


@pytest.mark.usefixtures("leaves_nothing_open")
def test_pipe_without_a_writer_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UnsuitableFile, match="it is a named pipe"):
        read_regular_file(tmp_path / "pipe", 100)


@pytest.mark.usefixtures("leaves_nothing_open")
def test_file_that_becomes_a_pipe_after_the_look_is_refused_and_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    before = (tmp_path / "file").stat()
    monkeypatch.setattr(os, "stat", lambda *_, **__: before)
    with pytest.raises(UnsuitableFile, match="it is a named pipe"):
        read_regular_file(tmp_path / "pipe", 100)


@pytest.mark.usefixtures("leaves_nothing_open")
def test_file_that_becomes_a_link_after_the_look_is_refused_where_links_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    before = (tmp_path / "file").stat()
    monkeypatch.setattr(os, "stat", lambda *_, **__: before)
    with pytest.raises(OSError, match="symbolic links"), opened_regular_file(tmp_path / "link", follow_links=False):
        pass


@pytest.mark.usefixtures("leaves_nothing_open")
def test_directory_and_socket_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsuitableFile, match="it is a directory"):
        read_regular_file(tmp_path, 100)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        with pytest.raises(UnsuitableFile, match="it is a socket"):
            read_regular_file(tmp_path / "s", 100)


def test_link_is_refused_where_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    with (
        pytest.raises(UnsuitableFile, match="symbolic link"),
        opened_regular_file(tmp_path / "link", follow_links=False),
    ):
        pass
