"""A hostile or broken server: every response ends in a typed error before the deadline."""

from __future__ import annotations

import base64
import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from obscura_backup_client.transport.bearer_token import user_id_of
from obscura_backup_client.transport.errors import (
    BackupLost,
    OutcomeUnknown,
    RateLimited,
    ServerRefused,
    TokenUnusable,
    TransportError,
    Unavailable,
    UnexpectedResponse,
)
from support.client.hostile_server import reply
from support.client.transports import answered
from support.table import table

DEEP = b"[" * 100_000
LONG = "9" * 5000

# --- nonsense ---


@table("status", [200, 400, 404, 409, 413, 500])
def test_deeply_nested_json_is_a_typed_error(status: int) -> None:
    with pytest.raises(UnexpectedResponse):
        answered(reply(status, DEEP[:60_000], 'ETag: "0"')).limits()


@table("location", ["//[", "http://[::1", "https://evil.example"])
def test_a_redirect_anywhere_is_refused(location: str) -> None:
    with pytest.raises(ServerRefused):
        answered(reply(302, b"", f"Location: {location}")).fetch()


def test_a_length_of_thousands_of_digits_is_refused() -> None:
    transport = answered(reply(200, b"bytes", 'ETag: "7"', f"Content-Length: {LONG}"))
    with pytest.raises(Unavailable):
        transport.fetch()
    with pytest.raises(Unavailable):
        transport.head()


@table("wait", [LONG, "Sun, 06 Nov " + LONG + " 08:49:37 GMT", "-5", "soon"])
def test_an_invalid_retry_after_is_ignored(wait: str) -> None:
    with pytest.raises(RateLimited) as limited:
        answered(reply(429, b"", f"Retry-After: {wait}")).fetch()
    assert limited.value.retry_after_seconds is None


@table("version", [True, -1, 2**53, 1.5, "7", None, [7]])
def test_an_invalid_current_version_leaves_the_outcome_unknown(version: object) -> None:
    with pytest.raises(OutcomeUnknown):
        answered(reply(409, json.dumps({"current_version": version}).encode())).push(b"sealed", 7)


@table("version", [True, -1, 0, 2**53, "7"])
def test_a_lost_backup_with_an_invalid_version_has_no_version(version: object) -> None:
    lost_backup = reply(500, json.dumps({"type": "urn:x:backup-lost", "version": version}).encode())
    with pytest.raises(BackupLost) as lost:
        answered(lost_backup).fetch()
    assert lost.value.version is None


@table("etag", ['"0"', '"-1"', '"9007199254740992"', f'"{LONG}"', "7", '"x"', ""])
def test_an_invalid_etag_is_not_a_version(etag: str) -> None:
    transport = answered(reply(200, b"bytes", f"ETag: {etag}"))
    with pytest.raises(UnexpectedResponse):
        transport.fetch()
    with pytest.raises(OutcomeUnknown):
        transport.push(b"sealed", 7)


@table(
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


@table("claims", [DEEP, b'{"sub": ' + DEEP, b'{"exp": 1e999}', b'{"exp": ' + LONG.encode() + b"}"])
def test_an_invalid_token_is_unusable(claims: bytes) -> None:
    with pytest.raises(TokenUnusable):
        user_id_of("e30." + base64.urlsafe_b64encode(claims).decode().rstrip("=") + ".c2ln")


# --- heads ---

INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"


def test_interim_responses_are_skipped() -> None:
    assert answered(HINTS, INTERIM, HINTS, b'HTTP/1.1 200 OK\r\nETag: "8"\r\n\r\n').push(b"sealed", 7) == 8


@table(
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


@table(
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
