"""One connection: what it answers, refuses and carries out; when it closes, waits for its client, and is cut off."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from obscura_backup.entrypoints.http.server.protocol import BoundedProtocol
from support.servers.in_process.scripted_connection import Connection, connected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

GET = b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
OVERHEAD = 65_536
HEAD = 32_768


@pytest.fixture
async def connection(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Connection]:
    async with connected(monkeypatch) as made:
        yield made


async def test_requests_of_one_connection_are_answered_in_turn(connection: Connection) -> None:
    for number in range(3):
        assert (await connection.receives(GET % number)).endswith(b"\r\n\r\n/%d" % number)
    assert connection.transport.ends == []


async def test_malformed_request_after_an_answered_one_is_answered_400(connection: Connection) -> None:
    assert b" 200 " in await connection.receives(GET % 1)
    assert (await connection.receives(b"\x00\x01\r\n\r\n")).startswith(b"HTTP/1.1 400 ")


async def test_malformed_first_request_is_answered_400_and_the_connection_closes(connection: Connection) -> None:
    assert (await connection.receives(b"\x00\x01\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
    assert "close" in connection.transport.ends


async def test_malformed_request_behind_an_unanswered_one_gets_no_answer(connection: Connection) -> None:
    connection.held.clear()
    await connection.receives(GET % 1)
    assert await connection.receives(b"\x00\x01\r\n\r\n") == b""
    connection.held.set()
    await connection.goes_on()
    assert connection.transport.written.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(("extra", "refused"), [(0, False), (1, True)])
async def test_overhead_of_a_chunked_body_is_bounded(connection: Connection, extra: int, *, refused: bool) -> None:
    await connection.receives(CHUNKED)
    answer = await connection.receives(b"1;a=" + b"b" * (OVERHEAD - 4 + extra))
    assert answer.startswith(b"HTTP/1.1 400 ") is refused


async def test_overhead_is_counted_per_request(connection: Connection) -> None:
    for _ in range(2):
        await connection.receives(CHUNKED)
        assert b" 200 " in await connection.receives(b"1;a=" + b"b" * (OVERHEAD - 100), b"\r\nx\r\n0\r\n\r\n")


@pytest.mark.parametrize(("size", "refused"), [(HEAD - 100, False), (HEAD + 1, True)])
async def test_size_of_a_head_is_bounded(connection: Connection, size: int, *, refused: bool) -> None:
    start = b"GET / HTTP/1.1\r\nHost: x\r\nA: "
    answer = await connection.receives(start, b"a" * (size - len(start)))
    assert answer.startswith(b"HTTP/1.1 431 ") is refused
    assert connection.carried_out == []


async def test_short_fields_count_for_more_than_their_bytes(connection: Connection) -> None:
    fields = b"".join(b"a%d:b\r\n" % number for number in range(1000))
    answer = await connection.receives(b"GET / HTTP/1.1\r\nHost: x\r\n" + fields + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(("count", "carried_out"), [(17, 17), (18, 17), (40, 17)])
async def test_number_of_pipelined_requests_is_bounded(connection: Connection, count: int, carried_out: int) -> None:
    connection.held.clear()
    await connection.receives(b"".join(GET % number for number in range(count)))
    connection.held.set()
    for _ in range(count):
        await connection.goes_on()
    assert len(connection.carried_out) == carried_out
    assert connection.transport.written.count(b" 200 ") == carried_out


async def test_request_behind_connection_close_is_not_carried_out(connection: Connection) -> None:
    last = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    await connection.receives(last + GET % 2)
    assert connection.carried_out == ["/last"]


@pytest.mark.parametrize("pieces", [(b"Upg", b"rade: h2c\r\n\r\n"), (b"Upgrade: h2c\r\n\r\n",)])
@pytest.mark.parametrize(("length", "status"), [(b"3", b"400"), (b"0", b"200")])
async def test_upgrade_is_refused_with_a_body_and_else_ignored(
    connection: Connection, length: bytes, status: bytes, pieces: tuple[bytes, ...]
) -> None:
    head = b"POST /1 HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nContent-Length: " + length + b"\r\n"
    answer = await connection.receives(head + pieces[0], *pieces[1:])
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert connection.carried_out == (["/1"] if status == b"200" else [])


@pytest.mark.parametrize(("management_port", "limits"), [(8401, (7, 3, 14)), (8400, (64, 0, 128))])
async def test_connection_limit_follows_the_attributes_of_the_class_and_the_listener(
    monkeypatch: pytest.MonkeyPatch, management_port: int, limits: tuple[int, int, int]
) -> None:
    monkeypatch.setattr(BoundedProtocol, "max_connections", 7)
    monkeypatch.setattr(BoundedProtocol, "max_connections_per_address", 3)
    monkeypatch.setattr(BoundedProtocol, "management_port", management_port)
    async with connected(monkeypatch) as connection:
        limit = connection.protocol._connection_limit
        assert (limit._max_served, limit._max_per_address, limit._max_open) == limits


DRAINED = 8 * 1_048_576


def fire(connection: Connection, name: str) -> None:
    """Run the callback of a timer now."""
    handle = connection.protocol._timers._handles[name]
    handle._run()
    handle.cancel()


def timers(connection: Connection) -> set[str]:
    """The names of the timers that run."""
    return set(connection.protocol._timers._handles)


async def test_idle_connection_is_closed(connection: Connection) -> None:
    await connection.receives(GET % 1)
    connection.protocol.timeout_keep_alive_handler()
    assert connection.transport.ends == ["close"]


async def test_connection_closes_after_its_client_took_the_answer(connection: Connection) -> None:
    await connection.receives(GET % 1)
    connection.transport.unsent = 5
    connection.protocol.timeout_keep_alive_handler()
    assert connection.transport.ends == ["eof"]
    assert "close" in timers(connection)
    fire(connection, "close")
    assert connection.transport.ends == ["eof"]
    connection.transport.unsent = 0
    fire(connection, "close")
    assert connection.transport.ends == ["eof", "close"]
    assert "close" not in timers(connection)


async def test_closing_transport_is_closed_at_once(connection: Connection) -> None:
    connection.transport.unsent = 5
    connection.transport.closing = True
    connection.protocol.timeout_keep_alive_handler()
    assert connection.transport.ends == ["close"]
    assert "close" not in timers(connection)


def stall(monkeypatch: pytest.MonkeyPatch, connection: Connection, seconds: float) -> None:
    """The client has taken nothing for so long."""
    monkeypatch.setattr(connection.protocol.sending, "stalled_seconds", lambda: seconds)


@pytest.mark.parametrize(("seconds", "ends"), [(59.9, []), (60.0, ["abort"])])
async def test_answer_that_is_not_taken_for_a_minute_is_dropped(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, seconds: float, ends: list[str]
) -> None:
    connection.transport.unsent = 5
    connection.protocol.pause_writing()
    stall(monkeypatch, connection, seconds)
    fire(connection, "write")
    assert connection.transport.ends == ends
    assert ("write" in timers(connection)) is (not ends)


@pytest.mark.parametrize(("seconds", "ends"), [(59.9, ["eof"]), (60.0, ["eof", "abort"])])
async def test_last_answer_that_is_not_taken_for_a_minute_is_dropped(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, seconds: float, ends: list[str]
) -> None:
    connection.transport.unsent = 5
    connection.protocol.timeout_keep_alive_handler()
    stall(monkeypatch, connection, seconds)
    fire(connection, "close")
    assert connection.transport.ends == ends
    assert ("close" in timers(connection)) is (ends == ["eof"])


async def test_write_timer_stops_once_the_client_takes_bytes(connection: Connection) -> None:
    connection.protocol.pause_writing()
    assert "write" in timers(connection)
    connection.protocol.resume_writing()
    assert "write" not in timers(connection)


async def test_next_request_waits_until_the_answer_was_taken(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.protocol.sending.write(b"the answer before")
    connection.transport.unsent = 16_385
    await connection.receives(GET % 1)
    assert (connection.carried_out, "taken" in timers(connection)) == ([], True)
    connection.transport.unsent = 16_384
    await asyncio.sleep(0.1)
    await connection.goes_on()
    assert connection.carried_out == ["/1"]


async def test_head_timer_runs_from_the_connection_and_from_each_first_byte(connection: Connection) -> None:
    assert timers(connection) == {"head"}
    await connection.receives(GET % 1)
    assert timers(connection) == set()
    await connection.receives(b"GET")
    assert timers(connection) == {"head"}


@pytest.mark.parametrize(("size", "ends"), [(DRAINED, []), (DRAINED + 1, ["close"])])
async def test_unread_body_is_drained_up_to_a_bound(connection: Connection, size: int, ends: list[str]) -> None:
    await connection.receives(b"POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n")
    assert (b" 200 " in connection.transport.written, "drain" in timers(connection)) == (True, True)
    connection.protocol.data_received(bytes(size))
    assert connection.transport.ends == ends


async def test_complete_body_is_not_drained(connection: Connection) -> None:
    await connection.receives(b"POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n", b"abc")
    assert "drain" not in timers(connection)
    assert b" 200 " in await connection.receives(GET % 2)


async def test_connection_without_a_request_counts_as_stalled_forever(connection: Connection) -> None:
    assert connection.protocol.stalled_seconds() == float("inf")
    connection.held.clear()
    await connection.receives(GET % 1)
    assert connection.protocol.stalled_seconds() < 60


async def test_evicted_connection_is_aborted(connection: Connection) -> None:
    connection.protocol.evict()
    assert connection.transport.ends == ["abort"]


@pytest.mark.parametrize("is_answering", [True, False])
async def test_half_closed_connection_stays_open_while_it_is_answered(
    connection: Connection, *, is_answering: bool
) -> None:
    if is_answering:
        connection.held.clear()
    await connection.receives(GET % 1)
    stays = connection.protocol.eof_received()
    assert bool(stays) is is_answering


async def test_lost_connection_has_no_timers(connection: Connection) -> None:
    connection.protocol.pause_writing()
    connection.protocol.connection_lost(None)
    assert timers(connection) == set()
