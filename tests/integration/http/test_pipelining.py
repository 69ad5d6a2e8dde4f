"""Requests that are sent before the last answer was read, and counts that start again with each request."""

from __future__ import annotations

import re
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from obscura_backup.entrypoints.http.server import bounds
from obscura_backup.entrypoints.http.server.connection_limit import STALLED_SECONDS
from obscura_backup.entrypoints.http.server.message_splitter import PIECES_MAX
from obscura_backup.entrypoints.http.server.protocol import BoundedProtocol
from support.servers.in_process.bounded_protocol import (
    CARRIED_OUT,
    GET,
    LARGE,
    RELEASE,
    UNFINISHED,
    Running,
    eventually,
    receive_all,
    receive_until,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HELD = GET.replace(b"/", b"/held", 1)


@pytest.fixture
def patient(running: Running, monkeypatch: pytest.MonkeyPatch) -> Running:
    """No time-out ends anything here, however slow the machine is."""
    for name in ("HEAD_SECONDS", "DRAIN_SECONDS", "WRITE_SECONDS"):
        monkeypatch.setattr(bounds, name, 600.0)
    return running


def path(number: int) -> bytes:
    return b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number


def reader(running: Running) -> socket.socket:
    """A connection with a small receive buffer."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    connection.settimeout(20)
    connection.connect(running.socket.getsockname())
    return connection


def numbers(answers: bytes) -> list[int]:
    return [int(number) for number in re.findall(rb"GET /(\d+)", answers)]


@pytest.mark.parametrize(("sent", "answered"), [(16, 16), (17, 17), (18, 17), (30, 17), (5000, 17)])
def test_of_many_pipelined_requests_exactly_seventeen_are_answered(patient: Running, sent: int, answered: int) -> None:
    """The first one and sixteen behind it, in order; then the connection ends, if there were more."""
    with patient.connect() as connection:
        connection.sendall(HELD + b"".join(path(number) for number in range(1, sent)))
        if sent == answered:
            connection.shutdown(socket.SHUT_WR)
        assert eventually(lambda: CARRIED_OUT[-1:] == ["/held"])
        RELEASE.set()
        assert numbers(receive_all(connection)) == list(range(1, answered))


def test_bound_of_pipelined_requests_is_for_those_that_wait_not_for_all(patient: Running) -> None:
    with patient.connect() as connection:
        for _ in range(5):
            connection.sendall(b"".join(path(number) for number in range(1, 11)))
            assert numbers(receive_until(connection, b"GET /10")) == list(range(1, 11))


@pytest.mark.parametrize("reads", [1, 2])
def test_request_starts_when_the_last_answer_was_taken(patient: Running, reads: int) -> None:
    """In one read with the last request or later: what counts is whether its answer was read."""
    before = len(CARRIED_OUT)
    with reader(patient) as connection:
        large = GET.replace(b"/", b"/large", 1)
        if reads == 1:
            connection.sendall(large + path(1) + path(2))
        else:
            connection.sendall(large)
            assert eventually(lambda: CARRIED_OUT[before:] == ["/large"])
            connection.sendall(path(1) + path(2))
        assert eventually(lambda: CARRIED_OUT[before:] == ["/large"])
        assert not eventually(lambda: CARRIED_OUT[before:] != ["/large"], seconds=0.5), "it waits"
        answers = receive_until(connection, b"GET /2")
        assert len(answers) > LARGE
        assert CARRIED_OUT[before:] == ["/large", "/1", "/2"]


def test_body_behind_an_answer_that_is_not_taken_waits_with_its_request(patient: Running) -> None:
    with reader(patient) as connection:
        connection.sendall(GET.replace(b"/", b"/large", 1))
        connection.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
        assert receive_until(connection, b"hello").count(b"HTTP/1.1 200 ") == 2


def test_answer_that_is_not_taken_ends_the_connection_after_its_time_also_with_a_request_behind_it(
    running: Running,
) -> None:
    with reader(running) as connection:
        connection.sendall(GET.replace(b"/", b"/large", 1) + path(1))
        assert eventually(lambda: bool(running.server.server_state.connections))
        assert eventually(lambda: not running.server.server_state.connections)


# places


@pytest.fixture
def attackers(patient: Running) -> Iterator[Callable[[int, bytes], None]]:
    """Opens so many connections, sends each the same, and reads nothing until the test is over."""
    with ExitStack() as connections:

        def open_all(count: int, sent: bytes) -> None:
            for _ in range(count):
                connections.enter_context(reader(patient)).sendall(sent)

        yield open_all


@pytest.mark.parametrize("behind", [b"", path(1)])
def test_connection_whose_answer_is_not_taken_is_evicted(
    patient: Running, attackers: Callable[[int, bytes], None], behind: bytes
) -> None:
    """As silent ones do; with a request behind the answer or without."""
    attackers(8, GET.replace(b"/", b"/large", 1) + behind)
    assert eventually(lambda: CARRIED_OUT[-4:] == ["/large"] * 4)
    assert eventually(lambda: b" 200 " in patient.exchange(GET), seconds=STALLED_SECONDS + 20)


def test_streamed_answer_that_is_not_taken_is_evicted_after_a_second(
    patient: Running, attackers: Callable[[int, bytes], None]
) -> None:
    attackers(4, GET.replace(b"/", b"/stream", 1))
    assert eventually(lambda: CARRIED_OUT[-4:] == ["/stream"] * 4)
    assert eventually(lambda: b" 200 " in patient.exchange(GET), seconds=STALLED_SECONDS + 20)


def test_streamed_answer_that_is_read_keeps_its_place(
    patient: Running, attackers: Callable[[int, bytes], None]
) -> None:
    with reader(patient) as ours:
        ours.sendall(GET.replace(b"/", b"/stream", 1))
        taken = len(ours.recv(4096))
        attackers(3, GET.replace(b"/", b"/stream", 1))
        while taken < LARGE:
            piece = ours.recv(256 * 1024)
            assert piece, "cut off"
            if taken // 1_000_000 != (taken + len(piece)) // 1_000_000:
                attackers(1, GET)
            taken += len(piece)


def test_answer_that_is_still_being_taken_keeps_its_place_to_the_last_byte(
    patient: Running, attackers: Callable[[int, bytes], None]
) -> None:
    with reader(patient) as ours:
        ours.sendall(GET.replace(b"/", b"/large", 1))
        taken = len(ours.recv(4096))
        attackers(3, UNFINISHED)
        while taken < LARGE:
            piece = ours.recv(256 * 1024)
            assert piece, "cut off"
            if taken // 1_000_000 != (taken + len(piece)) // 1_000_000:
                attackers(1, GET)
            taken += len(piece)


def test_connections_of_one_address_are_bounded(
    patient: Running, attackers: Callable[[int, bytes], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoundedProtocol, "max_connections_per_address", 2)
    before = len(CARRIED_OUT)
    attackers(2, UNFINISHED)
    assert eventually(lambda: CARRIED_OUT[before:] == ["/read"] * 2)
    assert patient.exchange(GET).startswith(b"HTTP/1.1 503 ")
    with socket.create_connection(patient.socket.getsockname(), 20, source_address=("127.0.0.2", 0)) as other:
        other.sendall(GET)
        assert other.recv(100).startswith(b"HTTP/1.1 200 ")


# what is counted anew for each request


def test_refused_bodies_count_one_by_one(patient: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kept connection is not closed after so many bytes of them in total."""
    monkeypatch.setattr(bounds, "DRAIN_MAX_BYTES", 100_000)
    with patient.connect() as connection:
        for number in range(5):
            connection.sendall(b"POST /%d HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\n" % number)
            receive_until(connection, b"content-length=90000")
            connection.sendall(bytes(90_000))
        connection.sendall(path(7))
        assert receive_until(connection, b"GET /7")


@pytest.mark.parametrize(("size", "is_kept"), [(100_000, True), (100_001, False)])
def test_refused_body_is_read_up_to_its_bound(
    patient: Running, monkeypatch: pytest.MonkeyPatch, size: int, *, is_kept: bool
) -> None:
    monkeypatch.setattr(bounds, "DRAIN_MAX_BYTES", 100_000)
    with patient.connect() as connection:
        connection.sendall(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size)
        receive_until(connection, b"content-length=%d" % size)
        connection.sendall(bytes(size))
        if is_kept:
            connection.sendall(path(7))
            assert receive_until(connection, b"GET /7")
        else:
            assert receive_all(connection) == b""


def test_heads_count_one_by_one(patient: Running) -> None:
    with patient.connect() as connection:
        for number in range(5):
            connection.sendall(b"GET /%d HTTP/1.1\r\nHost: x\r\nA: %s\r\n\r\n" % (number, b"a" * 20_000))
            assert receive_until(connection, b"a" * 20_000).startswith(b"HTTP/1.1 200 ")


def test_framing_counts_for_each_body(patient: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "OVERHEAD_MAX_BYTES", 1000)
    chunk = b"1;" + b"e" * 800 + b"\r\nx\r\n0\r\n\r\n"
    with patient.connect() as connection:
        for _ in range(5):
            connection.sendall(b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk)
            assert receive_until(connection, b"1 bytes").startswith(b"HTTP/1.1 200 ")


def test_expectation_of_one_request_is_not_that_of_the_next(patient: Running) -> None:
    head = b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
    with patient.connect() as connection:
        connection.sendall(head + b"Expect: 100-continue\r\n\r\n")
        assert receive_until(connection, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"x")
        receive_until(connection, b"1 bytes")
        connection.sendall(head + b"\r\nx")
        assert b" 100 " not in receive_until(connection, b"1 bytes")


# heads behind something else in one read


@pytest.mark.parametrize(
    "first",
    [
        GET,
        b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\n\r\n\r\n\r\n\r\n",
        b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n\r\n\r\n\r\n0\r\n\r\n",
    ],
)
def test_blanks_in_a_request_line_are_seen_behind_another_request(patient: Running, first: bytes) -> None:
    with patient.connect() as connection:
        connection.sendall(first + path(1).replace(b" ", b"  ", 1) + path(2))
        answers = receive_all(connection)
        assert re.findall(rb"HTTP/1.1 (\d+) ", answers) == [b"200", b"400"]


def test_request_behind_a_body_of_too_many_empty_lines_is_not_carried_out(patient: Running) -> None:
    """Its line was not seen. The connection ends, and the client may send it again."""
    lines = b"\r\n" * 4 * PIECES_MAX
    head = b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with patient.connect() as connection:
        connection.sendall(head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(lines), lines) + path(1))
        assert receive_all(connection).endswith(b"; %d bytes" % len(lines))
    with patient.connect() as connection:
        connection.sendall(head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(lines), lines))
        receive_until(connection, b"; %d bytes" % len(lines))
        connection.sendall(path(1))
        assert receive_until(connection, b"GET /1")
