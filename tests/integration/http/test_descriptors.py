"""Answers without a body, and clients that disconnect early: the service closes every file that it opens."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.servers.in_process.bounded_protocol import eventually
from support.servers.service import Person, Service

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TIMES = 20
SIZE = 1_000_000
IDLE: list[str] = []
"""What the service has open after its start: a lock."""


@pytest.fixture(scope="module", autouse=True)
def _idle(service: Service) -> None:
    IDLE.extend(open_blobs(service))


@pytest.fixture
def person(service: Service) -> Person:
    person = Person.of(service)
    assert person.upload(os.urandom(SIZE)).status == 200
    return person


def open_blobs(service: Service) -> list[str]:
    """The blobs and spools that the service has open."""
    assert service.process is not None
    found = []
    for descriptor in Path(f"/proc/{service.process.pid}/fd").iterdir():
        try:
            target = descriptor.readlink()
        except OSError:
            continue  # closed meanwhile
        in_blobs = target.is_relative_to(service.data_dir / "blobs") and not target.is_dir()
        if in_blobs or target.name.endswith(" (deleted)"):
            found.append(str(target))
    return sorted(found)


def request(person: Person, method: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"{method} /v1/backup HTTP/1.1", "Host: x", f"Authorization: Bearer {person.token}"]
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode()


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {"If-None-Match": '"1"'}, 304),
        ("GET", {"If-None-Match": "*"}, 304),
        ("GET", {"If-None-Match": '"1"', "Range": "bytes=0-9"}, 304),
        ("GET", {"Range": "bytes=1000000-"}, 416),
        ("GET", {"Range": "bytes=0-9"}, 206),
        ("GET", {"Range": "bytes=0-9", "If-Range": '"9"'}, 200),
        ("GET", {}, 200),
        ("HEAD", {}, 200),
        ("HEAD", {"If-None-Match": '"1"'}, 304),
        ("POST", {"If-Match": "9"}, 409),
        ("POST", {"If-Match": "nonsense"}, 400),
        ("POST", {"Content-Digest": "sha-256=:AAAA:"}, 400),
        ("DELETE", {"If-Match": "9"}, 409),
    ],
)
def test_answer_leaves_no_blob_open(
    service: Service, person: Person, method: str, headers: dict[str, str], status: int
) -> None:
    for _ in range(TIMES):
        body = bytes(SIZE) if method == "POST" else None
        assert service.request(method, token=person.token, headers=headers, body=body).status == status
    assert eventually(lambda: open_blobs(service) == IDLE)


def vanish(connection: socket.socket) -> None:
    """End with a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def half_close(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("leave", [vanish, half_close, lambda _: None])
@pytest.mark.parametrize("taken", [0, 1])
def test_client_that_goes_before_its_answer_was_taken_leaves_no_blob_open(
    service: Service, person: Person, leave: Callable[[socket.socket], None], taken: int
) -> None:
    for _ in range(TIMES):
        with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
            connection.sendall(request(person, "GET", {}) * 3)
            connection.recv(taken)
            leave(connection)
    assert eventually(lambda: open_blobs(service) == IDLE)
    assert eventually(lambda: person.download().status == 200), "nor are their places taken"


def test_client_that_goes_in_the_middle_of_a_body_leaves_no_file_open(service: Service, person: Person) -> None:
    for _ in range(TIMES):
        with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
            connection.sendall(
                request(person, "POST", {"If-Match": "1", "Content-Length": str(SIZE)}) + bytes(SIZE // 2)
            )
    assert eventually(lambda: open_blobs(service) == IDLE)
    assert eventually(lambda: person.upload(bytes(SIZE), if_match="1").status == 200)


def test_download_that_ends_is_seen_as_open_meanwhile(service: Service, person: Person) -> None:
    """Else the other tests here would prove nothing."""
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect(("127.0.0.1", service.port))
        reader.sendall(request(person, "GET", {}))
        assert eventually(lambda: len(open_blobs(service)) == len(IDLE) + 1)
    assert eventually(lambda: open_blobs(service) == IDLE)
