"""Only for the asyncio transport: it does not block the loop, and a cancelled call leaves nothing running."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import tracemalloc
from typing import Any

import pytest
import uvloop

from obscura_backup_client.transport.asyncio_transport import AsyncHttpTransport
from obscura_backup_client.transport.errors import OutcomeUnknown, Unavailable
from obscura_backup_client.transport.retries import RetryPolicy
from support.client.hostile_server import answer, read_request, serving

TOKEN = "aaa.bbb.ccc"


class Silent:
    """Reads the head of a request and nothing more; sets an event when the client closes the connection."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.closed = threading.Event()

    def __call__(self, connection: socket.socket) -> None:
        read_request(connection)
        self.asked.set()
        with contextlib.suppress(ConnectionError):
            while connection.recv(65536):
                pass
        self.closed.set()


async def cancelled(call: Any, when: threading.Event) -> None:
    task = asyncio.create_task(call)
    await asyncio.to_thread(when.wait, 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("call", ["fetch", "push"])
async def test_a_cancelled_call_closes_its_connection_at_once(call: str) -> None:
    silent = Silent()
    with serving(silent) as address:
        transport = AsyncHttpTransport(address, TOKEN)
        await cancelled(transport.fetch() if call == "fetch" else transport.push(b"sealed", 7), silent.asked)
        assert await asyncio.to_thread(silent.closed.wait, 5)


async def test_an_upload_that_the_server_does_not_read_can_be_cancelled() -> None:
    began, closed = threading.Event(), threading.Event()

    def serve(connection: socket.socket) -> None:
        connection.recv(1)
        began.set()
        closed.wait(5)

    with serving(serve) as address:
        await cancelled(AsyncHttpTransport(address, TOKEN).push(bytes(50_000_000), 7), began)
        closed.set()


async def test_received_bytes_during_a_blocked_upload_are_bounded() -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(1)
        while True:
            connection.sendall(bytes(64 * 1024))

    blob, retry_policy = bytes(20_000_000), RetryPolicy(read_timeout_seconds=0.2, attempts=1)
    with serving(serve) as address:
        tracemalloc.start()
        try:
            with pytest.raises(OutcomeUnknown):
                await AsyncHttpTransport(address, TOKEN, retry_policy=retry_policy).push(blob, 7)
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak_bytes < 2_000_000


async def test_a_call_that_is_cancelled_while_it_waits_for_its_next_attempt_is_not_sent_again() -> None:
    requests: list[int] = []
    waiting = asyncio.Event()

    async def sleep(_seconds: float) -> None:
        waiting.set()
        await asyncio.sleep(3600)

    def serve(connection: socket.socket) -> None:
        requests.append(1)
        answer(503)(connection)

    with serving(serve) as address:
        task = asyncio.create_task(AsyncHttpTransport(address, TOKEN, sleep=sleep).fetch())
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert requests == [1]


async def test_nothing_runs_after_a_call() -> None:
    with serving(answer(200, b"bytes", ETag='"7"')) as address:
        await AsyncHttpTransport(address, TOKEN).fetch()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_the_loop_runs_while_a_server_is_silent() -> None:
    silent, ticks = Silent(), 0
    with serving(silent) as address:
        task = asyncio.create_task(AsyncHttpTransport(address, TOKEN).fetch())
        while not silent.asked.is_set() or ticks < 10:
            await asyncio.sleep(0)
            ticks += 1
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_calls_of_one_transport_do_not_wait_for_each_other() -> None:
    arrived = threading.Barrier(3)

    def serve(connection: socket.socket) -> None:
        read_request(connection)
        # The server responds only after all three requests.
        arrived.wait(5)
        connection.sendall(b'HTTP/1.1 200 OK\r\nETag: "7"\r\nContent-Length: 5\r\n\r\nbytes')

    with serving(serve) as address:
        transport = AsyncHttpTransport(address, TOKEN)
        found = await asyncio.gather(*(transport.fetch() for _ in range(3)))
    assert [each.version for each in found if each is not None] == [7, 7, 7]


async def test_waiting_for_the_next_byte_has_a_time_out() -> None:
    silent = Silent()
    with serving(silent) as address:
        with pytest.raises(Unavailable, match="no answer in time"):
            await AsyncHttpTransport(
                address, TOKEN, retry_policy=RetryPolicy(read_timeout_seconds=0.05, attempts=1)
            ).fetch()
        assert await asyncio.to_thread(silent.closed.wait, 5)


def test_a_transport_works_on_another_event_loop() -> None:
    async def exchanged(address: str) -> tuple[int, bytes]:
        transport = AsyncHttpTransport(address, TOKEN)
        version, fetched = await transport.push(bytes(1_000_000), 6), await transport.fetch()
        assert fetched is not None
        return version, fetched.blob

    with (
        serving(answer(200, b"bytes", ETag='"7"')) as address,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as on,
    ):
        assert on.run(exchanged(address)) == (7, b"bytes")
