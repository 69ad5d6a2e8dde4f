"""One HTTP/1.1 request and its response without I/O, so that both transports parse responses equally strictly.

Each transport drives `exchange` over its own connection, which serves one request. Between a fetch and its push a
password is typed and a key derived; if the server closed a reused connection meanwhile, the upload's outcome would be
unknown.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Generator
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import h11

from obscura_backup_client.transport.errors import UnexpectedResponse
from obscura_backup_client.transport.responses import (
    MAX_HEAD_BYTES,
    NoResponseError,
    Response,
    body_length,
    make_response,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from obscura_backup_client.transport.interface import OnBytes
    from obscura_backup_client.transport.retries import Request

SEND_BYTES: Final = 16 * 1024
"""The most bytes that one step sends."""

RECEIVE_BYTES: Final = 8 * 1024
"""The most bytes that a transport may pass to one step."""

# Bounds the work between two steps, which blocks an event loop. 8 KiB hold 1,300 of the smallest chunks, which the
# parser needs about 20 ms for.
EVENTS_PER_STEP: Final = 64

# Header fields per response. Servers send at most 30; `http.client` accepts 100.
MAX_FIELDS: Final = 100
# The most bytes of chunk headers and trailers: 64 KiB plus an eighth of the body. A chunk of one byte takes six bytes,
# and 2 MiB of such chunks take many seconds of processor time. Servers and proxies send chunks of kilobytes.
MAX_FRAMING_BYTES: Final = 64 * 1024
FRAMING_SHARE: Final = 8

NOT_HTTP: Final = "its answer is not valid HTTP"
TOO_MANY_FIELDS: Final = f"its answer has more than {MAX_FIELDS} fields"
# h11 refuses only NUL, because some servers send others in cookies. RFC 9110, 5.5, calls them dangerous.
_CONTROL_CHARACTER: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_VERSIONS: Final = (b"1.0", b"1.1")

ExchangeSteps = Generator[bytes | None, bytes, Response]
"""Yields bytes to send, or None to receive up to `RECEIVE_BYTES` (none at the end of the stream).

Yielding empty bytes is a pause in a long computation: the transport lets other tasks run and checks the deadline. The
transport throws the error of a step into the generator. It returns the response.
"""


def exchange(request: Request, server: str, on_bytes: OnBytes) -> ExchangeSteps:
    """The steps of one request to the address `server`, over an open connection.

    Raises:
        NoResponseError: the response is incomplete, invalid HTTP, or its head is too long.
        UnexpectedResponse: it is longer than the request allows, or has too many chunk headers.
        OSError: the error of a step, unless a response came before the whole request was sent.
    """
    http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
    # The server may have refused the request early, and its response may already be received.
    with contextlib.suppress(ConnectionError, TimeoutError):
        yield from _sent(http, request, server, on_bytes)
    reader = _ResponseReader(http, request, on_bytes)
    try:
        return (yield from reader.read())
    except h11.RemoteProtocolError as error:
        raise NoResponseError(reader.failure, sent=True, final=False) from error


def _sent(http: h11.Connection, request: Request, server: str, on_bytes: OnBytes) -> Generator[bytes, bytes, None]:
    address, body = urlsplit(server), request.body or b""
    headers = {"Host": address.netloc, "Connection": "close", **request.headers}
    head = h11.Request(method=request.method, target=address.path + request.path, headers=list(headers.items()))
    yield http.send(head) or b""
    for start in range(0, len(body), SEND_BYTES):
        yield http.send(h11.Data(data=body[start : start + SEND_BYTES])) or b""
        on_bytes("up", min(start + SEND_BYTES, len(body)), len(body))
    # Produces no bytes: all bodies have a length.
    http.send(h11.EndOfMessage())


class _ResponseReader:
    """Reads the response. `failure` says in plain words why reading stopped at a protocol error."""

    def __init__(self, http: h11.Connection, request: Request, on_bytes: OnBytes) -> None:
        self._http, self._request, self._on_bytes = http, request, on_bytes
        self._received_bytes = 0
        # Line ends since the last whole event: fields that the parser has not parsed yet.
        self._unparsed_lines = 0
        self._events = 0
        self._ended = False

    @property
    def failure(self) -> str:
        return "the connection broke" if self._ended else NOT_HTTP

    def read(self) -> ExchangeSteps:
        response = yield from self._head()
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers]
        total = body_length(headers)
        # Progress is reported only for the blob; for short responses the line would flicker.
        reports_progress = self._request.method == "GET" and response.status_code == 200
        body = yield from self._body(total, reports_progress=reports_progress)
        return make_response(response.status_code, headers, body)

    def _head(self) -> Generator[bytes | None, bytes, h11.Response]:
        """The head of the response. Interim responses (1xx) before it are ignored."""
        while True:
            event = yield from self._next_event()
            if event is h11.NEED_DATA:
                if self._received_bytes > MAX_HEAD_BYTES:
                    raise NoResponseError("the head of its answer is too long", sent=True, final=False)
                yield from self._receive_into_parser()
            elif isinstance(event, h11.Response | h11.InformationalResponse):
                self._unparsed_lines = 0
                _require_plain(event.headers, event.reason)
                if isinstance(event, h11.Response):
                    if event.http_version not in _VERSIONS:
                        raise NoResponseError(NOT_HTTP, sent=True, final=False)
                    return event
            else:
                raise NoResponseError(self.failure, sent=True, final=False)

    def _body(self, total: int | None, *, reports_progress: bool) -> Generator[bytes | None, bytes, bytes]:
        content = bytearray()
        head_bytes = self._received_bytes - len(self._http.trailing_data[0])
        while True:
            event = yield from self._next_event()
            if isinstance(event, h11.EndOfMessage):
                _require_plain(event.headers)
                return bytes(content)
            if isinstance(event, h11.Data):
                self._unparsed_lines = 0
                content += event.data
                if len(content) > self._request.max_response_bytes:
                    raise UnexpectedResponse(0, f"it is longer than {self._request.max_response_bytes} bytes")
                if reports_progress:
                    self._on_bytes("down", len(content), total)
            elif event is h11.NEED_DATA:
                # All received content was consumed, so the rest is framing.
                framing_bytes = self._received_bytes - head_bytes - len(content)
                if framing_bytes > MAX_FRAMING_BYTES + len(content) // FRAMING_SHARE:
                    raise UnexpectedResponse(
                        0, "it is cut into chunks that are too small, or their framing does not end"
                    )
                yield from self._receive_into_parser()

    def _next_event(self) -> Generator[bytes, bytes, object]:
        self._events += 1
        if self._events % EVENTS_PER_STEP == 0:
            yield b""
        return self._http.next_event()

    def _receive_into_parser(self) -> Generator[None, bytes, None]:
        received = yield None
        self._ended = not received
        self._received_bytes += len(received)
        # Checked before the parser, which parses all fields of a head or trailer at once.
        if self._unparsed_lines > MAX_FIELDS + 2:
            raise NoResponseError(TOO_MANY_FIELDS, sent=True, final=False)
        self._unparsed_lines += received.count(b"\n")
        self._http.receive_data(received)


def _require_plain(fields: Collection[tuple[bytes, bytes]], reason: bytes = b"") -> None:
    """Refuse a head or trailer with too many fields, or with a control character, which parsers treat differently.

    Raises:
        NoResponseError: the head or trailer is refused.
    """
    if len(fields) > MAX_FIELDS:
        raise NoResponseError(TOO_MANY_FIELDS, sent=True, final=False)
    if any(map(_CONTROL_CHARACTER.search, (reason, *(value for _, value in fields)))):
        raise NoResponseError("its answer has a control character in its head", sent=True, final=False)
