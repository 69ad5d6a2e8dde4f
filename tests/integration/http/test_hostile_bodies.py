"""Hundreds of slow bodies and of answers that the client does not take: what they hold, and what they do not."""

from __future__ import annotations

import os
import resource
import socket
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from obscura_backup.adapters.postgres import schema
from support.servers.in_process.bounded_protocol import eventually
from support.servers.service import Person, Service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.servers.stores.postgres_server import PostgresServer

MIB = 1024 * 1024
SLOW = 300
MANY = 1000
POOL = 20
"""For the service's connections to PostgreSQL, and a few files."""
MEMORY_BOUND_MIB = 768
"""Of one worker with the default settings, whatever its 1,024 connections do; see docs/decisions/0008."""


@pytest.fixture(scope="module")
def database_url(postgres_server: PostgresServer) -> str:
    url = postgres_server.url_of(postgres_server.new_database())
    schema.migrate(url)
    return url


@pytest.fixture(scope="module")
def service(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    environment = {
        "OBSCURA_BACKUP_METADATA_URL": database_url,
        "OBSCURA_BACKUP_MAX_CONNECTIONS_PER_ADDRESS": "0",
    }
    service = Service(tmp_path_factory.mktemp("bodies"), environment)
    service.start()
    yield service
    assert service.stop() == 0


@pytest.fixture(scope="module", autouse=True)
def _descriptors() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))


def open_files(service: Service) -> int:
    assert service.process is not None
    return sum(1 for _ in Path(f"/proc/{service.process.pid}/fd").iterdir())


def memory_mib(service: Service) -> float:
    assert service.process is not None
    pages = int(Path(f"/proc/{service.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB


@contextmanager
def connections(service: Service, count: int) -> Iterator[list[socket.socket]]:
    opened: list[socket.socket] = []
    try:
        for _ in range(count):
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", service.port))
            opened.append(connection)
        yield opened
    finally:
        for connection in opened:
            connection.close()


def exchange(person: Person) -> None:
    """All that an honest client does."""
    body = os.urandom(100_000)
    assert person.upload(body, if_match=person.describe().headers.get("etag", "0")).status == 200
    assert person.download().body == body


def held_in_postgres(url: str) -> tuple[int, int]:
    """How many sessions of the service are active, and how many locks they hold."""
    with psycopg.connect(url) as connection:
        sessions = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND state <> 'idle'"
        ).fetchone()
        locks = connection.execute(
            "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
            " WHERE a.datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchone()
    assert sessions is not None
    assert locks is not None
    return sessions[0], locks[0]


def test_slow_bodies_hold_no_lock_and_no_connection_and_delay_no_other_request(
    service: Service, database_url: str
) -> None:
    honest = Person.of(service)
    exchange(honest)
    before = open_files(service)
    with connections(service, SLOW) as slow:
        for connection in slow:
            head = Person.of(service).post_head(f"Content-Length: {MIB}\r\n\r\n")
            connection.sendall(head.encode() + b"x")
        for _ in range(3):
            for connection in slow:
                connection.sendall(b"x")
            time.sleep(0.3)
            exchange(honest)
        assert eventually(lambda: held_in_postgres(database_url) == (0, 0), 5)
        assert open_files(service) >= before + SLOW, "they are all still there"
    assert eventually(lambda: open_files(service) <= before + POOL)
    exchange(honest)


def test_memory_stays_within_its_bound(service: Service) -> None:
    """A thousand clients in the middle of a body; then a thousand that read nothing of the largest blob."""
    before = open_files(service)
    peak = 0.0
    piece = os.urandom(64 * 1024)
    with connections(service, MANY) as bodies:
        for connection in bodies:
            head = Person.of(service).post_head(f"Content-Length: {2 * MIB}\r\n\r\n")
            connection.sendall(head.encode() + piece)
        for _ in range(5):
            for connection in bodies:
                connection.sendall(piece)
            peak = max(peak, memory_mib(service))
        assert eventually(lambda: open_files(service) > before + MANY), "each has its file or its memory"
        exchange(Person.of(service))
        peak = max(peak, memory_mib(service))
    assert eventually(lambda: open_files(service) <= before + POOL)
    reader = Person.of(service)
    assert reader.upload(os.urandom(2 * MIB)).status == 200
    with connections(service, MANY) as readers:
        for connection in readers:
            connection.sendall(
                f"GET /v1/backup HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {reader.token}\r\n\r\n".encode()
            )
        exchange(Person.of(service))
        peak = max(peak, memory_mib(service))
    assert peak < MEMORY_BOUND_MIB
    assert eventually(lambda: open_files(service) <= before + POOL)


def test_clients_that_hang_up_leave_nothing_behind(service: Service) -> None:
    before = open_files(service)
    folder = service.data_dir / "blobs"
    held = sum(1 for _ in folder.rglob("*"))
    for _ in range(3):
        with connections(service, 100) as bodies:
            for connection in bodies:
                head = Person.of(service).post_head("Content-Length: 600000\r\n\r\n")
                connection.sendall(head.encode() + bytes(300_000))
    assert eventually(lambda: open_files(service) <= before + POOL)
    assert sum(1 for _ in folder.rglob("*")) == held
