"""Where one request ends and the next begins, as the parser sees it and as the splitter does."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httptools

from obscura_backup.entrypoints.http.server.message_splitter import PIECES_MAX, MessageSplitter
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
