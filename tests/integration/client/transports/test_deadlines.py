"""A server that answers too slowly or without end: both transports stop at the deadline, and the loop goes on."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Callable

import pytest

from obscura_backup_client.transport.asyncio_transport import AsyncHttpTransport
from obscura_backup_client.transport.errors import OutcomeUnknown, TooLarge, Unavailable
from obscura_backup_client.transport.retries import RetryPolicy
from support.client.hostile_server import Serve, answer, dripping, read_request, serving
from support.client.transports import TRANSPORTS, AnyTransport

TOKEN = "aaa.bbb.ccc"
CHUNKED = b'HTTP/1.1 200 OK\r\nETag: "7"\r\nTransfer-Encoding: chunked\r\n\r\n'
# Enough for this machine to answer in, and less than any test should take.
AT_ONCE = RetryPolicy(total_timeout_seconds=0.15, attempts=1)
ONE_ATTEMPT = RetryPolicy(attempts=1)


@pytest.fixture(params=TRANSPORTS)
def client(request: pytest.FixtureRequest) -> Callable[..., AnyTransport]:
    def make(address: str, retry_policy: RetryPolicy = ONE_ATTEMPT) -> AnyTransport:
        return TRANSPORTS[request.param](address, TOKEN, retry_policy=retry_policy, sleep=lambda _: None)

    return make


Client = Callable[..., AnyTransport]


def test_an_upload_refused_before_it_is_complete_is_refused(client: Client) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(1024)
        connection.sendall(b'HTTP/1.1 413 Too Large\r\nContent-Length: 17\r\n\r\n{"max_bytes": 99}')
        connection.shutdown(socket.SHUT_WR)
        # To close while more is coming would reset the connection, and a reset may overtake the answer.
        while connection.recv(65536):
            pass

    with serving(serve) as address, pytest.raises(TooLarge):
        client(address).push(bytes(2_000_000), 7)


# --- dripping ---

DRIPS = [
    pytest.param(dripping(b"HTTP/1.1 200 OK\r\nX: ", b"a"), id="a header"),
    pytest.param(dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"a"), id="a chunk's extension"),
    pytest.param(dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), id="100 Continue"),
    pytest.param(dripping(b'HTTP/1.1 200 OK\r\nETag: "7"\r\nContent-Length: 9999\r\n\r\n', b"a"), id="a body"),
    pytest.param(dripping(b'HTTP/1.1 200 OK\r\nETag: "7"\r\n\r\n', b"a"), id="a body that ends with the connection"),
]


@pytest.mark.parametrize("serve", DRIPS)
def test_a_slow_response_ends_at_the_deadline(client: Client, serve: Serve) -> None:
    began = time.monotonic()
    with serving(serve) as address, pytest.raises(Unavailable):
        client(address, AT_ONCE).fetch()
    assert time.monotonic() - began < 3


def test_an_upload_with_a_slow_response_may_have_happened(client: Client) -> None:
    with serving(dripping(b"HTTP/1.1 200 OK\r\nX: ", b"a")) as address, pytest.raises(OutcomeUnknown):
        client(address, AT_ONCE).push(b"sealed", 7)


def test_a_request_that_took_all_its_time_is_not_sent_again(client: Client) -> None:
    connections: list[int] = []

    def serve(connection: socket.socket) -> None:
        connections.append(1)
        time.sleep(1)

    with serving(serve) as address, pytest.raises(Unavailable):
        client(address, RetryPolicy(total_timeout_seconds=0.1, attempts=4)).fetch()
    assert connections == [1]


# --- floods ---


def without_end(begin: bytes, piece: bytes) -> Serve:
    def serve(connection: socket.socket) -> None:
        read_request(connection)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(begin)
        while True:
            connection.sendall(piece)

    return serve


# What costs a transport the most: many events per step, and many steps.
FLOODS_WITHOUT_END = [
    pytest.param(without_end(CHUNKED, b"64\r\n" + bytes(100) + b"\r\n"), id="chunks of a hundred bytes"),
    pytest.param(without_end(b'HTTP/1.1 200 OK\r\nETag: "7"\r\n\r\n', b"x"), id="a body in small segments"),
]


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("serve", FLOODS_WITHOUT_END)
def test_a_flood_ends_at_the_deadline(transport: str, serve: Serve) -> None:
    policy = RetryPolicy(total_timeout_seconds=0.2, attempts=1)
    with serving(serve) as address:
        began = time.monotonic()
        with pytest.raises(Unavailable, match="took too long"):
            TRANSPORTS[transport](address, TOKEN, retry_policy=policy, max_blob_bytes=10**9).fetch()
        assert time.monotonic() - began < 5


@pytest.mark.parametrize("serve", FLOODS_WITHOUT_END)
async def test_the_loop_runs_during_a_flood(serve: Serve) -> None:
    longest, last = 0.0, time.thread_time()
    policy = RetryPolicy(total_timeout_seconds=0.3, attempts=1)
    with serving(serve) as address:
        transport = AsyncHttpTransport(address, TOKEN, retry_policy=policy, max_blob_bytes=10**9)
        task = asyncio.create_task(transport.fetch())
        while not task.done():
            await asyncio.sleep(0)
            now = time.thread_time()  # what other programs take of the processor does not count
            longest, last = max(longest, now - last), now
        with pytest.raises(Unavailable, match="took too long"):
            await task
    assert longest < 0.25


# --- TLS ---


@pytest.mark.usefixtures("trusted")
def test_a_server_with_a_certificate_that_this_machine_trusts_is_used(
    client: Client, server_side: ssl.SSLContext
) -> None:
    with serving(answer(200, ETag='"8"'), server_side) as address:
        assert client(address).push(b"sealed", 7) == 8


def test_a_self_signed_certificate_is_refused_before_anything_is_sent(
    client: Client, server_side: ssl.SSLContext
) -> None:
    with serving(answer(200, ETag='"8"'), server_side) as address, pytest.raises(Unavailable):
        client(address).push(b"sealed", 7)


@pytest.mark.usefixtures("trusted")
def test_a_tls_failure_after_the_upload_leaves_the_outcome_unknown(client: Client, server_side: ssl.SSLContext) -> None:
    def serve(connection: socket.socket) -> None:
        read_request(connection)
        # What a middlebox that gives up does: bytes that no record begins with, below the encryption.
        with socket.socket(fileno=connection.detach()) as below:
            below.sendall(b"\x17\x03\x03\x00\x05nonsense")

    with serving(serve, server_side) as address, pytest.raises(OutcomeUnknown):
        client(address).push(b"sealed", 7)


@pytest.mark.usefixtures("trusted")
def test_a_slow_encrypted_response_ends_at_the_deadline(client: Client, server_side: ssl.SSLContext) -> None:
    with serving(dripping(b"HTTP/1.1 200 OK\r\nX: ", b"a"), server_side) as address, pytest.raises(OutcomeUnknown):
        client(address, AT_ONCE).push(b"sealed", 7)


def test_an_endless_handshake_ends_before_anything_is_sent(client: Client) -> None:
    with serving(lambda _: time.sleep(1)) as address, pytest.raises(Unavailable):
        client(address.replace("http:", "https:"), AT_ONCE).push(b"sealed", 7)
