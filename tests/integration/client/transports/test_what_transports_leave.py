"""Time-outs, the number of attempts, and that every connection is closed."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from obscura_backup_client.transport.errors import (
    OutcomeUnknown,
    ServerRefused,
    TransportError,
    Unavailable,
    UnexpectedResponse,
)
from obscura_backup_client.transport.retries import RetryPolicy
from support.client.hostile_server import read_request, serving
from support.client.transports import TRANSPORTS, AnyTransport

TOKEN = "aaa.bbb.ccc"
HEAD = b'HTTP/1.1 200 OK\r\nETag: "7"\r\n'
# Long enough to show that it is not what ended a request.
FOR_EVER = 60.0

Client = Callable[..., AnyTransport]


@pytest.fixture(params=TRANSPORTS)
def client(request: pytest.FixtureRequest) -> Client:
    def make(address: str, retry_policy: RetryPolicy, **options: Any) -> AnyTransport:
        return TRANSPORTS[request.param](
            address, TOKEN, retry_policy=retry_policy, **{"sleep": lambda _: None, **options}
        )

    return make


class Watched:
    """Sends this response, then waits until the client closes its connection."""

    def __init__(self, *parts: bytes) -> None:
        self._parts = parts
        self.closed = threading.Event()

    def __call__(self, connection: socket.socket) -> None:
        with contextlib.suppress(ConnectionError):
            read_request(connection)
            connection.sendall(b"".join(self._parts))
            while connection.recv(65536):
                pass
        self.closed.set()


class Interrupted(Exception):
    """Raised by a callback of the application."""


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        pytest.param([HEAD + b"Content-Length: 5\r\n\r\nbytes"], None, id="well"),
        pytest.param([HEAD + b"Content-Length: 5\r\n\r\nby"], Unavailable, id="silence in a body"),
        pytest.param([b"HTTP/1.1 200"], Unavailable, id="silence in a head"),
        pytest.param([b"nonsense\r\n\r\n"], Unavailable, id="not HTTP"),
        pytest.param([HEAD + b"X: \0\r\n\r\n"], Unavailable, id="a NUL"),
        pytest.param([HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n"], Unavailable, id="two lengths"),
        pytest.param([HEAD + b"Content-Length: 9999\r\n\r\n" + bytes(9999)], UnexpectedResponse, id="too long"),
        pytest.param([b"HTTP/1.1 302 X\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"], ServerRefused, id="redirect"),
    ],
)
def test_a_connection_is_closed_after_any_end_of_its_request(
    client: Client, parts: list[bytes], error: type[TransportError] | None
) -> None:
    server, retry_policy = Watched(*parts), RetryPolicy(read_timeout_seconds=0.3, attempts=1)
    with serving(server) as address:
        transport = client(address, retry_policy, max_blob_bytes=1000)
        with contextlib.nullcontext() if error is None else pytest.raises(error):
            transport.fetch()
        assert server.closed.wait(10)


def test_a_connection_is_closed_if_the_application_raises(client: Client) -> None:
    def interrupt(*_: object) -> None:
        raise Interrupted

    server = Watched(HEAD + b"Content-Length: 5\r\n\r\nbytes")
    with serving(server) as address:
        with pytest.raises(Interrupted):
            client(address, RetryPolicy(), on_bytes=interrupt).fetch()
        assert server.closed.wait(10)


def test_a_connection_is_closed_at_the_deadline(client: Client) -> None:
    server = Watched(HEAD)
    with serving(server) as address:
        with pytest.raises(Unavailable, match="the whole request took too long"):
            client(address, RetryPolicy(read_timeout_seconds=FOR_EVER, total_timeout_seconds=0.3, attempts=1)).fetch()
        assert server.closed.wait(10)


def test_the_read_time_out_applies_to_the_next_byte(client: Client) -> None:
    retry_policy = RetryPolicy(
        connect_timeout_seconds=FOR_EVER, read_timeout_seconds=0.2, total_timeout_seconds=FOR_EVER, attempts=1
    )
    with serving(Watched(HEAD)) as address, pytest.raises(Unavailable, match="no answer in time"):
        client(address, retry_policy).fetch()


def test_an_upload_that_the_server_does_not_read_times_out(client: Client) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(1)
        with contextlib.suppress(TimeoutError):
            connection.settimeout(5)
            stopped.wait(5)

    stopped = threading.Event()
    retry_policy = RetryPolicy(
        connect_timeout_seconds=FOR_EVER, read_timeout_seconds=0.2, total_timeout_seconds=FOR_EVER, attempts=1
    )
    with serving(serve) as address:
        with pytest.raises(OutcomeUnknown):
            client(address, retry_policy).push(bytes(50_000_000), 7)
        stopped.set()


def test_a_handshake_has_the_connect_time_out(client: Client) -> None:
    stopped = threading.Event()
    retry_policy = RetryPolicy(
        connect_timeout_seconds=0.2, read_timeout_seconds=FOR_EVER, total_timeout_seconds=FOR_EVER, attempts=1
    )
    with serving(lambda _: stopped.wait(10)) as address:
        with pytest.raises(Unavailable, match="no connection in time"):
            client(address.replace("http:", "https:"), retry_policy).push(b"sealed", 7)
        stopped.set()


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".example"])
def test_a_host_that_cannot_be_resolved_is_reported(client: Client, host: str) -> None:
    with pytest.raises(Unavailable, match="the host name cannot be resolved"):
        client(f"https://{host}", RetryPolicy(attempts=1)).push(b"sealed", 7)


def test_each_request_has_the_total_time_out(client: Client) -> None:
    """The next request and the next attempt have the whole time-out, even after a slow one."""
    asked: list[int] = []

    def serve(connection: socket.socket) -> None:
        read_request(connection)
        asked.append(1)
        time.sleep(0.6)
        again = b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n"
        connection.sendall(again if len(asked) == 2 else HEAD + b"Content-Length: 5\r\n\r\nbytes")

    with serving(serve) as address:
        transport = client(address, RetryPolicy(total_timeout_seconds=1.5, attempts=2))
        for _ in range(3):
            assert transport.fetch() is not None
    assert len(asked) == 4
