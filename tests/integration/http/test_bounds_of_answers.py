"""What answers may hold that the client does not take, and which connections are evicted for others."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from obscura_backup.entrypoints.http.server import bounds
from obscura_backup.entrypoints.http.server.send_buffer import SEND_BUFFER_BYTES
from support.servers.in_process.bounded_protocol import (
    CARRIED_OUT,
    GET,
    LARGE,
    SECONDS,
    SMALL,
    UNFINISHED,
    Running,
    eventually,
    received,
)


def test_half_closed_client_gets_its_answer(running: Running) -> None:
    with running.connect() as connection:
        connection.sendall(b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
        connection.shutdown(socket.SHUT_WR)
        assert received(connection).startswith(b"HTTP/1.1 200 ")


# answers that the client does not take


def test_answer_that_the_client_does_not_take(running: Running) -> None:
    with running.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
        assert eventually(lambda: not running.server.server_state.connections)


def test_system_holds_little_of_an_answer_that_the_client_does_not_take(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "WRITE_SECONDS", 600.0)
    with ExitStack() as connections:
        readers = [connections.enter_context(socket.socket()) for _ in range(4)]
        for reader in readers:
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            reader.connect(running.socket.getsockname())
            reader.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        ports = [reader.getsockname()[1] for reader in readers]
        assert eventually(lambda: all(_unsent_to(port) for port in ports))
        time.sleep(SECONDS)
        assert max(_unsent_to(port) for port in ports) < 3 * SEND_BUFFER_BYTES


@pytest.mark.parametrize("path", [b"/large", b"/small"])
def test_connection_is_counted_until_its_last_answer_is_taken_or_given_up(running: Running, path: bytes) -> None:
    """Else a client that sends `Connection: close` and reads nothing would leave memory behind, uncounted."""
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        reader.connect(running.socket.getsockname())
        reader.sendall(b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % path)
        assert eventually(lambda: bool(running.server.server_state.connections))
        assert eventually(lambda: not running.server.server_state.connections)
        assert eventually(lambda: _unsent_to(reader.getsockname()[1]) == 0)


def test_last_answer_reaches_a_slow_reader(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes longer than a client may take nothing."""
    monkeypatch.setattr(bounds, "WRITE_SECONDS", 5 * SECONDS)
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        reader.connect(running.socket.getsockname())
        reader.sendall(b"GET /small HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        taken = 0
        while piece := reader.recv(1500):
            taken += len(piece)
            time.sleep(0.06)
        assert taken > SMALL


def test_slow_reader_that_takes_a_little_now_and_then_is_served(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For longer than a client may take nothing."""
    patience_seconds = 8 * SECONDS
    monkeypatch.setattr(bounds, "WRITE_SECONDS", patience_seconds)
    began = time.monotonic()
    with running.connect() as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        taken = 0
        while taken < LARGE:
            piece = connection.recv(128 * 1024)
            assert piece, "cut off"
            taken += len(piece)
            time.sleep(0.05)
    assert time.monotonic() - began > patience_seconds


# many


def test_busy_service_says_so_and_is_still_alive(running: Running) -> None:
    with ExitStack() as connections:
        for _ in range(4):
            connections.enter_context(running.connect()).sendall(UNFINISHED)
        assert eventually(lambda: CARRIED_OUT[-4:] == ["/read"] * 4)
        refused = running.exchange(b"GET /v1/backup HTTP/1.1\r\nHost: x\r\n\r\n")
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"application/problem+json" in refused
        assert b"retry-after: 1" in refused
        assert running.exchange(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 200 ")


def test_as_many_as_may_be_are_served(running: Running) -> None:
    with running.connect(), running.connect(), running.connect():
        time.sleep(0.05)
        assert running.exchange(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 200 ")


def test_who_is_connected_stays_served_while_others_are_refused(running: Running) -> None:
    with ExitStack() as connections:
        ours, *others = [connections.enter_context(running.connect()) for _ in range(4)]
        for other in [ours, *others]:
            other.sendall(UNFINISHED)
        assert eventually(lambda: CARRIED_OUT[-4:] == ["/read"] * 4)
        late = [connections.enter_context(running.connect()) for _ in range(3)]
        for other in late:
            other.sendall(GET)
            assert received(other).startswith(b"HTTP/1.1 503 ")
        ours.sendall(b"x")
        assert received(ours).startswith(b"HTTP/1.1 200 ")


def test_silent_connections_give_way_to_new_ones(running: Running) -> None:
    with ExitStack() as connections:
        silent = [connections.enter_context(running.connect()) for _ in range(20)]
        silent[-1].sendall(b"GET / HT")
        assert running.exchange(GET).startswith(b"HTTP/1.1 200 ")


def test_answered_connection_is_evicted_if_none_is_silent(running: Running) -> None:
    """Else one request each, or one whose body never comes, would keep all places until a time-out."""
    with ExitStack() as connections:
        for request in (GET, GET, UNFINISHED.replace(b"/read", b"/unread"), UNFINISHED):
            connection = connections.enter_context(running.connect())
            connection.sendall(request)
            received(connection, 0.05, first_seconds=0.5)
        assert running.exchange(GET).startswith(b"HTTP/1.1 200 ")
        assert running.exchange(GET).startswith(b"HTTP/1.1 200 ")


def test_silent_connections_do_not_end_those_that_speak(running: Running) -> None:
    with ExitStack() as connections:
        ours = connections.enter_context(running.connect())
        ours.sendall(GET)
        assert received(ours).startswith(b"HTTP/1.1 200 ")
        for _ in range(20):
            connections.enter_context(running.connect())
        ours.sendall(GET)
        assert received(ours).startswith(b"HTTP/1.1 200 ")


def test_far_too_many_are_turned_away(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "DRAIN_SECONDS", 600.0)  # the connections that were answered 503 stay open
    with ExitStack() as connections:
        for _ in range(12):
            connection = connections.enter_context(running.connect())
            with suppress(ConnectionError):  # one that was turned away already
                connection.sendall(UNFINISHED)
        assert eventually(lambda: len(running.server.server_state.connections) == 8)


def _tcp_queues() -> list[tuple[int, int]]:
    """Per IPv4 connection of this system: the port at the other end, and how much waits to be sent there."""
    rows = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return [(int(row.split()[2][-4:], 16), int(row.split()[4].split(":")[0], 16)) for row in rows]


def _unsent_to(port: int) -> int:
    return sum(queued for other, queued in _tcp_queues() if other == port)
