"""A server that means harm, or is broken as if it did: every answer ends in a typed error, and in time."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from client_testing.certificates import self_signed
from obscura_backup_client.http_transport import HttpTransport, Patience
from obscura_backup_client.token import user_id_of
from obscura_backup_client.transport_errors import (
    BackupLost,
    OutcomeUnknown,
    RateLimited,
    ServerRefused,
    TokenUnusable,
    Unavailable,
    UnexpectedAnswer,
)

if TYPE_CHECKING:
    from pathlib import Path

DEEP = b"[" * 100_000
LONG = "9" * 5000
# Enough for this machine to answer in, and less than any test should take.
AT_ONCE = Patience(answer_seconds=0.15, attempts=1)

Serve = Callable[[socket.socket], object]


@contextlib.contextmanager
def serving(serve: Serve, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """The address of a server that does `serve` with each connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            # Ends when the listener is shut down; a client that leaves early is none of our business.
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    threading.Thread(target=answer, args=(connection,), daemon=True).start()

        def answer(connection: socket.socket) -> None:
            with contextlib.suppress(OSError), connection:
                if tls is None:
                    serve(connection)
                else:
                    with tls.wrap_socket(connection, server_side=True) as encrypted:
                        serve(encrypted)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        scheme = "http" if tls is None else "https"
        yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def read_request(connection: socket.socket) -> None:
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        body += connection.recv(65536)


def saying(*parts: bytes) -> Serve:
    """Answer with these very bytes."""

    def serve(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"".join(parts))

    return serve


def answer(status: int, body: bytes = b"", **headers: str) -> Serve:
    named = {"Content-Length": str(len(body)), **{name.replace("_", "-"): value for name, value in headers.items()}}
    lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in named.items()), "", ""]
    return saying("\r\n".join(lines).encode("latin-1"), body)


def problem(status: int, **facts: Any) -> Serve:
    return answer(status, json.dumps(facts).encode())


def dripping(begin: bytes, drop: bytes) -> Serve:
    """Begin an answer, and go on with another drop every moment, for ever."""

    def serve(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(begin)
        for _ in itertools.count():
            connection.sendall(drop)
            time.sleep(0.02)

    return serve


def client(address: str, patience: Patience = Patience(attempts=1)) -> HttpTransport:  # noqa: B008 - it is frozen
    return HttpTransport(address, "aaa.bbb.ccc", patience=patience, sleep=lambda _: None)


# --- nonsense ---


@pytest.mark.parametrize("status", [200, 400, 404, 409, 413, 500])
def test_json_that_is_nested_without_end_is_no_crash(status: int) -> None:
    with serving(answer(status, DEEP[:60_000], ETag='"0"')) as address, pytest.raises(UnexpectedAnswer):
        client(address).limits()


@pytest.mark.parametrize("location", ["//[", "http://[::1", "https://evil.example"])
def test_a_redirect_anywhere_is_refused(location: str) -> None:
    with serving(answer(302, Location=location)) as address, pytest.raises(ServerRefused):
        client(address).fetch()


def test_a_length_of_thousands_of_digits_is_no_length() -> None:
    with serving(answer(200, b"bytes", ETag='"7"', Content_Length=LONG)) as address:
        fetched = client(address).fetch()
        assert client(address).head().size_bytes is None
    assert fetched is not None
    assert fetched.blob == b"bytes"


@pytest.mark.parametrize("wait", [LONG, "Sun, 06 Nov " + LONG + " 08:49:37 GMT", "-5", "soon"])
def test_a_wait_that_makes_no_sense_is_none(wait: str) -> None:
    with serving(answer(429, Retry_After=wait)) as address, pytest.raises(RateLimited) as limited:
        client(address).fetch()
    assert limited.value.retry_after_seconds is None


@pytest.mark.parametrize("version", [True, -1, 2**53, 1.5, "7", None, [7]])
def test_a_current_version_that_is_none_leaves_an_upload_open(version: object) -> None:
    with serving(problem(409, current_version=version)) as address, pytest.raises(OutcomeUnknown):
        client(address).push(b"sealed", 7)


@pytest.mark.parametrize("version", [True, -1, 0, 2**53, "7"])
def test_a_lost_backup_of_an_impossible_version_has_none(version: object) -> None:
    with serving(problem(500, type="urn:x:backup-lost", version=version)) as address, pytest.raises(BackupLost) as lost:
        client(address).fetch()
    assert lost.value.version is None


@pytest.mark.parametrize("etag", ['"0"', '"-1"', '"9007199254740992"', f'"{LONG}"', "7", '"x"', ""])
def test_an_etag_that_is_no_version_is_not_taken_for_one(etag: str) -> None:
    with serving(answer(200, b"bytes", ETag=etag)) as address:
        with pytest.raises(UnexpectedAnswer):
            client(address).fetch()
        with pytest.raises(OutcomeUnknown):
            client(address).push(b"sealed", 7)


@pytest.mark.parametrize(
    "serve",
    [
        pytest.param(answer(200, b"<html>"), id="no version"),
        pytest.param(answer(200, bytes(70_000), ETag='"8"'), id="too long"),
        pytest.param(answer(409, DEEP[:60_000]), id="deep"),
        pytest.param(answer(502, DEEP[:60_000]), id="deep from a gateway"),
        pytest.param(saying(b"nonsense\r\n\r\n"), id="not HTTP"),
    ],
)
def test_after_an_upload_nonsense_says_nothing_about_it(serve: Serve) -> None:
    with serving(serve) as address:
        with pytest.raises(OutcomeUnknown):
            client(address).push(b"sealed", 7)
        with pytest.raises(OutcomeUnknown):
            client(address).delete(7)


@pytest.mark.parametrize("claims", [DEEP, b'{"sub": ' + DEEP, b'{"exp": 1e999}', b'{"exp": ' + LONG.encode() + b"}"])
def test_a_token_of_nonsense_is_unusable(claims: bytes) -> None:
    with pytest.raises(TokenUnusable):
        user_id_of("e30." + base64.urlsafe_b64encode(claims).decode().rstrip("=") + ".c2ln")


# --- dripping ---

DRIPS = [
    pytest.param(dripping(b"HTTP/1.1 200 OK\r\nX: ", b"a"), id="a header"),
    pytest.param(dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"a"), id="a chunk's extension"),
    pytest.param(dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), id="100 Continue"),
    pytest.param(dripping(b'HTTP/1.1 200 OK\r\nETag: "7"\r\nContent-Length: 9999\r\n\r\n', b"a"), id="a body"),
    pytest.param(dripping(b'HTTP/1.1 200 OK\r\nETag: "7"\r\n\r\n', b"a"), id="a body that ends with the connection"),
]


@pytest.mark.parametrize("serve", DRIPS)
def test_an_answer_that_drips_is_cut_off(serve: Serve) -> None:
    began = time.monotonic()
    with serving(serve) as address, pytest.raises(Unavailable):
        client(address, AT_ONCE).fetch()
    assert time.monotonic() - began < 3


def test_an_upload_whose_answer_drips_may_have_happened() -> None:
    with serving(dripping(b"HTTP/1.1 200 OK\r\nX: ", b"a")) as address, pytest.raises(OutcomeUnknown):
        client(address, AT_ONCE).push(b"sealed", 7)


def test_a_request_that_took_all_its_time_is_not_sent_again() -> None:
    connections: list[int] = []

    def serve(connection: socket.socket) -> None:
        connections.append(1)
        time.sleep(1)

    with serving(serve) as address, pytest.raises(Unavailable):
        client(address, Patience(answer_seconds=0.1, attempts=4)).fetch()
    assert connections == [1]


# --- TLS ---


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return self_signed(tmp_path)


@pytest.fixture
def server_side(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))


@pytest.mark.usefixtures("trusted")
def test_a_server_with_a_certificate_that_this_machine_trusts_is_used(server_side: ssl.SSLContext) -> None:
    with serving(answer(200, ETag='"8"'), server_side) as address:
        assert client(address).push(b"sealed", 7) == 8


def test_a_certificate_that_nobody_signed_is_refused_before_anything_is_sent(server_side: ssl.SSLContext) -> None:
    with serving(answer(200, ETag='"8"'), server_side) as address, pytest.raises(Unavailable):
        client(address).push(b"sealed", 7)


@pytest.mark.usefixtures("trusted")
def test_a_tls_failure_after_the_upload_leaves_it_open(server_side: ssl.SSLContext) -> None:
    def serve(connection: socket.socket) -> None:
        read_request(connection)
        # What a middlebox that gives up does: bytes that no record begins with, below the encryption.
        with socket.socket(fileno=connection.detach()) as below:
            below.sendall(b"\x17\x03\x03\x00\x05nonsense")

    with serving(serve, server_side) as address, pytest.raises(OutcomeUnknown):
        client(address).push(b"sealed", 7)


@pytest.mark.usefixtures("trusted")
def test_an_encrypted_answer_that_drips_is_cut_off_too(server_side: ssl.SSLContext) -> None:
    with serving(dripping(b"HTTP/1.1 200 OK\r\nX: ", b"a"), server_side) as address, pytest.raises(OutcomeUnknown):
        client(address, AT_ONCE).push(b"sealed", 7)


def test_a_handshake_that_never_ends_is_cut_off_before_anything_was_sent() -> None:
    with serving(lambda _: time.sleep(1)) as address, pytest.raises(Unavailable):
        client(address.replace("http:", "https:"), AT_ONCE).push(b"sealed", 7)
