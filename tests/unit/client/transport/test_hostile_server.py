"""A hostile or broken server: every response ends in a typed error before the deadline."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from obscura_backup_client.transport.backup_api import RetryPolicy
from obscura_backup_client.transport.bearer_token import user_id_of
from obscura_backup_client.transport.errors import (
    BackupLost,
    OutcomeUnknown,
    RateLimited,
    ServerRefused,
    TokenUnusable,
    TooLarge,
    TransportError,
    Unavailable,
    UnexpectedResponse,
)
from support.certificates import certificate_for_this_machine
from support.client.hostile_server import Serve, answer, dripping, read_request, reply, serving
from support.client.transports import TRANSPORTS, AnyTransport, answered

DEEP = b"[" * 100_000
LONG = "9" * 5000
# Enough for this machine to answer in, and less than any test should take.
AT_ONCE = RetryPolicy(total_timeout_seconds=0.15, attempts=1)


@pytest.fixture(params=TRANSPORTS)
def client(request: pytest.FixtureRequest) -> Callable[..., AnyTransport]:
    def make(address: str, retry_policy: RetryPolicy = RetryPolicy(attempts=1)) -> AnyTransport:  # noqa: B008 - it is frozen
        return TRANSPORTS[request.param](address, "aaa.bbb.ccc", retry_policy=retry_policy, sleep=lambda _: None)

    return make


Client = Callable[..., AnyTransport]

# --- nonsense ---


@pytest.mark.parametrize("status", [200, 400, 404, 409, 413, 500])
def test_deeply_nested_json_is_a_typed_error(status: int) -> None:
    with pytest.raises(UnexpectedResponse):
        answered(reply(status, DEEP[:60_000], 'ETag: "0"')).limits()


@pytest.mark.parametrize("location", ["//[", "http://[::1", "https://evil.example"])
def test_a_redirect_anywhere_is_refused(location: str) -> None:
    with pytest.raises(ServerRefused):
        answered(reply(302, b"", f"Location: {location}")).fetch()


def test_a_length_of_thousands_of_digits_is_refused() -> None:
    transport = answered(reply(200, b"bytes", 'ETag: "7"', f"Content-Length: {LONG}"))
    with pytest.raises(Unavailable):
        transport.fetch()
    with pytest.raises(Unavailable):
        transport.head()


@pytest.mark.parametrize("wait", [LONG, "Sun, 06 Nov " + LONG + " 08:49:37 GMT", "-5", "soon"])
def test_an_invalid_retry_after_is_ignored(wait: str) -> None:
    with pytest.raises(RateLimited) as limited:
        answered(reply(429, b"", f"Retry-After: {wait}")).fetch()
    assert limited.value.retry_after_seconds is None


@pytest.mark.parametrize("version", [True, -1, 2**53, 1.5, "7", None, [7]])
def test_an_invalid_current_version_leaves_the_outcome_unknown(version: object) -> None:
    with pytest.raises(OutcomeUnknown):
        answered(reply(409, json.dumps({"current_version": version}).encode())).push(b"sealed", 7)


@pytest.mark.parametrize("version", [True, -1, 0, 2**53, "7"])
def test_a_lost_backup_with_an_invalid_version_has_no_version(version: object) -> None:
    lost_backup = reply(500, json.dumps({"type": "urn:x:backup-lost", "version": version}).encode())
    with pytest.raises(BackupLost) as lost:
        answered(lost_backup).fetch()
    assert lost.value.version is None


@pytest.mark.parametrize("etag", ['"0"', '"-1"', '"9007199254740992"', f'"{LONG}"', "7", '"x"', ""])
def test_an_invalid_etag_is_not_a_version(etag: str) -> None:
    transport = answered(reply(200, b"bytes", f"ETag: {etag}"))
    with pytest.raises(UnexpectedResponse):
        transport.fetch()
    with pytest.raises(OutcomeUnknown):
        transport.push(b"sealed", 7)


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(reply(200, b"<html>"), id="no version"),
        pytest.param(reply(200, bytes(70_000), 'ETag: "8"'), id="too long"),
        pytest.param(reply(409, DEEP[:60_000]), id="deep"),
        pytest.param(reply(502, DEEP[:60_000]), id="deep from a gateway"),
        pytest.param(b"nonsense\r\n\r\n", id="not HTTP"),
    ],
)
def test_an_invalid_response_to_an_upload_leaves_the_outcome_unknown(response: bytes) -> None:
    with pytest.raises(OutcomeUnknown):
        answered(response).push(b"sealed", 7)
    with pytest.raises(OutcomeUnknown):
        answered(response).delete(7)


@pytest.mark.parametrize("claims", [DEEP, b'{"sub": ' + DEEP, b'{"exp": 1e999}', b'{"exp": ' + LONG.encode() + b"}"])
def test_an_invalid_token_is_unusable(claims: bytes) -> None:
    with pytest.raises(TokenUnusable):
        user_id_of("e30." + base64.urlsafe_b64encode(claims).decode().rstrip("=") + ".c2ln")


# --- heads ---

INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"


def test_interim_responses_are_skipped() -> None:
    assert answered(HINTS, INTERIM, HINTS, b'HTTP/1.1 200 OK\r\nETag: "8"\r\n\r\n').push(b"sealed", 7) == 8


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(INTERIM * 10_000, id="interim answers"),
        pytest.param(HINTS * 10_000, id="hints"),
        pytest.param(b"HTTP/1.1 200 OK\r\nETag: " + b"9" * 300_000, id="one line"),
        pytest.param(b'HTTP/1.1 200 OK\r\nETag: "8"\r\n' + (b"X: " + b"x" * 5000 + b"\r\n") * 60, id="many lines"),
    ],
)
def test_a_head_is_read_up_to_its_limit(head: bytes) -> None:
    transport = answered(head, b'HTTP/1.1 200 OK\r\nETag: "8"\r\n\r\n')
    with pytest.raises(Unavailable):
        transport.fetch()
    with pytest.raises(OutcomeUnknown):
        transport.push(b"sealed", 7)


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b'HTTP/1.1 200 OK\r\nETag: "8"\r\nContent-Le', id="breaks off in a name"),
        pytest.param(b'HTTP/1.1 200 OK\r\nETag: "8"\r\nX-Name: val', id="breaks off in a value"),
        pytest.param(
            b'HTTP/1.1 200 OK\r\nETag: "8"\r\nno field\r\nContent-Length: 0\r\n\r\n', id="a line that is no field"
        ),
        pytest.param(b'HTTP/1.1 200 OK\r\n folded\r\nETag: "8"\r\n\r\n', id="goes on before it began"),
        pytest.param(b'HTTP/1.1 200 OK\r\nETag : "8"\r\n\r\n', id="a space in a name"),
    ],
)
def test_an_incomplete_head_is_no_response(head: bytes) -> None:
    with pytest.raises(OutcomeUnknown):
        answered(head).push(b"sealed", 7)


ANSWERS = [
    b'HTTP/1.1 200 OK\r\nETag: "7"\r\nContent-Length: 5\r\nRepr-Digest: sha-256=:' + b"A" * 43 + b"=:\r\n\r\nbytes",
    b'HTTP/1.1 200 OK\r\nETag: "7"\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nbytes\r\n0\r\nX: y\r\n\r\n',
    b'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 409 X\r\nContent-Length: 22\r\n\r\n{"current_version": 3}',
    b"HTTP/1.0 302 X\r\nLocation: http://evil.example/\r\n\r\n",
    b"HTTP/1.1 429 X\r\nRetry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n",
]


@settings(max_examples=60)
@given(
    st.sampled_from(ANSWERS),
    st.lists(st.tuples(st.integers(0, 150), st.integers(0, 5), st.binary(max_size=5)), max_size=3),
    st.sampled_from(["fetch", "head", "push", "delete", "limits"]),
)
def test_any_response_is_accepted_or_a_typed_error(
    begun: bytes, edits: list[tuple[int, int, bytes]], call: str
) -> None:
    altered = begun
    for at, dropped, added in edits:
        altered = altered[:at] + added + altered[at + dropped :]
    arguments = {"push": (b"sealed", 7), "delete": (7,)}.get(call, ())
    with contextlib.suppress(TransportError):
        getattr(answered(altered), call)(*arguments)


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


# --- TLS ---


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return certificate_for_this_machine(tmp_path)


@pytest.fixture
def server_side(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))


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
