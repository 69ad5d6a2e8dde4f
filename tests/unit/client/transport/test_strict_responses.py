"""Ambiguous responses, and responses that take much work to read."""

from __future__ import annotations

import collections
import contextlib
import itertools
from collections.abc import Iterator

import pytest

from obscura_backup_client.transport.errors import OutcomeUnknown, Unavailable, UnexpectedResponse
from obscura_backup_client.transport.exchange import EVENTS_PER_STEP, MAX_FRAMING_BYTES, exchange
from obscura_backup_client.transport.responses import NoResponseError, unexpected_is_unknown
from obscura_backup_client.transport.retries import Request
from support.client.transports import answered
from support.table import table

TOKEN = "aaa.bbb.ccc"
CHUNKED = b'HTTP/1.1 200 OK\r\nETag: "7"\r\nTransfer-Encoding: chunked\r\n\r\n'
END = b"0\r\n\r\n"
ONE_BYTE = b"1\r\nx\r\n"


# --- heads ---


def with_field(line: bytes) -> bytes:
    return b'HTTP/1.1 200 OK\r\nETag: "7"\r\nContent-Length: 5\r\n' + line + b"\r\n\r\nbytes"


@table("control", [bytes([each]) for each in (*range(9), *range(11, 13), *range(14, 32), 127)])
def test_a_control_character_in_a_field_is_refused(control: bytes) -> None:
    with pytest.raises(Unavailable):
        answered(with_field(b"X: a" + control + b"b")).fetch()


@table(
    "head",
    [
        pytest.param(b'HTTP/1.1 200 O\0K\r\nETag: "7"\r\nContent-Length: 5\r\n\r\nbytes', id="NUL in the reason"),
        pytest.param(b'HTTP/1.1 200 \x1b[2J\r\nETag: "7"\r\nContent-Length: 5\r\n\r\nbytes', id="escape in the reason"),
        pytest.param(with_field(b"X\0: a"), id="NUL in a name"),
        pytest.param(with_field(b"X: a\0"), id="NUL at the end"),
        pytest.param(with_field(b"X: \0"), id="NUL alone"),
        pytest.param(with_field(b"X: a\rY: b"), id="a bare CR"),
        pytest.param(with_field(b"X: a\r\r\nY: b"), id="two CR"),
        pytest.param(with_field(b"X : a"), id="a space before the colon"),
        pytest.param(with_field(b"X\t: a"), id="a tab before the colon"),
        pytest.param(with_field(b": a"), id="no name"),
        pytest.param(with_field(b"X"), id="no colon"),
        pytest.param(with_field("Ü: a".encode()), id="a name beyond ASCII"),
        pytest.param(with_field(b"Content-Length: 4"), id="two lengths"),
        pytest.param(with_field(b"Content-Length: 5, 4"), id="two lengths in one field"),
        pytest.param(with_field(b"Content-Length: 5\r\n 4"), id="a length that is folded"),
        pytest.param(with_field(b"Content-Length: +5"), id="a length with a sign"),
        pytest.param(with_field(b"Transfer-Encoding: chunked"), id="a length and chunks"),
        pytest.param(with_field(b"Transfer-Encoding: identity"), id="an unknown coding"),
        pytest.param(with_field(b"Transfer-Encoding:\x0bchunked"), id="a coding behind a vertical tab"),
        pytest.param(b'HTTP/2.0 200 OK\r\nETag: "7"\r\nContent-Length: 5\r\n\r\nbytes', id="another version"),
        pytest.param(b'HTTP/1.1 0200 OK\r\nETag: "7"\r\nContent-Length: 5\r\n\r\nbytes', id="four digits"),
        pytest.param(b'HTTP/1.1\t200 OK\r\nETag: "7"\r\nContent-Length: 5\r\n\r\nbytes', id="a tab in the status line"),
        pytest.param(b'\r\nHTTP/1.1 200 OK\r\nETag: "7"\r\nContent-Length: 5\r\n\r\nbytes', id="an empty line before"),
        pytest.param(b"HTTP/1.1 103 Hints\r\nX: \1\r\n\r\n" + with_field(b"X: a"), id="in an interim answer"),
        pytest.param(CHUNKED + b"5\r\nbytes\r\n0\r\nX: \0\r\n\r\n", id="NUL in a trailer"),
        pytest.param(CHUNKED + b"5\r\nbytes\r\n0\r\nX: \x1b\r\n\r\n", id="escape in a trailer"),
        pytest.param(CHUNKED + b"0x5\r\nbytes\r\n0\r\n\r\n", id="a size in another notation"),
        pytest.param(CHUNKED + b"5\r\nbytesX\r\n0\r\n\r\n", id="a chunk longer than its size"),
        pytest.param(CHUNKED + b"5 ;x\r\nbytes\r\n0\r\n\r\n", id="a space in a chunk's head"),
    ],
)
def test_invalid_http_is_refused(head: bytes) -> None:
    with pytest.raises(Unavailable):
        answered(head).fetch()


@table(
    "line",
    [
        pytest.param(b"X: a\tb", id="a tab"),
        pytest.param("X: Ü".encode("latin-1"), id="beyond ASCII"),
        pytest.param(b"X:", id="no value"),
        pytest.param(b"X: a\r\n b", id="a value that is folded"),
        pytest.param(b"Content-Length: 5", id="one length twice"),
    ],
)
def test_unusual_but_valid_http_is_accepted(line: bytes) -> None:
    fetched = answered(with_field(line)).fetch()
    assert fetched is not None
    assert fetched.blob == b"bytes"


def fields(count: int) -> bytes:
    """A head with this number of fields, including the length and the version."""
    return with_field(b"\r\n".join(b"X-%d: a" % number for number in range(count - 2)))


def test_a_head_has_a_hundred_fields_at_most() -> None:
    assert answered(fields(100)).fetch() is not None
    with pytest.raises(Unavailable, match="more than 100 fields"):
        answered(fields(101)).fetch()


@table("count", [101, 10_000])
def test_a_trailer_has_a_hundred_fields_at_most_too(count: int) -> None:
    trailer = CHUNKED + b"5\r\nbytes\r\n0\r\n" + b"a:\r\n" * count + b"\r\n"
    with pytest.raises(Unavailable, match="more than 100 fields"):
        answered(trailer).fetch()


# --- framing ---


def test_a_short_response_in_chunks_of_one_byte_is_accepted() -> None:
    fetched = answered(CHUNKED, ONE_BYTE * 5000, END).fetch()
    assert fetched is not None
    assert fetched.blob == b"x" * 5000


def test_a_long_response_in_chunks_of_a_kilobyte_is_accepted() -> None:
    fetched = answered(CHUNKED, (b"400\r\n" + bytes(1024) + b"\r\n") * 2048, END).fetch()
    assert fetched is not None
    assert fetched.blob == bytes(2 * 1024 * 1024)


@table(
    "piece",
    [
        pytest.param(ONE_BYTE, id="one byte"),
        pytest.param(b"1;" + b"e" * 5000 + b"\r\nx\r\n", id="one byte and a long extension"),
        pytest.param(b"00000001\r\nx\r\n", id="zeros before the size"),
        pytest.param(b"14;" + b"e" * 40 + b"\r\n" + b"x" * 20 + b"\r\n", id="twenty bytes and an extension"),
    ],
)
def test_more_framing_than_an_eighth_of_the_body_and_64_kib_is_refused(piece: bytes) -> None:
    whole = piece * (1024 * 1024 // len(piece))
    with pytest.raises(UnexpectedResponse, match="chunks"):
        answered(CHUNKED, whole, END).fetch()


def fed(answer: bytes) -> Iterator[bytes | None]:
    """The steps of a GET that is answered by these bytes, the last hundred of them in pieces of one byte."""
    steps = exchange(
        Request("GET", "/v1/backup", {}, max_response_bytes=10_000_000), "http://127.0.0.1", lambda *_: None
    )
    start = len(answer) - 100
    pieces = itertools.chain(
        (answer[at : min(at + 4096, start)] for at in range(0, start, 4096)),
        (answer[at : at + 1] for at in range(start, len(answer))),
    )
    wanted = next(steps)
    while True:
        yield wanted
        try:
            wanted = steps.send(next(pieces, b"") if wanted is None else b"")
        except StopIteration:
            return


@table(("beyond", "refused"), [(0, False), (1, True)])
def test_the_limit_of_framing_is_exact(beyond: int, *, refused: bool) -> None:
    body = b"800\r\n" + bytes(0x800) + b"\r\n1;" + b"e" * 30_000 + b"\r\nx\r\n"
    spare = MAX_FRAMING_BYTES + 0x801 // 8 - (len(body) - 0x801)
    # Framing that no parser has looked at yet: its line does not end.
    extension = b"1;" + b"e" * (spare - 2 + beyond)
    # Taken, the connection breaks off here.
    with pytest.raises(UnexpectedResponse if refused else NoResponseError):
        collections.deque(fed(CHUNKED + body + extension), maxlen=0)


# --- the loop and the clock ---


def test_events_between_two_steps_are_bounded() -> None:
    events: list[int] = [0]

    def count(*_: object) -> None:
        events[-1] += 1

    steps = exchange(Request("GET", "/v1/backup", {}), "http://127.0.0.1", count)
    whole = CHUNKED + ONE_BYTE * 5000 + END
    wanted = next(steps)
    with contextlib.suppress(StopIteration):
        while True:
            wanted = steps.send(whole if wanted is None else b"")
            events.append(0)
    assert sum(events) == 5000
    assert max(events) <= EVENTS_PER_STEP


FLOODS = [
    pytest.param(CHUNKED, ONE_BYTE, id="chunks of one byte in small segments"),
    pytest.param(CHUNKED, b"64\r\n" + bytes(100) + b"\r\n", id="chunks of a hundred bytes"),
    pytest.param(b'HTTP/1.1 200 OK\r\nETag: "7"\r\n\r\n', b"x" * 10, id="a body in small segments"),
    pytest.param(b"", b"HTTP/1.1 100 \r\n\r\n" * 400, id="interim answers"),
    pytest.param(CHUNKED + b"0\r\n", b"a:\r\n" * 1000, id="trailers"),
    pytest.param(b"HTTP/1.1 200 OK\r\n", b"a:\r\n" * 1000, id="fields"),
    pytest.param(b"HTTP/1.1 200 OK\r\n", b"a" * 10, id="a field in small segments"),
]


@table(("begin", "piece"), FLOODS)
def test_a_flood_is_refused_by_its_length(begin: bytes, piece: bytes) -> None:
    steps = exchange(Request("GET", "/v1/backup", {}, max_response_bytes=20_000), "http://127.0.0.1", lambda *_: None)
    flood = itertools.chain([begin], itertools.repeat(piece))
    taken, wanted = 0, next(steps)
    with contextlib.suppress(NoResponseError, UnexpectedResponse):
        while taken < 150_000:
            received = next(flood) if wanted is None else b""
            taken += len(received)
            wanted = steps.send(received)
    assert taken < 150_000, "it was not refused"


@table(
    ("status", "is_known"),
    [
        (0, False), (200, False), (399, False), (400, True), (408, True), (409, False), (410, True), (499, True),
        (500, False), (599, False),
    ],
)  # fmt: skip
def test_only_the_status_of_a_refusal_means_that_nothing_changed(status: int, *, is_known: bool) -> None:
    """For invalid responses; a 409 must name the current version."""
    kind = UnexpectedResponse if is_known else OutcomeUnknown
    with pytest.raises(kind), unexpected_is_unknown():
        raise UnexpectedResponse(status, "a reason")
