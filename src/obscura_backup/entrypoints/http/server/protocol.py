"""uvicorn's HTTP/1.1 protocol, with a bound on everything that a client can make it hold or wait for.

    a head: its size and the time for it        the rest of a body after its answer: its size and the time for it
    trailers: dropped                            an answer that the client does not take: the time for it
    connections: how many, per address, too      pipelined requests: how many

It also answers before it closes. uvicorn would close with bytes unread; the network turns that into a reset, which
overtakes the answer. A request with a body and `Upgrade` is refused, since the parser would take the body for bytes of
the other protocol; without a body `Upgrade` is ignored (RFC 9110, 7.8).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, cast

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from obscura_backup.entrypoints.http.limits.client_address import ClientAddress
from obscura_backup.entrypoints.http.request_state import RequestState
from obscura_backup.entrypoints.http.server import bounds, request_head
from obscura_backup.entrypoints.http.server.connection_end import ConnectionEnd, RequestTransport, Timers
from obscura_backup.entrypoints.http.server.connection_limit import ConnectionLimit, Listener
from obscura_backup.entrypoints.http.server.connection_state import NEXT, Received, State
from obscura_backup.entrypoints.http.server.message_splitter import MessageSplitter
from obscura_backup.entrypoints.http.server.send_buffer import SendBuffer, limit_send_buffer

if TYPE_CHECKING:
    import asyncio

    from litestar.types import Scope
    from uvicorn._types import ASGI3Application
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    max_connections: ClassVar[int] = 1024
    max_connections_per_address: ClassVar[int] = 512
    addresses: ClassVar[ClientAddress] = ClientAddress()
    management_port: ClassVar[int | None] = None
    """All four are set once, before the first connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connection_limit: ConnectionLimit = None  # type: ignore[assignment]  # until there is a connection
        self._splitter = MessageSplitter()
        self._state = State.HEAD
        self._received = Received()
        self._timers = Timers(self.loop)
        self.sending: SendBuffer = None  # type: ignore[assignment]  # as above
        self._end: ConnectionEnd = None  # type: ignore[assignment]  # as above

    def _enter(self, state: State) -> None:
        """Change the state; all changes are made here."""
        if state is self._state:
            return
        if state not in NEXT[self._state]:
            raise RuntimeError(f"a connection cannot go from {self._state.name} to {state.name}")
        self._state = state
        if state is State.HEAD:
            self._splitter.begin_head()
            self._received = Received()
            self._timers.disarm("drain")
        else:
            self._timers.disarm("head")

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Start the time for the first head: a silent connection counts as a slow one."""
        super().connection_made(transport)
        limit_send_buffer(transport)
        self.sending = SendBuffer(transport, self.loop.time)
        self._end = ConnectionEnd(transport, self.sending, self._timers)
        self._timers.arm("head", bounds.HEAD_SECONDS, self._close)
        is_management = self.server is not None and self.server[1] == self.management_port
        self._connection_limit = ConnectionLimit.of(
            self.server_state,
            Listener.MANAGEMENT if is_management else Listener.PUBLIC,
            self.max_connections,
            self.max_connections_per_address,
        )
        self._connection_limit.add(self, self.addresses.of_peer(self.client))

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all timers."""
        self._timers.disarm_all()
        self._connection_limit.remove(self)
        super().connection_lost(exc)

    def evict(self) -> None:
        """See `Connection`."""
        self._end.abort()

    def stalled_seconds(self) -> float:
        """See `Connection`."""
        if self.sending.is_taken() and not self._is_answering():
            return math.inf
        return self.sending.stalled_seconds()

    def eof_received(self) -> bool | None:  # type: ignore[override]  # uvicorn always closes
        """A client that has sent everything may still wait for its answers."""
        if self._is_answering() and self._state in (State.HEAD, State.IGNORING):
            self._enter(State.HALF_CLOSED)
            return True
        return None

    def data_received(self, data: bytes) -> None:
        """Count, then parse; the parser itself has no bounds."""
        if self._state is State.IGNORING:
            self._drain(len(data))
            return
        for piece in self._splitter.pieces(data):
            self._parse(piece)
            if self._is_over():
                return

    def _parse(self, piece: memoryview) -> None:
        if self._state is State.HEAD:
            self._received.head += len(piece)
        else:
            if self.cycle.response_complete:
                self._drain(len(piece))
            self._received.overhead += len(piece)
        super().data_received(piece)  # type: ignore[arg-type]  # the parser takes any buffer
        if self._state is State.HEAD:
            if self._received.head > bounds.HEAD_MAX_BYTES:
                self._refuse(request_head.TOO_LARGE)
            elif self._received.head:
                self._timers.arm("head", bounds.HEAD_SECONDS, self._close)  # the rest of this head is to come
        elif self._received.overhead > bounds.OVERHEAD_MAX_BYTES and not self.transport.is_closing():
            self.send_400_response("Chunked-encoding overhead exceeds the limit.")

    def on_message_begin(self) -> None:
        """Do not look at a request whose line was not seen; the client may send it again."""
        if self._splitter.may_miss_start:
            self._give_up()
            raise _StopParsing
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Count."""
        self._received.fields += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count; and drop trailers, which are not fields of the request (RFC 9110, 6.5.1)."""
        if self._state is State.HEAD:
            self._received.fields += len(name) + len(value) + bounds.FIELD_COST_BYTES
            if self._received.fields <= bounds.HEAD_MAX_BYTES:
                super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is complete: accept or refuse the request."""
        body_bytes = request_head.body_length(self.headers)
        self._splitter.begin_body(body_bytes)
        if not self._is_over():
            if len(self.pipeline) >= bounds.PIPELINED_MAX:
                self._give_up()
            elif self._received.fields > bounds.HEAD_MAX_BYTES:
                self._refuse(request_head.TOO_LARGE)
            elif self.parser.should_upgrade() and body_bytes != 0:
                self._refuse(request_head.UPGRADE_WITH_BODY)
            else:
                self._accept(has_body=body_bytes != 0)
        if self._state is not State.BODY:
            raise _StopParsing  # so that a thousand heads behind this one are not even split

    def _accept(self, *, has_body: bool) -> None:
        version = self.parser.get_http_version()
        fault = request_head.find_head_fault(
            self.url, self.headers, version, has_strict_line=self._splitter.has_strict_line
        )
        if fault is not None and not request_head.is_target(self.url):
            self.url = b"/"  # which is safe to parse
        if version == "1.0":
            self.expect_100_continue = False  # its clients expect no interim answer (RFC 9110, 10.1.1)
        super().on_headers_complete()  # if it raises, the state is HEAD still: there is no request to answer
        cycle = self.cycle
        RequestState.of(cycle.scope).head_fault = fault
        cycle.transport = cast("asyncio.Transport", RequestTransport(self, cycle))
        if self.parser.should_upgrade():
            cycle.keep_alive = False
        if has_body:
            # Until the application asks for it: a thousand bodies that wait for a busy store would fill our memory.
            self.flow.pause_reading()
        self._enter(State.BODY)

    def on_body(self, body: bytes) -> None:
        """Pass the body of an accepted request on."""
        if self._state is not State.IGNORING:
            self._received.overhead -= (1 + bounds.OVERHEAD_MAX_FACTOR) * len(body)
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The next bytes, if any, are another head."""
        if self._state is State.IGNORING:
            return
        super().on_message_complete()
        if self._state is State.LAST_BODY:
            self._close()
        else:
            self._enter(State.HEAD)

    def send_400_response(self, msg: str) -> None:
        """The parser cannot go on: say so, unless the client would take that for the answer to another request."""
        in_body = self._state in (State.BODY, State.LAST_BODY)
        if self._is_over():
            return
        if self._is_answering():
            if in_body and not self.pipeline and not self.cycle.response_started:
                super().send_400_response(msg)  # to the request whose body is malformed
            else:
                self._give_up()
        elif in_body:
            self._close()
        else:
            super().send_400_response(msg)

    def _refuse(self, answer: bytes) -> None:
        """Answer the current head, and ignore what follows."""
        if self._is_answering():
            self._give_up()  # the client would take this answer for one that is still to come
        elif not self.transport.is_closing():
            self.sending.write(answer)
            self._give_up()

    def _give_up(self) -> None:
        """Ignore what follows: it was not looked at, and may be sent again (RFC 9112, 9.3.2)."""
        self._enter(State.IGNORING)
        if not self._is_answering():
            self._timers.arm("drain", bounds.DRAIN_SECONDS, self._close)

    def _drain(self, count: int) -> None:
        self._received.drained += count
        if self._received.drained > bounds.DRAIN_MAX_BYTES:
            self._close()
            if self._state is State.IGNORING:
                self.flow.pause_reading()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        # A client that does not take its answers gets no more of them: each would hold a place and memory.
        if not self.sending.is_taken():
            self._end.when_taken(lambda: self._start_asgi_task(cycle, app))
            return
        scope = cycle.scope
        address = self.addresses.of(cast("Scope", scope))
        RequestState.of(scope).admission = self._connection_limit.admit_request(self, address)
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """Read the rest of the body for a while, or end the connection."""
        super().on_response_complete()
        if not self.cycle.response_complete:  # of another request, which arrived meanwhile
            if self.pipeline or len(self.cycle.body) > HIGH_WATER_LIMIT:
                self.flow.pause_reading()  # uvicorn reads on after each answer, whatever is waiting
            return
        if self.sending.is_taken():
            self._connection_limit.mark_answered(self)  # else it is found out when places are scarce
        if self._state is State.HALF_CLOSED:
            self._close()
        elif self._state is not State.HEAD:
            if self._state is State.IGNORING:
                self._end.send_eof()
            self._timers.arm("drain", bounds.DRAIN_SECONDS, self._close)

    def close_after_answer(self, cycle: RequestResponseCycle) -> None:
        """Close once this request has been read to its end; requests behind it are not carried out."""
        if self.pipeline:
            self.pipeline.clear()
            self.cycle = cycle
            if self._state is not State.HALF_CLOSED:
                self._enter(State.IGNORING)
        elif self._state is State.BODY:
            self._enter(State.LAST_BODY)
        elif self._state is State.HEAD:
            self._close()

    def pause_writing(self) -> None:
        """The client takes nothing at the moment."""
        super().pause_writing()
        self._end.watch_writing()

    def resume_writing(self) -> None:
        """The client takes something."""
        self._end.stop_watching()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """No request came after the last answer, which may still be on its way."""
        self._close()

    def _close(self) -> None:
        if self._end.close():
            self._enter(State.IGNORING)

    def _is_over(self) -> bool:
        return self._state is State.IGNORING or self.transport.is_closing()

    def _is_answering(self) -> bool:
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle is not None and not cycle.response_complete


class _StopParsing(Exception):
    """Ends the parsing of a piece: the rest of it is not looked at."""
