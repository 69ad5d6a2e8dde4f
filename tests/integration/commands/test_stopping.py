"""The end of a service, as clients with requests under way see it."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import signal
import socket
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import IO

import pytest

from obscura_backup.entrypoints.http.server.shutdown import close_backlog
from support.servers.in_process.bounded_protocol import eventually
from support.servers.service import Person, Service

# Longer than any test waits: what ends before it was not ended by it.
LONG_SECONDS = 120
SHORT_SECONDS = 0.5
PATIENCE_SECONDS = 30.0


@pytest.fixture(params=[1, 2], ids=["one process", "two workers"])
def workers(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def service(tmp_path: Path, workers: int) -> Iterator[Service]:
    with running(tmp_path, workers, LONG_SECONDS) as started:
        yield started


@contextlib.contextmanager
def running(
    folder: Path, workers: int, notice_seconds: float, drain_seconds: float = 20, log: IO[str] | None = None
) -> Iterator[Service]:
    environment = {
        "OBSCURA_BACKUP_NOTICE_SECONDS": str(notice_seconds),
        "OBSCURA_BACKUP_DRAIN_SECONDS": str(drain_seconds),
        "OBSCURA_BACKUP_WORKERS": str(workers),
    }
    started = Service(folder / "data", environment=environment)
    started.start(stderr=log)
    try:
        yield started
    finally:
        started.kill()


def tell_to_stop(service: Service) -> None:
    assert service.process is not None
    service.process.send_signal(signal.SIGTERM)


def wait_until_red(service: Service) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    red = 0
    while red < 20:  # in a row, since every worker has to have heard
        red = red + 1 if service.request("GET", "/health/ready", token=None).status == 503 else 0
        assert time.monotonic() < deadline, "readiness never turned red"


def listens(service: Service) -> bool:
    try:
        socket.create_connection(("127.0.0.1", service.port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


def test_readiness_is_red_while_everything_is_still_served(service: Service) -> None:
    person = Person.of(service)
    person.upload(b"x" * 100)
    tell_to_stop(service)
    wait_until_red(service)
    assert service.request("GET", "/health/ready", token=None).json["status"] == "stopping"
    assert service.request("GET", "/health/live", token=None).status == 200
    assert person.upload(b"y" * 100, if_match="1").status == 200
    assert person.download().body == b"y" * 100


def test_during_the_notice_no_connection_is_kept(service: Service) -> None:
    connections = [http.client.HTTPConnection("127.0.0.1", service.port, timeout=20) for _ in range(8)]
    for connection in connections:
        connection.request("GET", "/v1/config")
        assert connection.getresponse().read()
    tell_to_stop(service)
    wait_until_red(service)
    for connection in connections:
        connection.request("GET", "/v1/config")
        answer = connection.getresponse()
        assert answer.read()
        assert answer.getheader("connection") == "close"
        connection.close()


def test_an_upload_in_flight_finishes_after_the_listener_closed(tmp_path: Path, workers: int) -> None:
    body = os.urandom(1000)
    with running(tmp_path, workers, SHORT_SECONDS) as service:
        person = Person.of(service)
        with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
            connection.sendall(person.post_head(f"Content-Length: {len(body)}\r\n\r\n").encode() + body[:500])
            service.request("GET", "/health/live", token=None)  # so that the half of it was read
            tell_to_stop(service)
            assert eventually(lambda: not listens(service), PATIENCE_SECONDS)
            connection.sendall(body[500:])
            assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
        assert service.process is not None
        assert service.process.wait(timeout=PATIENCE_SECONDS) == 0
        service.start()
        assert person.download().body == body


def test_the_drain_time_is_not_the_notice_time(tmp_path: Path, workers: int) -> None:
    """An upload that needs three seconds outlasts the notice, and is within the time to drain."""
    with running(tmp_path, workers, notice_seconds=1, drain_seconds=20) as service:
        person = Person.of(service)
        with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
            connection.sendall(person.post_head("Content-Length: 600\r\n\r\n").encode())
            tell_to_stop(service)
            for _ in range(6):
                connection.sendall(b"x" * 100)
                time.sleep(0.5)
            assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
        assert service.process is not None
        assert service.process.wait(timeout=PATIENCE_SECONDS) == 0
        service.start()
        assert person.download().body == b"x" * 600


def test_what_outlasts_the_drain_time_is_cut_off(tmp_path: Path, workers: int) -> None:
    with running(tmp_path, workers, notice_seconds=0, drain_seconds=1) as service:
        person = Person.of(service)
        with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
            connection.sendall(person.post_head("Content-Length: 600\r\n\r\n").encode() + b"x" * 100)
            service.request("GET", "/health/live", token=None)  # so that the beginning of it was read
            began = time.monotonic()
            tell_to_stop(service)
            assert connection.recv(4096).startswith(b"HTTP/1.1 503 ")
            assert time.monotonic() - began > 0.9, "it was given its time"


def test_a_second_signal_ends_the_notice(service: Service) -> None:
    tell_to_stop(service)
    wait_until_red(service)
    assert service.stop() == 0


def test_a_supervisor_that_tells_every_process_does_not_cut_the_notice_short(service: Service) -> None:
    assert service.process is not None
    children = service.workers()
    for pid in children:
        os.kill(pid, signal.SIGTERM)
    tell_to_stop(service)
    wait_until_red(service)
    # As long as a parent that passes the signal on takes to look for it, and then some.
    time.sleep(1)
    assert service.request("GET", "/health/ready", token=None).json["status"] == "stopping"


def test_interrupt_from_a_terminal_skips_the_notice(service: Service) -> None:
    assert service.process is not None
    interrupt(service)
    service.process.wait(timeout=PATIENCE_SECONDS)


def test_a_second_interrupt_ends_requests_at_once_without_a_traceback(tmp_path: Path, workers: int) -> None:
    with (tmp_path / "log").open("w+") as log, running(tmp_path, workers, LONG_SECONDS, LONG_SECONDS, log) as service:
        assert service.process is not None
        person = Person.of(service)
        with socket.create_connection(("127.0.0.1", service.port), timeout=PATIENCE_SECONDS) as connection:
            connection.sendall(person.post_head("Content-Length: 600\r\n\r\n").encode() + b"x" * 100)
            service.request("GET", "/health/live", token=None)  # so that the beginning of it was read
            interrupt(service)
            assert eventually(lambda: not listens(service), PATIENCE_SECONDS)
            interrupt(service)
            assert connection.recv(4096).startswith(b"HTTP/1.1 503 ")
        assert service.process.wait(timeout=PATIENCE_SECONDS) == 0
        log.seek(0)
        written = log.read()
        assert "status=503" in written
        assert "Traceback" not in written


def test_requests_just_before_the_end_are_logged(tmp_path: Path, workers: int) -> None:
    with (tmp_path / "log").open("w+") as log, running(tmp_path, workers, 0, log=log) as service:
        answers = [service.request("GET", "/v1/config", token=None) for _ in range(5)]
        assert service.stop() == 0
        log.seek(0)
        written = log.read()
        assert [answer.headers["x-request-id"] in written for answer in answers] == [True] * 5


def interrupt(service: Service) -> None:
    """As a terminal does: all processes of the foreground."""
    for pid in (*service.workers(), service.pid):
        os.kill(pid, signal.SIGINT)


def test_a_stuck_worker_does_not_keep_the_others_from_ending(tmp_path: Path) -> None:
    with running(tmp_path, 2, 0, drain_seconds=1) as service:
        assert service.process is not None
        os.kill(service.workers()[0], signal.SIGSTOP)
        tell_to_stop(service)
        assert service.process.wait(timeout=PATIENCE_SECONDS) == 0


def test_a_terminal_that_is_closed_is_an_orderly_end(tmp_path: Path) -> None:
    with running(tmp_path, 1, SHORT_SECONDS) as service:
        assert service.process is not None
        service.process.send_signal(signal.SIGHUP)
        assert service.process.wait(timeout=PATIENCE_SECONDS) == 0


def test_a_service_that_stops_leaves_no_temporary_files(tmp_path: Path, workers: int) -> None:
    """Neither spools of bodies, nor the folder in which workers share their metrics."""
    with running(tmp_path, workers, 0) as service:
        assert Person.of(service).upload(b"x" * 500_000).status == 200
        assert service.stop() == 0
        assert list(service.temporary.iterdir()) == []


def queue_of(listening: socket.socket) -> int:
    """The size of a listener's backlog, which Linux tells in this field of `tcp_info`."""
    return int(struct.unpack_from("=I", listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), 28)[0])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the length of a listener's queue")
async def test_backlog_takes_no_connections_once_it_is_closed() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listening:
        server = await asyncio.start_server(lambda _reader, writer: writer.close(), sock=listening, backlog=100)
        before = queue_of(listening)
        close_backlog(SimpleNamespace(servers=[server]))
        assert (before, queue_of(listening)) == (100, 0)
        server.close()
        await server.wait_closed()
