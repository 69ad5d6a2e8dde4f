"""uvicorn's HTTP/1.1 protocol, with bounds on everything that it leaves open to whoever can connect.

    a head: its size and the time for it        a body that nobody reads any more: its size and the time for it
    trailers: dropped                            an answer that nobody takes: the time for it
    connections: how many, of one address        requests that wait behind another on a connection: how many

It also answers before it closes where uvicorn would close with bytes unread, which the network turns into a reset that
overtakes the answer; and it ignores `Upgrade` (RFC 9110, 7.8), on which the parser takes the body for another protocol.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, cast

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from obscura_backup.entrypoints.http.limits.client_address import ClientAddress
from obscura_backup.entrypoints.http.request_state import RequestState
from obscura_backup.entrypoints.http.server.connection_limit import ConnectionLimit
from obscura_backup.entrypoints.http.server.message_splitter import MessageSplitter
from obscura_backup.entrypoints.http.server.request_target import find_head_fault, is_target
from obscura_backup.entrypoints.http.server.send_buffer import SendBuffer, abort, count_unsent_bytes, limit_send_buffer
from obscura_backup.entrypoints.http.server.upgrade_header import without_upgrade

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from litestar.types import Scope
    from uvicorn._types import ASGI3Application
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

HEAD_MAX_BYTES = 32 * 1024
FIELD_COST_BYTES = 32
"""What a field counts for beside its name and value (as in RFC 7541, 4.1): ten thousand short ones are not little."""
HEAD_SECONDS = 15.0
DRAIN_MAX_BYTES = 8 * 1024 * 1024
"""How much of a body is read and thrown away after its request was answered, so that the client sees the answer."""
DRAIN_SECONDS = 20.0
WRITE_SECONDS = 60.0
"""How long a client may take nothing of an answer that is there for it."""
SEND_POLL_SECONDS = 1.0
"""How often a connection that ends, or whose answer waits, is looked at, whether its client has taken anything."""
OPEN_CONNECTIONS_FACTOR = 2
"""Beyond the bound connections are answered 503; beyond this many times the bound, not at all."""

OVERHEAD_MAX_BYTES = 64 * 1024
OVERHEAD_MAX_FACTOR = 8
"""How much more than its body may be sent for it: a byte in a chunk of its own takes six. Else extensions never end."""

PIPELINED_MAX = 16
"""How many requests may wait behind one: each takes some kilobytes before anything looks at it."""
IN_FLIGHT_MAX_BYTES = 16 * 1024
"""An answer is taken when no more of it than this waits: a client that reads need not wait a round trip for each."""
ANSWER_POLL_SECONDS = (0.005, 0.5)
"""How often it is looked at whether an answer was taken: at first, and after a while."""

_EMPTY = b"content-length: 0\r\nconnection: close\r\nx-content-type-options: nosniff\r\n\r\n"
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\n" + _EMPTY
_NO_UPGRADE = b"HTTP/1.1 400 Bad Request\r\n" + _EMPTY


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    max_connections: ClassVar[int] = 1024
    max_connections_per_address: ClassVar[int] = 512
    addresses: ClassVar[ClientAddress] = ClientAddress()
    """All set once, before the first connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connection_limit = ConnectionLimit.of(self.server_state, self._new_limit)
        self._splitter = MessageSplitter()
        self._in_head = True
        self._head_bytes = 0
        self._field_bytes = 0
        self._drained_bytes = 0
        self._overhead_bytes = 0
        self._closing = False
        self._dead = False
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self.sending: SendBuffer = None  # type: ignore[assignment]  # until there is a connection

    @classmethod
    def _new_limit(cls) -> ConnectionLimit:
        most = cls.max_connections
        return ConnectionLimit(most, cls.max_connections_per_address, OPEN_CONNECTIONS_FACTOR * most)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """A connection that sends nothing is one that sends its head too slowly."""
        super().connection_made(transport)
        limit_send_buffer(transport)
        self.sending = SendBuffer(transport, self.loop.time)
        self._arm("head", HEAD_SECONDS, self._close)
        self._connection_limit.add(self, self.addresses.of_peer(self.client))

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        for name in list(self._timers):
            self._disarm(name)
        self._connection_limit.remove(self)
        super().connection_lost(exc)

    def evict(self) -> None:
        """See `Connection`."""
        self._abort()

    def stalled_seconds(self) -> float:
        """See `Connection`."""
        if self._is_taken() and not self._is_answering():
            return math.inf
        return self.sending.stalled_seconds()

    def eof_received(self) -> bool | None:  # type: ignore[override]  # uvicorn's own always gives up
        """A client that has sent all it will ever send may still wait for its answer."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if self._in_head and cycle is not None and not cycle.response_complete:
            self._closing = True
            return True
        return None

    def data_received(self, data: bytes) -> None:
        """Count, then parse; the parser has no bound of its own."""
        if self._dead:
            self._drain(len(data))
            return
        for piece in self._splitter.pieces(data):
            self._parse(piece)
            if self._is_over():
                return

    def _parse(self, piece: bytes) -> None:
        if self._in_head:
            self._arm("head", HEAD_SECONDS, self._close)  # where these are the first bytes of a further request
            self._head_bytes += len(piece)
            if not self._splitter.may_miss_start:
                piece = without_upgrade(piece)
        else:
            if self.cycle.response_complete:
                self._drain(len(piece))
            self._overhead_bytes += len(piece)
        super().data_received(piece)
        if self._in_head:
            if self._head_bytes > HEAD_MAX_BYTES:
                self._refuse(_TOO_LARGE)
        elif self._overhead_bytes > OVERHEAD_MAX_BYTES and not self.transport.is_closing():
            self.send_400_response("More is sent around the body than in it.")

    def on_message_begin(self) -> None:
        """A request whose line was not seen is not looked at; the client may send it again."""
        if self._splitter.may_miss_start:
            self._give_up()
            raise _StopParsing
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Count."""
        self._field_bytes += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count; and drop trailers, which are not fields of the request (RFC 9110, 6.5.1)."""
        if self._in_head:
            self._field_bytes += len(name) + len(value) + FIELD_COST_BYTES
            if self._field_bytes <= HEAD_MAX_BYTES:
                super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole: is it one that we go on with?"""
        self._in_head = False
        self._disarm("head")
        version = self.parser.get_http_version()
        complaint = find_head_fault(self.url, self.headers, version, has_strict_line=self._splitter.has_strict_line)
        if not is_target(self.url):
            self.url = b"/"  # what the rest of the way can be trusted with
        self._splitter.begin_body(self._body_length())
        upgrades = self.parser.should_upgrade()
        if self._closing:
            self._close()
        elif len(self.pipeline) >= PIPELINED_MAX:
            self._give_up()
        elif self._field_bytes > HEAD_MAX_BYTES:
            self._refuse(_TOO_LARGE)
        elif upgrades and self._announces_a_body():
            self._refuse(_NO_UPGRADE)  # its name came in two pieces: the parser is past telling where the body ends
        else:
            if version == "1.0":
                self.expect_100_continue = False  # its clients know of no answer before the answer (RFC 9110, 10.1.1)
            self._begin()
            RequestState.of(self.cycle.scope).head_fault = complaint
            self.cycle.transport = cast("asyncio.Transport", _DeferredCloseTransport(self, self.cycle))
            if self._announces_a_body():
                # Until somebody asks for it: a thousand bodies that wait for a busy store would wait in our memory.
                self.flow.pause_reading()
            if upgrades:
                self.cycle.keep_alive = False
        if self._dead:
            raise _StopParsing  # it ends the parsing: a thousand heads behind the last that counts are not even split

    def on_body(self, body: bytes) -> None:
        """Nothing of a request that was refused here."""
        if not self._dead:
            self._overhead_bytes -= (1 + OVERHEAD_MAX_FACTOR) * len(body)
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The next bytes, if any, are another head."""
        if self._dead:
            return
        super().on_message_complete()
        self._splitter.begin_head()
        self._in_head = True
        self._head_bytes = self._field_bytes = self._drained_bytes = self._overhead_bytes = 0
        self._disarm("drain")
        if self._closing and self.cycle.response_complete:
            self._close()

    def on_response_complete(self) -> None:
        """What is owed of the body is drained, for a while."""
        super().on_response_complete()
        if not self.cycle.response_complete:  # another request, that came meanwhile, is on
            if self.pipeline or len(self.cycle.body) > HIGH_WATER_LIMIT:
                self.flow.pause_reading()  # uvicorn reads on after each answer, whatever waits already
            return
        if self._is_taken():
            self._connection_limit.mark_answered(self)  # else it is found out when places are scarce
        if self._dead:
            self.transport.write_eof()  # so that nobody waits for more
        if self._dead or not self._in_head:
            self._arm("drain", DRAIN_SECONDS, self._close)
        elif self._closing:
            self._close()

    def pause_writing(self) -> None:
        """The client takes nothing."""
        super().pause_writing()
        self._arm("write", SEND_POLL_SECONDS, self._look_at_writing)

    def _look_at_writing(self) -> None:
        del self._timers["write"]
        if self.sending.stalled_seconds() >= WRITE_SECONDS:
            self._abort()  # not `close`, which would wait for the very bytes that are not taken
        else:
            self._arm("write", SEND_POLL_SECONDS, self._look_at_writing)

    def resume_writing(self) -> None:
        """The client takes something."""
        self._disarm("write")
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Nothing came after the last answer, which may still be on its way."""
        self._close()

    def send_400_response(self, msg: str) -> None:
        """The parser is at its end: say so, unless that would be taken for the answer to something else."""
        if self._dead:
            return
        if self._in_head and not self._is_answering():
            super().send_400_response(msg)
        elif not self._in_head and not self.pipeline and not self.cycle.response_started:
            super().send_400_response(msg)  # to the very request whose body is malformed
        elif self._is_answering():
            self._give_up()
        else:
            self._close()

    def close_after_answer(self, cycle: RequestResponseCycle) -> None:
        """Close, once the request has been read to its end; what was sent after it is not carried out."""
        self._closing = True
        if self.pipeline:
            self.pipeline.clear()
            self.cycle = cycle
            self._dead = True
            self._disarm("head")
        elif self._in_head:
            self._close()

    def _body_length(self) -> int | None:
        """In bytes; None for a chunked body. The parser has made sure that there is one length at most."""
        names = dict(self.headers)
        return None if b"transfer-encoding" in names else int(names.get(b"content-length", b"0"))

    def _announces_a_body(self) -> bool:
        return self._body_length() != 0

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        # A client that takes no answers gets no more of them: each would hold its place and its memory.
        if not self._is_taken():
            self._arm("taken", ANSWER_POLL_SECONDS[0], lambda: self._look_again(cycle, app))
            return
        scope = cycle.scope
        address = self.addresses.of(cast("Scope", scope))
        RequestState.of(scope).admission = self._connection_limit.admit_request(self, address)
        super()._start_asgi_task(cycle, app)

    def _look_again(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        del self._timers["taken"]
        stalled_seconds = self.sending.stalled_seconds()
        if self._is_taken():
            self._start_asgi_task(cycle, app)
        elif stalled_seconds >= WRITE_SECONDS:
            self._abort()
        else:
            first, last = ANSWER_POLL_SECONDS
            self._arm("taken", min(first + stalled_seconds / 4, last), lambda: self._look_again(cycle, app))

    def _begin(self) -> None:
        try:
            super().on_headers_complete()
        except Exception:
            self._in_head = True  # there is no request that the answer could be to
            raise

    def _refuse(self, answer: bytes) -> None:
        if self._is_answering():
            self._give_up()  # or it would be taken for the answer that is still to come
        elif not self._dead and not self.transport.is_closing():
            self._dead = True
            self._disarm("head")
            self.sending.write(answer)
            self._arm("drain", DRAIN_SECONDS, self._close)

    def _give_up(self) -> None:
        # What waits is answered; what comes after it was never looked at, and may be sent again (RFC 9112, 9.3.2).
        self._dead = True
        self._disarm("head")

    def _is_taken(self) -> bool:
        return count_unsent_bytes(self.transport) <= IN_FLIGHT_MAX_BYTES

    def _is_over(self) -> bool:
        return self._dead or self.transport.is_closing()

    def _is_answering(self) -> bool:
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle is not None and not cycle.response_complete

    def _drain(self, count: int) -> None:
        self._drained_bytes += count
        if self._drained_bytes > DRAIN_MAX_BYTES:
            self._close()
            if self._dead:
                self.flow.pause_reading()

    def _close(self) -> None:
        if not self.transport.is_closing() and "linger" not in self._timers:
            if count_unsent_bytes(self.transport):
                # Closed now, the connection would be gone from our books, and what is not taken still in memory.
                self._dead = True
                self.transport.write_eof()
            self._linger()

    def _linger(self) -> None:
        self._timers.pop("linger", None)
        stalled_seconds = self.sending.stalled_seconds()
        if self.transport.is_closing() or not count_unsent_bytes(self.transport):
            self.transport.close()
        elif stalled_seconds >= WRITE_SECONDS:
            self._abort()
        else:
            self._arm("linger", SEND_POLL_SECONDS, self._linger)

    def _abort(self) -> None:
        abort(self.transport)

    def _arm(self, name: str, seconds: float, then: Callable[[], None]) -> None:
        if name not in self._timers:
            self._timers[name] = self.loop.call_later(seconds, then)

    def _disarm(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()


class _StopParsing(Exception):
    """What else was sent in one piece with this head is not looked at."""


class _DeferredCloseTransport:
    """The transport as one request sees it: its `close` waits until the request has been read."""

    def __init__(self, protocol: BoundedProtocol, cycle: RequestResponseCycle) -> None:
        self._protocol = protocol
        self._cycle = cycle

    def write(self, data: bytes) -> None:
        self._protocol.sending.write(data)

    def close(self) -> None:
        self._protocol.close_after_answer(self._cycle)

    def is_closing(self) -> bool:
        return self._protocol.transport.is_closing()
