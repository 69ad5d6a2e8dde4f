"""Requests that two programs may read differently: one of them is ours, and it reads them in one way or not at all.

Each shape is followed by an innocent request. Where the shape is refused, that one must never be answered: a proxy that
saw one request where we see two, or two where we see one, would hand the second answer to somebody else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.servers.raw_http import say
from support.servers.service import Person, Service

if TYPE_CHECKING:
    from collections.abc import Iterator

NEXT = b"GET /v1/config HTTP/1.1\r\nHost: next\r\n\r\n"
POST = b"POST /v1/backup HTTP/1.1\r\nHost: x\r\n"
GET = b"GET /v1/config HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("wire"))
    service.start()
    yield service
    assert service.stop() == 0


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
    """Two answers to one request: whoever reads them would take the second for the answer to their next one."""
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
    """RFC 9112, 6.1: faulty framing, after which nothing on the connection is to be believed."""
    head = b"POST /v1/backup HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert len(say(service.port, head + END + NEXT).statuses) == 1


@pytest.mark.parametrize(
    "version", [b"HTTP/0.9", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/1.10", b"HTTP/9.9", b"http/1.1", b""]
)
def test_other_versions(service: Service, version: bytes) -> None:
    statuses = say(service.port, b"GET /v1/config " + version + b"\r\nHost: x\r\n\r\n" + NEXT).statuses
    assert statuses in ([400], [505])


def test_preface_of_http_2(service: Service) -> None:
    assert say(service.port, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + NEXT).statuses == [400]


@pytest.mark.parametrize(
    "host",
    [
        b"a b",
        b"u@x",
        b"x/y",
        b"x?y",
        b"x#y",
        b"<x>",
        b"x\\y",
        b'"x"',
        b"x\ty",
        "é".encode(),
        b"x\r\nHost: y",
        b"a,b",
        b"a:b:c",
        b"[::1",
        b"::1]",
        b"[::1]x",
        b"[1::2::3]",
        b"[]",
        b"x:99999999",
        b"x:65536",
        b"x:y",
    ],
)
def test_host_that_is_none(service: Service, host: bytes) -> None:
    assert say(service.port, b"GET /v1/config HTTP/1.1\r\nHost: " + host + b"\r\n\r\n" + NEXT).statuses == [400]


@pytest.mark.parametrize("host", [b"x", b"x:99", b"[2001:db8::1]:8400", b"192.0.2.1", b"a_b-c.example.", b""])
def test_host_that_is_one(service: Service, host: bytes) -> None:
    assert say(service.port, b"GET /v1/config HTTP/1.1\r\nHost: " + host + b"\r\n\r\n").statuses == [200]


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"//v1/config", 400),
        (b"/v1//config", 400),
        (b"/v1/config/", 400),
        (b"/v1/%63onfig", 400),
        (b"/v1%2fconfig", 400),
        (b"/v1/config%00", 400),
        (b"/v1/config%0d%0aX:y", 400),
        (b"/v1/%2e/config", 400),
        (b"/v1/%c0%ae%c0%ae/config", 400),
        (b"/v1/%ed%a0%80", 400),
        (b"/v1/%", 400),
        (b"/metrics/", 400),
        (b"//metrics", 400),
        (b"/v1/./config", 404),
        (b"/v1/x/../config", 404),
        (b"/v1/config;x", 404),
        (b"/V1/config", 404),
        (b"*", 404),
        (b"v1/config", 400),
        (b"\\v1\\config", 400),
        (b"/v1/\xff\xfe", 400),
        (b"/v1/\xc3\xa9", 400),
        (b"/v1/con\tfig", 400),
        (b"/v1/con\x00fig", 400),
        (b"/v1/con fig", 400),
        (b"x:80", 400),
        (b"https://x:99999/v1/config", 400),
        (b"http://x/v1/config", 200),
        (b"HTTPS://[::1]:8400/v1/config", 200),
        (b"/metrics#x", 400),
        (b"/v1/config#/../metrics", 400),
        (b"/v1/config?x#y", 400),
        (b"#", 400),
        (b"http://x?/v1/config", 400),
        (b"http://x", 400),
        (b"http:///v1/config", 400),
        (b"http://u@x/v1/config", 400),
        (b"http://u:p@x/v1/config", 400),
        (b"http://a,b/v1/config", 400),
        (b"http://[::1/v1/config", 400),
        (b"ftp://x/v1/config", 400),
        (b"javascript://x/v1/config", 400),
        (b"/v1/config?%ff=&&==%zz&%00", 200),
        (b"/" + b"a" * 100_000, 431),
        (b"/v1/config?" + b"a" * 100_000, 431),
    ],
)
def test_targets(service: Service, target: bytes, status: int) -> None:
    assert say(service.port, b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n").statuses == [status]


@pytest.mark.parametrize(
    "line",
    [
        b"GET  /v1/config HTTP/1.1",
        b"GET   /v1/config HTTP/1.1",
        b"GET /v1/config  HTTP/1.1",
        b"GET  /v1/config  HTTP/1.1",
        b"GET\t/v1/config HTTP/1.1",
        b"GET /v1/config\tHTTP/1.1",
        b"GET \t/v1/config HTTP/1.1",
        b"GET\t /v1/config HTTP/1.1",
        b"GET /v1/config \tHTTP/1.1",
        b"GET\x0b/v1/config HTTP/1.1",
        b"GET\x0c/v1/config HTTP/1.1",
        b"GET\xa0/v1/config HTTP/1.1",
        b"GET /v1/config HTTP/1.1 ",
        b"GET /v1/config HTTP/1.1  ",
        b"GET /v1/config HTTP/1.1\t",
        b"GET /v1/config HTTP/1.1\r",
        b"GET /v1/config HTTP/1.1 HTTP/1.1",
        b"GET /v1/config",
        b"GET /v1/config ",
        b"GET  /v1/config",
        b"GET /v1/config HTTP/",
        b"GET /v1/config HTTP/1",
        b"GET /v1/config HTTP/1.",
        b"GET /v1/config HTTP /1.1",
        b"GET /v1/config HTTP/1 .1",
        b"GET /v1/config HTTP/ 1.1",
        b"GET /v1/config HTTP/01.1",
        b" GET /v1/config HTTP/1.1",
        b"\tGET /v1/config HTTP/1.1",
        b"GET HTTP/1.1",
        b"GET  HTTP/1.1",
        b"/v1/config HTTP/1.1",
        b"OPTIONS /v1/config RTSP/1.0",
        b"GET /v1/config RTSP/1.0",
        b"GET /v1/config ICE/1.0",
        b"SOURCE /v1/config ICE/1.0",
    ],
)
def test_request_line_that_can_be_read_in_two_ways(service: Service, line: bytes) -> None:
    whole = line + b"\r\nHost: x\r\n\r\n"
    assert say(service.port, whole + NEXT).statuses == [400]
    assert say(service.port, b"\r\n" + whole + NEXT).statuses == [400]
    for cut in (1, 4, 5, len(line) - 1, len(line), len(line) + 1, len(whole) - 1):
        assert say(service.port, whole[:cut], whole[cut:] + NEXT).statuses == [400]
    assert say(service.port, NEXT + whole + NEXT).statuses in ([200], [200, 400])


@pytest.mark.parametrize("empty_lines", [1, 2])
def test_empty_lines_before_a_request_are_passed_over(service: Service, empty_lines: int) -> None:
    """RFC 9112, 2.2: some old clients send one after a body."""
    assert say(service.port, b"\r\n" * empty_lines + NEXT).statuses == [200]


@pytest.mark.parametrize("method", [b"TRACE", b"PURGE", b"PUT", b"PATCH", b"PROPFIND"])
def test_methods_that_there_are_not(service: Service, method: bytes) -> None:
    heard = say(service.port, method + b" /v1/config HTTP/1.1\r\nHost: x\r\nCookie: secret\r\n\r\n")
    assert heard.statuses == [405]
    assert b"secret" not in heard.data


@pytest.mark.parametrize("method", [b"get", b"Get", b"BREW", b"", b"GET\x00", b"G ET", b"POST_", b"A" * 10_000])
def test_methods_that_are_none(service: Service, method: bytes) -> None:
    assert say(service.port, method + b" /v1/config HTTP/1.1\r\nHost: x\r\n\r\n" + NEXT).statuses == [400]


@pytest.mark.parametrize("target", [b"x:443", b"/v1/backup", b"http://x/"])
def test_tunnel(service: Service, target: bytes) -> None:
    """What comes after CONNECT is not looked at: it could be meant for the other end of a tunnel."""
    statuses = say(service.port, b"CONNECT " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n" + NEXT).statuses
    assert statuses in ([400], [404], [405])


def test_method_is_the_one_in_the_request_line(service: Service) -> None:
    person = Person.of(service)
    person.upload(bytes(100))
    for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        assert person.download(**{name: "DELETE"}).status == 200
    assert person.download().status == 200


def test_ten_thousand_fields(service: Service) -> None:
    assert say(service.port, GET + b"a: b\r\n" * 10_000 + b"\r\n" + NEXT).statuses == [431]


def test_field_of_a_megabyte(service: Service) -> None:
    assert say(service.port, GET + b"a: " + b"b" * 1_000_000 + b"\r\n\r\n" + NEXT).statuses[:1] == [431]


def test_token_is_not_taken_away_by_who_sent_it(service: Service) -> None:
    """`Connection: Authorization` makes a proxy strip the field; it is none of our business, and we are no proxy."""
    person = Person.of(service)
    assert person.download(Connection="Authorization").status == 404


def test_requests_without_end_on_one_connection(service: Service) -> None:
    """As many as may wait are answered, in order; what is behind them is not even looked at."""
    heard = say(service.port, NEXT * 5000)
    assert 1 <= len(heard.statuses) <= 100
    assert set(heard.statuses) == {200}


def test_service_is_as_well_as_before(service: Service) -> None:
    person = Person.of(service)
    assert person.upload(bytes(100)).status == 200
    assert service.request("GET", "/health/ready", token=None).status == 200
