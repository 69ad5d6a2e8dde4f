"""One connection over a scripted transport: when it answers, waits, closes and is cut off."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from obscura_backup.entrypoints.http.server import connection_end, protocol, send_buffer
from obscura_backup.entrypoints.http.server.protocol import BoundedProtocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

GET = b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
OVERHEAD = 65_536
HEAD = 32_768
DRAINED = 8 * 1_048_576


class Peer:
    """The socket: all options are taken."""

    family = socket.AF_INET

    def setsockopt(self, *_: Any) -> None:
        """Take it."""

    def getpeername(self) -> tuple[str, int]:
        return "192.0.2.1", 9

    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", 8400


class Transport:
    """Keeps what is written, and of what is not taken as much as a test says."""

    def __init__(self) -> None:
        self.written = b""
        self.done: list[str] = []
        self.unsent = 0
        self.closing = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"socket": Peer(), "peername": ("192.0.2.1", 9), "sockname": ("127.0.0.1", 8400)}.get(name, default)

    def write(self, data: bytes) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return 0

    def _record(self, what: str) -> None:
        self.done.append(what)

    def close(self) -> None:
        self.closing = True
        self._record("close")

    def abort(self) -> None:
        self.closing = True
        self._record("abort")

    def write_eof(self) -> None:
        self._record("eof")

    def pause_reading(self) -> None:
        self._record("pause")

    def resume_reading(self) -> None:
        self._record("resume")

    @property
    def ends(self) -> list[str]:
        """How it was ended."""
        return [each for each in self.done if each in ("close", "abort", "eof")]


class Connection:
    """One connection, the application behind which answers each path with itself; `/read` after its body."""

    def __init__(self) -> None:
        self.transport = Transport()
        self.carried_out: list[str] = []
        self.held = asyncio.Event()
        self.held.set()
        config = uvicorn.Config(
            self._application, http=BoundedProtocol, interface="asgi3", lifespan="off", log_config=None, ws="none"
        )
        self.protocol = BoundedProtocol(config, ServerState(), {})
        made: Any = self.transport
        self.protocol.connection_made(made)

    async def _application(self, scope: Any, receive: Any, send: Any) -> None:
        self.carried_out.append(scope["path"])
        while scope["path"] == "/read" and (await receive()).get("more_body"):
            pass
        await self.held.wait()
        body = scope["path"].encode()
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def receives(self, *pieces: bytes) -> bytes:
        """Let these bytes come; what was written since the last time."""
        before = len(self.transport.written)
        for piece in pieces:
            self.protocol.data_received(piece)
            await self.goes_on()
        return self.transport.written[before:]

    async def goes_on(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)


@pytest.fixture
async def connection(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Connection]:
    made = Connection()

    def unsent(_: object) -> int:
        return made.transport.unsent

    monkeypatch.setattr(connection_end, "count_unsent_bytes", unsent)
    monkeypatch.setattr(send_buffer, "count_unsent_bytes", unsent)
    yield made
    made.held.set()
    await made.goes_on()
    made.protocol.connection_lost(None)
    await made.goes_on()


def fire(connection: Connection, name: str) -> None:
    """Let the time of a timer be over."""
    handle = connection.protocol._timers._handles[name]
    handle._run()
    handle.cancel()


def timers(connection: Connection) -> set[str]:
    """The names of the timers that run."""
    return set(connection.protocol._timers._handles)


async def test_requests_of_one_connection_are_answered_in_turn(connection: Connection) -> None:
    for number in range(3):
        assert (await connection.receives(GET % number)).endswith(b"\r\n\r\n/%d" % number)
    assert connection.transport.ends == []


async def test_what_is_no_request_is_told_so_on_a_new_connection_and_on_an_old_one(connection: Connection) -> None:
    assert b" 200 " in await connection.receives(GET % 1)
    assert (await connection.receives(b"\x00\x01\r\n\r\n")).startswith(b"HTTP/1.1 400 ")


async def test_what_is_no_request_as_the_first_thing_is_told_so(connection: Connection) -> None:
    assert (await connection.receives(b"\x00\x01\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
    assert "close" in connection.transport.ends


async def test_nonsense_behind_a_request_that_is_not_answered_yet_is_not_taken_for_its_answer(
    connection: Connection,
) -> None:
    connection.held.clear()
    await connection.receives(GET % 1)
    assert await connection.receives(b"\x00\x01\r\n\r\n") == b""
    connection.held.set()
    await connection.goes_on()
    assert connection.transport.written.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(("extra", "refused"), [(0, False), (1, True)])
async def test_around_a_body_may_be_sent_so_much_and_no_more(
    connection: Connection, extra: int, *, refused: bool
) -> None:
    await connection.receives(CHUNKED)
    answer = await connection.receives(b"1;a=" + b"b" * (OVERHEAD - 4 + extra))
    assert answer.startswith(b"HTTP/1.1 400 ") is refused


async def test_what_is_sent_around_one_body_does_not_count_for_the_next(connection: Connection) -> None:
    for _ in range(2):
        await connection.receives(CHUNKED)
        assert b" 200 " in await connection.receives(b"1;a=" + b"b" * (OVERHEAD - 100), b"\r\nx\r\n0\r\n\r\n")


@pytest.mark.parametrize(("size", "refused"), [(HEAD - 100, False), (HEAD + 1, True)])
async def test_a_head_may_be_so_long_and_no_longer(connection: Connection, size: int, *, refused: bool) -> None:
    start = b"GET / HTTP/1.1\r\nHost: x\r\nA: "
    answer = await connection.receives(start, b"a" * (size - len(start)))
    assert answer.startswith(b"HTTP/1.1 431 ") is refused
    assert connection.carried_out == []


async def test_many_short_fields_count_for_more_than_their_bytes(connection: Connection) -> None:
    fields = b"".join(b"a%d:b\r\n" % number for number in range(1000))
    answer = await connection.receives(b"GET / HTTP/1.1\r\nHost: x\r\n" + fields + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(("count", "carried_out"), [(17, 17), (18, 17), (40, 17)])
async def test_so_many_requests_may_wait_behind_one(connection: Connection, count: int, carried_out: int) -> None:
    connection.held.clear()
    await connection.receives(b"".join(GET % number for number in range(count)))
    connection.held.set()
    for _ in range(count):
        await connection.goes_on()
    assert len(connection.carried_out) == carried_out
    assert connection.transport.written.count(b" 200 ") == carried_out


async def test_after_the_last_answer_of_a_connection_nothing_is_carried_out(connection: Connection) -> None:
    last = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    await connection.receives(last + GET % 2)
    assert connection.carried_out == ["/last"]


async def test_a_connection_that_waits_too_long_for_its_next_request_is_closed(connection: Connection) -> None:
    await connection.receives(GET % 1)
    connection.protocol.timeout_keep_alive_handler()
    assert connection.transport.ends == ["close"]


async def test_an_answer_that_is_not_taken_yet_is_waited_for_before_the_end(connection: Connection) -> None:
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


async def test_a_transport_that_is_closing_already_is_not_waited_for(connection: Connection) -> None:
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


async def test_a_client_that_takes_again_is_not_looked_at_any_more(connection: Connection) -> None:
    connection.protocol.pause_writing()
    assert "write" in timers(connection)
    connection.protocol.resume_writing()
    assert "write" not in timers(connection)


async def test_a_client_that_takes_no_answers_gets_no_more_of_them(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.transport.unsent = 16_385
    await connection.receives(GET % 1)
    assert (connection.carried_out, "taken" in timers(connection)) == ([], True)
    connection.transport.unsent = 16_384
    await asyncio.sleep(0.1)
    await connection.goes_on()
    assert connection.carried_out == ["/1"]


async def test_a_silent_connection_waits_for_a_head_from_its_beginning_and_anew_after_an_answer(
    connection: Connection,
) -> None:
    assert timers(connection) == {"head"}
    await connection.receives(GET % 1)
    assert timers(connection) == set()
    await connection.receives(b"GET")
    assert timers(connection) == {"head"}


@pytest.mark.parametrize(("size", "ends"), [(DRAINED, []), (DRAINED + 1, ["close"])])
async def test_a_body_that_nobody_reads_is_drained_up_to_a_bound(
    connection: Connection, size: int, ends: list[str]
) -> None:
    await connection.receives(b"POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n")
    assert (b" 200 " in connection.transport.written, "drain" in timers(connection)) == (True, True)
    connection.protocol.data_received(bytes(size))
    assert connection.transport.ends == ends


async def test_a_body_that_came_whole_is_not_waited_for(connection: Connection) -> None:
    await connection.receives(b"POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n", b"abc")
    assert "drain" not in timers(connection)
    assert b" 200 " in await connection.receives(GET % 2)


async def test_a_connection_that_is_not_answering_and_took_all_is_idle(connection: Connection) -> None:
    assert connection.protocol.stalled_seconds() == float("inf")
    connection.held.clear()
    await connection.receives(GET % 1)
    assert connection.protocol.stalled_seconds() < 60


async def test_a_connection_that_gives_way_is_aborted(connection: Connection) -> None:
    connection.protocol.evict()
    assert connection.transport.ends == ["abort"]


@pytest.mark.parametrize("is_answering", [True, False])
async def test_a_client_that_has_sent_its_last_may_wait_for_its_answer(
    connection: Connection, *, is_answering: bool
) -> None:
    if is_answering:
        connection.held.clear()
    await connection.receives(GET % 1)
    stays = connection.protocol.eof_received()
    assert bool(stays) is is_answering


async def test_nothing_is_waited_for_once_a_connection_is_lost(connection: Connection) -> None:
    connection.protocol.pause_writing()
    connection.protocol.connection_lost(None)
    assert timers(connection) == set()


@pytest.mark.parametrize("pieces", [(b"Upg", b"rade: h2c\r\n\r\n"), (b"Upgrade: h2c\r\n\r\n",)])
@pytest.mark.parametrize(("length", "status"), [(b"3", b"400"), (b"0", b"200")])
async def test_upgrade_is_refused_with_a_body_and_else_ignored(
    connection: Connection, length: bytes, status: bytes, pieces: tuple[bytes, ...]
) -> None:
    head = b"POST /1 HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nContent-Length: " + length + b"\r\n"
    answer = await connection.receives(head + pieces[0], *pieces[1:])
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert connection.carried_out == (["/1"] if status == b"200" else [])


async def test_places_are_bounded_by_what_was_set_for_the_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedProtocol, "max_connections", 7)
    monkeypatch.setattr(BoundedProtocol, "max_connections_per_address", 3)
    given: list[tuple[int, ...]] = []
    note: Callable[..., None] = lambda *numbers: given.append(numbers)  # noqa: E731 - typed
    monkeypatch.setattr(protocol, "ConnectionLimit", note)
    BoundedProtocol._new_limit()
    assert given == [(7, 3, 14)]
