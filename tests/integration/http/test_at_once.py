"""How many concurrent uploads and downloads a user may have."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from obscura_backup.entrypoints.settings import Settings
from support.servers.in_process.bounded_protocol import eventually
from support.servers.service import Person, Service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIZE = 2_000_000
DEFAULT = Settings().max_uploads_per_user


@pytest.fixture(params=[None, 2], ids=["default", "two"])
def most(request: pytest.FixtureRequest) -> int | None:
    """The setting; None for the default."""
    value: int | None = request.param
    return value


@pytest.fixture
def service(tmp_path: Path, most: int | None) -> Iterator[Service]:
    service = Service(tmp_path, {"OBSCURA_BACKUP_MAX_UPLOADS_PER_USER": str(most)} if most else {})
    service.start()
    yield service
    assert service.stop() == 0


def test_default_is_a_few() -> None:
    """More than the devices of a user, each of which sends one upload at a time; far less than all connections."""
    assert DEFAULT == 8


def test_one_upload_too_many_is_refused_until_another_ends(service: Service, most: int | None) -> None:
    person, other = Person.of(service), Person.of(service)
    head = person.post_head("Expect: 100-continue\r\nContent-Length: 100\r\n\r\n").encode()
    with ExitStack() as senders:
        opened = [
            senders.enter_context(socket.create_connection(("127.0.0.1", service.port), timeout=20))
            for _ in range(most or DEFAULT)
        ]
        for sender in opened:
            sender.sendall(head)
            assert sender.recv(100).startswith(b"HTTP/1.1 100 ")
        refused = person.upload(bytes(100))
        assert (refused.status, refused.problem, refused.headers["retry-after"]) == (429, "too-many-uploads", "1")
        assert other.upload(bytes(100)).status == 200
        assert person.download().status == 404, "downloads count apart"
        opened[0].sendall(bytes(100))
        assert opened[0].recv(100).startswith(b"HTTP/1.1 200 ")
        assert person.upload(bytes(101), if_match="1").status == 200
    assert eventually(lambda: person.upload(bytes(101), if_match="1").status == 200)


def test_one_download_too_many_is_refused_until_another_ends(service: Service, most: int | None) -> None:
    person, other = Person.of(service), Person.of(service)
    for each in (person, other):
        assert each.upload(bytes(SIZE)).status == 200
    head = f"GET /v1/backup HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {person.token}\r\n\r\n".encode()
    with ExitStack() as readers:
        for _ in range(most or DEFAULT):
            reader = readers.enter_context(socket.socket())
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.settimeout(20)
            reader.connect(("127.0.0.1", service.port))
            reader.sendall(head)
            reader.recv(1)
        refused = person.download()
        assert (refused.status, refused.problem) == (429, "too-many-downloads")
        assert other.download().body == bytes(SIZE)
    assert eventually(lambda: person.download().status == 200)
