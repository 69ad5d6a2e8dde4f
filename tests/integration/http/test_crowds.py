"""Crowds of connections that take all places of a small service: other clients are still served."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from support.servers.in_process.bounded_protocol import eventually
from support.servers.service import Person, Service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLACES = 32
LARGE = 2 * 1024 * 1024
ASSET = b"GET /docs/assets/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n"
CONFIG = b"GET /v1/config HTTP/1.1\r\nHost: x\r\n\r\n"
TIMES = 20


def started(folder: Path, **environment: str) -> Iterator[Service]:
    service = Service(folder, {"OBSCURA_BACKUP_MAX_CONNECTIONS": str(PLACES), **environment}, has_management=True)
    service.start()
    yield service
    assert service.stop() == 0


@pytest.fixture(scope="module", params=["0", "16"], ids=["unbounded address", "bounded address"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """With as many concurrent uploads per user as fill the service."""
    yield from started(
        tmp_path_factory.mktemp("crowd"),
        OBSCURA_BACKUP_MAX_UPLOADS_PER_USER="16",
        OBSCURA_BACKUP_MAX_CONNECTIONS_PER_ADDRESS=request.param,
        OBSCURA_BACKUP_RATE_PER_ADDRESS="0",
    )


@contextmanager
def crowd(service: Service, *sent: bytes, renewed: int = 1) -> Iterator[list[socket.socket]]:
    """One connection per entry: it sends the entry, and reads nothing."""
    connections: list[socket.socket] = []
    try:
        for data in sent * renewed:
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(10)
            connection.connect(("127.0.0.1", service.port))
            connections.append(connection)
            with suppress(OSError):  # it gave way at once
                connection.sendall(data)
        yield connections
    finally:
        for connection in connections:
            connection.close()


def known(service: Service) -> Person:
    person = Person.of(service)
    assert person.upload(os.urandom(1000)).status == 200
    return person


def assert_served(service: Service, person: Person) -> None:
    """All requests of a known user are served; after a second also those of a new user, and those without a token."""
    for _ in range(TIMES):
        version = person.describe().etag
        body = os.urandom(1000)
        assert person.upload(body, if_match=version).status == 200
        assert person.download().body == body
    assert eventually(lambda: Person.of(service).upload(os.urandom(1000)).status == 200)
    assert eventually(lambda: service.request("GET", "/v1/config", token=None).status == 200)
    assert service.request("GET", "/health/ready", token=None).status == 200
    assert service.request_management("/metrics").status == 200


@pytest.mark.parametrize(
    "sent", [ASSET, ASSET + CONFIG, ASSET + CONFIG * 30, CONFIG * 30, b"", b"GET / HT"], ids=range(6)
)
def test_known_people_are_served_while_connections_read_nothing(service: Service, sent: bytes) -> None:
    person = known(service)
    with crowd(service, *[sent] * PLACES, renewed=3):
        assert_served(service, person)


def test_known_people_are_served_while_requests_are_sent_behind_answers_that_are_not_read(service: Service) -> None:
    person = known(service)
    with crowd(service, *[ASSET] * PLACES) as connections:
        for connection in connections:
            with suppress(OSError):  # it gave way
                connection.sendall(CONFIG)
        assert_served(service, person)


def test_known_people_are_served_while_connections_take_a_little_now_and_then(service: Service) -> None:
    person = known(service)
    over = threading.Event()
    with crowd(service, *[ASSET * 2 + CONFIG] * PLACES) as connections:

        def take() -> None:
            while not over.wait(0.05):
                for connection in connections:
                    with suppress(OSError):  # nothing there, or it gave way
                        connection.recv(1000, socket.MSG_DONTWAIT)

        taking = threading.Thread(target=take)
        taking.start()
        try:
            for _ in range(TIMES):
                assert person.download().status == 200
        finally:
            over.set()
            taking.join()


def test_users_with_many_slow_uploads_and_unread_downloads_do_not_keep_others_out(service: Service) -> None:
    """A few accounts have as many requests under way as they may, which together take all places."""
    person = known(service)
    greedy = [Person.of(service) for _ in range(2)]
    for each in greedy:
        assert each.upload(os.urandom(LARGE)).status == 200
    uploads = [each.post_head(f"If-Match: 1\r\nContent-Length: {LARGE}\r\n\r\n").encode() + b"x" for each in greedy]
    downloads = [
        f"GET /v1/backup HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {each.token}\r\n\r\n".encode() for each in greedy
    ]
    with crowd(service, *(uploads + downloads) * (PLACES // 4)):
        assert_served(service, person)


def test_honest_user_of_few_requests_is_not_cut_off_by_a_greedy_one(service: Service) -> None:
    person, greedy = known(service), known(service)
    body = os.urandom(LARGE)
    slow = greedy.post_head(f"If-Match: 1\r\nContent-Length: {LARGE}\r\n\r\n").encode() + b"x"
    head = person.post_head(f"If-Match: 1\r\nContent-Length: {LARGE}\r\n\r\n").encode()
    with crowd(service, head + body[:1000]) as (ours,), crowd(service, *[slow] * 16, renewed=4):
        ours.sendall(body[1000:])
        assert ours.recv(4096).startswith(b"HTTP/1.1 200 ")
    assert person.download().body == body


def test_everybody_is_served_with_the_defaults_while_accounts_hold_all_they_may(tmp_path: Path) -> None:
    for service in started(tmp_path):
        person = known(service)
        greedy = [Person.of(service) for _ in range(4)]
        slow = [each.post_head("Content-Length: 1000\r\n\r\n").encode() for each in greedy]
        with crowd(service, *slow * 16):
            assert_served(service, person)
