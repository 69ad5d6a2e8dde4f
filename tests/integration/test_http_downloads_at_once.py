"""Downloads that nobody takes: how many of them one person may have."""

from __future__ import annotations

import json
import socket
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from servers.service import Person, Service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIZE = 2_000_000


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = Service(tmp_path, {"OBSCURA_BACKUP_MAX_UPLOADS_PER_USER": "2"})
    service.start()
    yield service
    assert service.stop() == 0


def test_one_download_too_many_is_refused_until_another_ends(service: Service) -> None:
    person, other = Person.of(service), Person.of(service)
    for each in (person, other):
        assert each.upload(bytes(SIZE)).status == 200
    head = f"GET /v1/backup HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {person.token}\r\n\r\n".encode()
    with ExitStack() as readers:
        for _ in range(2):
            reader = readers.enter_context(socket.socket())
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.connect(("127.0.0.1", service.port))
            reader.sendall(head)
            reader.recv(1)
        refused = person.download()
        assert refused.status == 429
        assert json.loads(refused.body)["type"].endswith("too-many-downloads")
        assert other.download().body == bytes(SIZE)
    deadline = time.monotonic() + 5
    while person.download().status != 200:
        assert time.monotonic() < deadline
