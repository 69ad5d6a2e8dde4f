"""Request lines, targets, hosts, methods and versions that two programs may read differently."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.servers.raw_http import NEXT, say
from support.servers.service import Person

if TYPE_CHECKING:
    from support.servers.service import Service


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
        (b"/health/ready/", 400),
        (b"//health/ready", 400),
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
        (b"/health/ready#x", 400),
        (b"/v1/config#/../health/ready", 400),
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
