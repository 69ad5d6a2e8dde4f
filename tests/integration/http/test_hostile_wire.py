"""Framing and header fields that two programs may read differently: ours reads them in one way, or not at all.

Each shape is followed by an innocent request. Where the shape is refused, that one must never be answered: a proxy that
saw one request where we see two, or two where we see one, would hand the second answer to another client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.servers.raw_http import NEXT, say
from support.servers.service import Person

if TYPE_CHECKING:
    from support.servers.service import Service

POST = b"POST /v1/backup HTTP/1.1\r\nHost: x\r\n"
GET = b"GET /v1/config HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5",
        b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        b"Transfer-Encoding: chunked, identity",
        b"Transfer-Encoding : chunked",
        b"Transfer-Encoding: \x0bchunked",
        b"Transfer-Encoding:\r\n chunked",
        b"X: y\r\n Transfer-Encoding: chunked",
        b'Transfer-Encoding: "chunked"',
        b"Transfer-Encoding: chunked;x=1",
        b"Transfer-Encoding: chunked\x00",
        b"Transfer-Encoding: chun\r\n ked",
    ],
)
def test_framing_by_a_coding_that_can_be_read_in_two_ways(service: Service, head: bytes) -> None:
    assert say(service.port, POST + head + b"\r\n\r\n" + END + NEXT).statuses == [400]


@pytest.mark.parametrize(
    "length",
    [
        b"5\r\nContent-Length: 5",
        b"0\r\nContent-Length: 5",
        b"5, 5",
        b"+5",
        b"-1",
        b"-0",
        b"0x5",
        b"5.0",
        b"5e0",
        b"5_0",
        b"1 0",
        b"",
        b"\x00",
        b"18446744073709551616",
        b"9" * 1000,
        "\N{FULLWIDTH DIGIT FIVE}".encode(),
        b"five",
        b"\r\n 5",
    ],
)
def test_length_that_can_be_read_in_two_ways(service: Service, length: bytes) -> None:
    assert say(service.port, POST + b"Content-Length: " + length + b"\r\n\r\n" + END + NEXT).statuses == [400]


@pytest.mark.parametrize(
    "name", [b"Content-Length ", b"Content-Length\t", b"\x0bContent-Length", b"Content-Length\x00", b""]
)
def test_name_that_can_be_read_in_two_ways(service: Service, name: bytes) -> None:
    assert say(service.port, POST + name + b": 5\r\n\r\n" + END + NEXT).statuses == [400]


@pytest.mark.parametrize(
    "body",
    [
        b"FFFFFFFFFFFFFFFFF\r\nx",
        b"-1\r\nx",
        b"+5\r\nhello\r\n",
        b"0x5\r\nhello\r\n",
        b"5 \r\nhello\r\n",
        b" 5\r\nhello\r\n",
        b"5\nhello\n",
        b"5\r\nhelloXX",
        b"5\r\nhello\n",
        b"5;a\nhello\r\n",
        b"5;a\rb\r\nhello\r\n",
        b"\r\nhello\r\n",
        b"5\r\r\nhello\r\n",
        b"5_0\r\nhello\r\n",
        b"\x005\r\nhello\r\n",
    ],
)
def test_chunk_that_can_be_read_in_two_ways(service: Service, body: bytes) -> None:
    """Nothing that comes after it is a request, and it is no upload either."""
    person = Person.of(service)
    authorised = CHUNKED.replace(b"\r\n\r\n", f"\r\nAuthorization: Bearer {person.token}\r\n\r\n".encode())
    assert say(service.port, authorised + bytes(0) + body + END + NEXT).statuses == [400]
    assert person.download().status == 404
    assert say(service.port, CHUNKED + body + END + NEXT).statuses in ([400], [401])


def test_malformed_chunk_after_the_answer_has_no_answer_of_its_own(service: Service) -> None:
    """Of two answers to one request, the client would take the second for the answer to its next request."""
    heard = say(service.port, CHUNKED, b"5\r\nhello\r\n", b"zz\r\n" + NEXT)
    assert heard.statuses in ([400], [401])


def test_malformed_request_behind_another_does_not_take_its_answer(service: Service) -> None:
    assert say(service.port, NEXT + b"NONSENSE\r\n\r\n" + NEXT).statuses == [200]
    assert say(service.port, NEXT + GET + b"X: " + b"x" * 60_000 + b"\r\n\r\n" + NEXT).statuses == [200]


@pytest.mark.parametrize(
    "field",
    [
        b"X: a\rTransfer-Encoding: chunked",
        b"X: a\x00b",
        b"X: a\x01b",
        b"X\x00: b",
        b": b",
        b"no colon",
        b"X: a\nY: b",
        b"X Y: b",
        b"X(: b",
        b"\xff: b",
    ],
)
def test_field_that_is_none(service: Service, field: bytes) -> None:
    assert say(service.port, GET + field + b"\r\n\r\n" + NEXT).statuses == [400]


def test_line_ends_without_their_half(service: Service) -> None:
    assert say(service.port, b"GET /v1/config HTTP/1.1\nHost: x\n\n" + NEXT).statuses == [400]
    assert say(service.port, b"GET /v1/config HTTP/1.1\rHost: x\r\r" + NEXT).statuses == [400]


def test_folded_first_field(service: Service) -> None:
    assert say(service.port, b"GET /v1/config HTTP/1.1\r\n Host: x\r\nHost: y\r\n\r\n" + NEXT).statuses == [400]


def test_bad_target_behind_an_upload_does_not_take_its_answer(service: Service) -> None:
    """Else a stored upload would be taken for a refused one."""
    person = Person.of(service)
    head = POST + f"Authorization: Bearer {person.token}\r\nContent-Length: 100\r\n\r\n".encode()
    bad = b"GET http://other?/v1/config HTTP/1.1\r\nHost: x\r\n\r\n"
    assert say(service.port, head + bytes(100) + bad + NEXT).statuses == [200, 400]
    assert person.download().status == 200


def test_body_of_a_refused_request_is_read_as_a_body(service: Service) -> None:
    smuggled = b"DELETE /v1/backup HTTP/1.1\r\nHost: x\r\n\r\n"
    head = POST + b"Content-Length: %d\r\n\r\n" % len(smuggled)
    assert say(service.port, head + smuggled).statuses == [401]
    assert say(service.port, head, smuggled + NEXT).statuses == [401, 200]
    assert say(service.port, CHUNKED + b"%x\r\n" % len(smuggled) + smuggled + b"\r\n" + END).statuses == [401]


def test_body_of_a_get_is_a_body(service: Service) -> None:
    assert say(service.port, GET + b"Content-Length: %d\r\n\r\n" % len(NEXT) + NEXT).statuses == [200]


def test_old_version_has_no_chunks(service: Service) -> None:
    """RFC 9112, 6.1: faulty framing, after which nothing on the connection can be trusted."""
    head = b"POST /v1/backup HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert len(say(service.port, head + END + NEXT).statuses) == 1


def test_ten_thousand_fields(service: Service) -> None:
    assert say(service.port, GET + b"a: b\r\n" * 10_000 + b"\r\n" + NEXT).statuses == [431]


def test_field_of_a_megabyte(service: Service) -> None:
    assert say(service.port, GET + b"a: " + b"b" * 1_000_000 + b"\r\n\r\n" + NEXT).statuses[:1] == [431]


def test_token_is_not_taken_away_by_who_sent_it(service: Service) -> None:
    """`Connection: Authorization` makes a proxy strip the field; it is none of our business, and we are no proxy."""
    person = Person.of(service)
    assert person.download(Connection="Authorization").status == 404


def test_requests_without_end_on_one_connection(service: Service) -> None:
    """As many as may wait are answered, in order; later ones are not even looked at."""
    heard = say(service.port, NEXT * 5000)
    assert 1 <= len(heard.statuses) <= 100
    assert set(heard.statuses) == {200}


def test_service_is_as_well_as_before(service: Service) -> None:
    person = Person.of(service)
    assert person.upload(bytes(100)).status == 200
    assert service.request("GET", "/health/ready", token=None).status == 200
