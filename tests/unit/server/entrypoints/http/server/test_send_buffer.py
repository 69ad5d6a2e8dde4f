"""What a response writes and how: with its head, and what waits for a client over real sockets."""

from __future__ import annotations

import asyncio
import gc
import socket
import struct
import weakref
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from obscura_backup.entrypoints.http.server import send_buffer
from obscura_backup.entrypoints.http.server.connection_end import RequestTransport
from obscura_backup.entrypoints.http.server.send_buffer import (
    SEND_BUFFER_BYTES,
    SendBuffer,
    abort,
    count_unsent_bytes,
    limit_send_buffer,
)
from support.clocks import MovableSeconds

if TYPE_CHECKING:
    from asyncio import Transport
    from collections.abc import AsyncIterator, Iterator


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Transport, socket.socket]]:
    """A transport over TCP, and the client's end, which reads only when it is told to."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname(), timeout=10)
        served, _ = listening.accept()
    with client:
        transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=served)
        try:
            yield transport, client
        finally:
            transport.abort()
            await asyncio.sleep(0)


def read_to_the_end(client: socket.socket) -> None:
    while client.recv(1_000_000):
        pass


class Written:
    """A transport of which so many bytes wait in the process, and so many in the system."""

    def __init__(self) -> None:
        self.data = b""
        self.buffered = 0

    def write(self, data: bytes) -> None:
        self.data += data

    def get_write_buffer_size(self) -> int:
        return self.buffered


async def test_the_system_holds_so_much_and_no_more() -> None:
    assert SEND_BUFFER_BYTES == 131_072
    async with connected() as (transport, _):
        limit_send_buffer(transport)
        size = transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        assert SEND_BUFFER_BYTES <= size <= 2 * SEND_BUFFER_BYTES


async def test_nothing_waits_before_anything_is_written() -> None:
    async with connected() as (transport, _):
        assert count_unsent_bytes(transport) == 0


async def test_what_the_client_does_not_take_is_counted_in_the_process_and_in_the_system() -> None:
    async with connected() as (transport, client):
        limit_send_buffer(transport)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        transport.write(bytes(4_000_000))
        await asyncio.sleep(0.05)
        in_process, unsent = transport.get_write_buffer_size(), count_unsent_bytes(transport)
        assert 0 < in_process < unsent <= 4_000_000


async def test_a_connection_that_ended_has_nothing_in_the_system() -> None:
    async with connected() as (transport, _):
        transport.get_extra_info("socket")._sock.close()
        assert count_unsent_bytes(transport) == 0


async def test_a_connection_with_unsent_bytes_is_aborted_by_a_reset() -> None:
    async with connected() as (transport, client):
        limit_send_buffer(transport)
        transport.write(bytes(4_000_000))
        await asyncio.sleep(0.05)
        set_to = transport.get_extra_info("socket").getsockopt
        abort(transport)
        assert struct.unpack("ii", set_to(socket.SOL_SOCKET, socket.SO_LINGER, 8)) == (1, 0)
        await asyncio.sleep(0.05)
        with pytest.raises(ConnectionResetError):
            read_to_the_end(client)


async def test_a_connection_whose_client_took_everything_is_closed_in_order() -> None:
    async with connected() as (transport, client):
        transport.write(b"all of it")
        assert client.recv(100) == b"all of it"
        async with asyncio.timeout(10):
            while count_unsent_bytes(transport):  # noqa: ASYNC110 - the system gives no sign when bytes are acknowledged
                await asyncio.sleep(0.01)
        abort(transport)
        await asyncio.sleep(0.05)
        assert client.recv(100) == b""


def scripted(monkeypatch: pytest.MonkeyPatch) -> tuple[SendBuffer, Written, MovableSeconds, list[int]]:
    """A buffer, and what is left unsent of what was written to it."""
    transport, clock, unsent = Written(), MovableSeconds(), [0]
    monkeypatch.setattr(send_buffer, "count_unsent_bytes", lambda _: unsent[0])
    made: Any = transport
    return SendBuffer(made, clock), transport, clock, unsent


def test_what_is_written_reaches_the_transport(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer, transport, _, _ = scripted(monkeypatch)
    buffer.write(b"one ")
    buffer.write(b"two")
    assert transport.data == b"one two"


def test_a_client_for_whom_nothing_waits_does_not_stall(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer, _, clock, _ = scripted(monkeypatch)
    clock.seconds += 100
    assert buffer.stalled_seconds() == 0


def test_a_client_that_takes_nothing_stalls_from_the_first_write_on(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer, transport, clock, unsent = scripted(monkeypatch)
    clock.seconds += 100
    buffer.write(bytes(10))
    transport.buffered = unsent[0] = 10
    clock.seconds += 5
    buffer.write(bytes(10))
    unsent[0] = 20
    clock.seconds += 2
    assert buffer.stalled_seconds() == 7


def test_a_client_that_took_something_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer, transport, clock, unsent = scripted(monkeypatch)
    buffer.write(bytes(10))
    transport.buffered = unsent[0] = 10
    clock.seconds += 5
    assert buffer.stalled_seconds() == 5
    unsent[0] = 9
    assert buffer.stalled_seconds() == 0
    clock.seconds += 3
    assert buffer.stalled_seconds() == 3


def test_more_that_is_written_is_nothing_that_was_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer, transport, clock, unsent = scripted(monkeypatch)
    buffer.write(bytes(10))
    transport.buffered = unsent[0] = 10
    assert buffer.stalled_seconds() == 0
    buffer.write(bytes(10))
    unsent[0] = 20
    clock.seconds += 4
    assert buffer.stalled_seconds() == 4


HEAD, BODY = b"HTTP/1.1 200 OK\r\n\r\n", b"body"


class Cycle:
    """The state of one request and its answer."""

    def __init__(self, method: str = "GET") -> None:
        self.scope = {"method": method}
        self.response_started = False
        self.transport: Any = None


class Protocol:
    """Notes each write, and the end."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.sending = self

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def close_after_answer(self, cycle: Cycle) -> None:
        self.written.append(b"close")


def made(cycle: Any) -> tuple[Protocol, Any]:
    protocol: Any = Protocol()
    return protocol, RequestTransport(protocol, cycle)


def test_head_and_body_are_written_at_once() -> None:
    cycle = Cycle()
    protocol, transport = made(cycle)
    cycle.response_started = True
    transport.write(HEAD)
    assert protocol.written == []
    transport.write(BODY)
    transport.write(BODY)
    assert protocol.written == [HEAD + BODY, BODY]


def test_head_without_a_body_is_written_at_the_empty_body() -> None:
    cycle = Cycle()
    protocol, transport = made(cycle)
    cycle.response_started = True
    transport.write(HEAD)
    transport.write(b"")
    assert protocol.written == [HEAD]


def test_interim_answer_does_not_wait() -> None:
    cycle = Cycle("POST")
    protocol, transport = made(cycle)
    transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert protocol.written == [b"HTTP/1.1 100 Continue\r\n\r\n"]
    cycle.response_started = True
    transport.write(HEAD)
    transport.write(BODY)
    assert protocol.written[1:] == [HEAD + BODY]


def test_answer_to_head_is_written_at_once_since_no_body_follows() -> None:
    cycle = Cycle("HEAD")
    protocol, transport = made(cycle)
    cycle.response_started = True
    transport.write(HEAD)
    assert protocol.written == [HEAD]


def test_head_is_written_before_the_connection_closes() -> None:
    cycle = Cycle()
    protocol, transport = made(cycle)
    cycle.response_started = True
    transport.write(HEAD)
    transport.close()
    assert protocol.written == [HEAD, b"close"]


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
def test_finished_request_is_freed_without_the_garbage_collector() -> None:
    cycle = Cycle()
    _, cycle.transport = made(cycle)
    remains = weakref.ref(cycle)
    del cycle
    assert remains() is None
