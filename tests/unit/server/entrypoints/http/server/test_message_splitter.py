"""Heads of requests: where one request ends and the next begins, and what is valid in its first lines."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httptools

from obscura_backup.entrypoints.http.server.message_splitter import PIECES_MAX, MessageSplitter
from obscura_backup.entrypoints.http.server.request_head import find_head_fault, is_host, is_target
from support.table import table

GET = b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n"
LOOSE = b"GET  /%d HTTP/1.1\r\nHost: x\r\n\r\n"


@dataclass
class Reader:
    """The parser, fed through a splitter as a connection does it."""

    splitter: MessageSplitter = field(default_factory=MessageSplitter)
    fed: bytes = b""
    urls: list[bytes] = field(default_factory=list)
    strict: list[bool] = field(default_factory=list)
    blind: list[bool] = field(default_factory=list)
    _headers: dict[bytes, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._parser: Any = httptools.HttpRequestParser(self)

    def read(self, data: bytes) -> None:
        for piece in self.splitter.pieces(data):
            self.fed += piece
            self._parser.feed_data(piece)

    def on_message_begin(self) -> None:
        self._headers = {}
        self.urls.append(b"")
        self.blind.append(self.splitter.may_miss_start)

    def on_url(self, url: bytes) -> None:
        self.urls[-1] += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self.strict.append(self.splitter.has_strict_line)
        chunked = b"transfer-encoding" in self._headers
        self.splitter.begin_body(None if chunked else int(self._headers.get(b"content-length", b"0")))

    def on_message_complete(self) -> None:
        self.splitter.begin_head()


def message(random: Random, number: int) -> tuple[bytes, bool]:
    """A request, and whether its line is strict. Bodies and chunks contain many ends of heads."""
    strict = random.random() < 0.5
    line = b"%s%s/%d%sHTTP/1.1\r\nHost: x\r\n" % (
        random.choice([b"GET", b"POST"]),
        *((b" ", number, b" ") if strict else random.choice([(b"  ", number, b" "), (b" ", number, b"   ")])),
    )
    junk = b"".join(random.choices([b"\r\n", b"\r\n\r\n", b"0\r\n\r\n", b"GET  / HTTP/1.1\r\n\r\n", b"x"], k=5))
    body = random.choice(
        [
            b"\r\n",
            b"Content-Length: %d\r\n\r\n" % len(junk) + junk,
            b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(junk) + junk + b"\r\n0\r\n\r\n",
            b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(junk) + junk + b"\r\n0\r\nTrailer: x\r\n\r\n",
        ]
    )
    return random.choice([b"", b"\r\n"]) + line + body, strict


def test_every_line_is_seen_as_it_was_sent_however_the_stream_is_cut() -> None:
    for seed in range(100):
        random = Random(seed)
        messages = [message(random, number) for number in range(6)]
        stream = b"".join(sent for sent, _ in messages)
        cuts = [0, *sorted(random.choices(range(len(stream)), k=random.choice([0, 3, 30]))), len(stream)]
        reader = Reader()
        for begin, end in itertools.pairwise(cuts):
            reader.read(stream[begin:end])
        assert reader.fed == stream, seed
        assert reader.urls == [b"/%d" % number for number in range(6)], seed
        assert reader.strict == [strict for _, strict in messages], seed
        assert not any(reader.blind), seed


def test_every_line_is_seen_byte_by_byte() -> None:
    reader = Reader()
    for byte in GET % 1 + LOOSE % 2 + GET % 3:
        reader.read(bytes([byte]))
    assert reader.strict == [True, False, True]


def test_pieces_are_not_copied() -> None:
    data, reader = GET % 1 + GET % 2, Reader()
    pieces = reader.splitter.pieces(data)
    assert [(piece.obj is data, bytes(piece)) for piece in pieces] == [(True, GET % 1), (True, GET % 2)]


@table("more", [0, 1])
def test_one_read_is_cut_so_many_times_and_no_message_after_that_is_trusted(more: int) -> None:
    """Else a body of empty lines would cost one call of the parser per line."""
    empty_lines = b"\r\n" * 2 * (PIECES_MAX - 4 + more)
    chunk = b"%x\r\n%s\r\n0\r\n\r\n" % (len(empty_lines), empty_lines)
    reader = Reader()
    reader.read(b"POST /1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + GET % 2)
    assert reader.urls == [b"/1", b"/2"]
    assert reader.blind == [False, bool(more)]
    assert not reader.splitter.may_miss_start


HOST = (b"host", b"backup.example")


def fault(
    url: bytes = b"/v1/backup", *headers: tuple[bytes, bytes], version: str = "1.1", strict: bool = True
) -> tuple[int, str] | None:
    return find_head_fault(url, headers, version, has_strict_line=strict)


@table("version", ["1.1", "1.0"])
def test_request_with_one_host_is_valid(version: str) -> None:
    assert fault(b"/v1/backup", HOST, (b"accept", b"*/*"), version=version) is None


def test_only_http_1_0_may_omit_host() -> None:
    assert fault(version="1.0") is None
    assert fault() == (400, "Invalid Host: send one Host header with one host.")


@table("second", [HOST, (b"host", b"other.example")])
def test_two_hosts_are_refused(second: tuple[bytes, bytes]) -> None:
    found = fault(b"/", HOST, second)
    assert found is not None
    assert found[0] == 400


@table("version", ["1.1", "1.0"])
def test_malformed_host_is_refused(version: str) -> None:
    assert fault(b"/", (b"host", b"a,b"), version=version) is not None


def test_malformed_second_host_is_refused_in_http_1_0_too() -> None:
    assert fault(b"/", HOST, (b"host", b"a b"), version="1.0") is not None


@table("version", ["2.0", "0.9", "1.2", "3"])
def test_other_http_versions_are_refused_with_505(version: str) -> None:
    found = fault(b"/", HOST, version=version)
    assert found is not None
    assert found[0] == 505


def test_ambiguous_request_line_is_refused() -> None:
    found = fault(b"/", HOST, strict=False)
    assert found is not None
    assert (found[0], "one space between them" in found[1]) == (400, True)


def test_malformed_target_is_refused() -> None:
    found = fault(b"v1/backup", HOST)
    assert found is not None
    assert (found[0], found[1] == "Invalid request target.") == (400, True)


def test_valid_hosts() -> None:
    cases: list[bytes] = [
        b"", b"backup.example", b"backup.example:443", b"backup.example:", b"192.0.2.1", b"[2001:db8::1]",
        b"[2001:db8::1]:8400", b"[::ffff:192.0.2.1]", b"a:0", b"a:65535", b"under_score", b"%41",
    ]  # fmt: skip
    for host in cases:
        assert is_host(host)


def test_invalid_hosts() -> None:
    cases: list[bytes] = [
        b"a,b", b"a b", b"a/b", b"user@a", b"a:65536", b"a:99999", b"a:123456", b"a:b", b"a:1:2", b"2001:db8::1",
        b"[2001:db8::1", b"[::g]", b"[1:2:3]", b"[]", b"[::1]x", b"a?b", b"a#b", b"\xe4",
    ]  # fmt: skip
    for host in cases:
        assert not is_host(host)


def test_valid_targets() -> None:
    cases: list[bytes] = [
        b"/", b"/v1/backup", b"/a?b=c", b"/%41", b"*", b"http://a/", b"https://a:443/v1", b"HTTP://a/",
        b"http://[::1]:80/a", b"/a//b", b"/!~",
    ]  # fmt: skip
    for target in cases:
        assert is_target(target)


def test_invalid_targets() -> None:
    cases: list[bytes] = [
        b"", b"v1", b"http://a", b"http:///a", b"ftp://a/", b"http://user@a/", b"http://a:65536/", b"http://[::g]/",
        b"/a#b", b"/a b", b"/\x7f", b"/\xe4", b"//a#", b"**", b"a:80",
    ]  # fmt: skip
    for target in cases:
        assert not is_target(target)
