"""When a connection closes, waits for its client, and is cut off."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from support.servers.in_process.scripted_connection import Connection, connected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

GET = b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n"
DRAINED = 8 * 1_048_576


@pytest.fixture
async def connection(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Connection]:
    async with connected(monkeypatch) as made:
        yield made


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
