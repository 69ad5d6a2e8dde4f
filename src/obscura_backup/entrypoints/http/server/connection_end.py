"""Ends a connection after a time limit, or once the client has received everything."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from obscura_backup.entrypoints.http.server import bounds
from obscura_backup.entrypoints.http.server.send_buffer import abort, count_unsent_bytes

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from obscura_backup.entrypoints.http.server.protocol import BoundedProtocol
    from obscura_backup.entrypoints.http.server.send_buffer import SendBuffer


class Timers:
    """The timers of one connection, by name."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._handles: dict[str, asyncio.TimerHandle] = {}

    def arm(self, name: str, seconds: float, then: Callable[[], None]) -> None:
        """Call `then` after so long, unless this timer runs already."""
        if name not in self._handles:
            self._handles[name] = self._loop.call_later(seconds, self._fire, name, then)

    def disarm(self, name: str) -> None:
        """Stop this timer if it runs."""
        handle = self._handles.pop(name, None)
        if handle is not None:
            handle.cancel()

    def disarm_all(self) -> None:
        """Stop all timers."""
        for name in list(self._handles):
            self.disarm(name)

    def _fire(self, name: str, then: Callable[[], None]) -> None:
        del self._handles[name]
        then()


class ConnectionEnd:
    """Ends one connection without losing what the client is still taking, and without waiting for it forever.

    Args:
        transport: of the connection.
        sending: what was written to it.
        timers: of the connection.
    """

    def __init__(self, transport: asyncio.Transport, sending: SendBuffer, timers: Timers) -> None:
        self._transport = transport
        self._sending = sending
        self._timers = timers
        self._has_sent_eof = False

    def close(self) -> bool:
        """Close now, or else once the client has taken everything: whether that is still to come.

        Closed at once, the connection would no longer be counted, while the system still holds unsent bytes for it.
        """
        if not self._transport.is_closing() and count_unsent_bytes(self._transport):
            self.send_eof()
        self._close_when_taken()
        return not self._transport.is_closing()

    def send_eof(self) -> None:
        """Tell the client that no further answer follows."""
        if not self._has_sent_eof:
            self._has_sent_eof = True
            self._transport.write_eof()

    def abort(self) -> None:
        """End now, and drop what the client has not taken."""
        abort(self._transport)

    def watch_writing(self) -> None:
        """The client takes nothing at the moment: abort if it goes on like that."""
        self._timers.arm("write", bounds.SEND_POLL_SECONDS, self._check_writing)

    def stop_watching(self) -> None:
        """The client takes something again."""
        self._timers.disarm("write")

    def when_taken(self, then: Callable[[], None], seconds: float = bounds.ANSWER_POLL_SECONDS[0]) -> None:
        """Call `then` once the client has taken its answers; look after `seconds`, and abort if it takes nothing."""
        self._timers.arm("taken", seconds, lambda: self._check_taken(then))

    def _check_taken(self, then: Callable[[], None]) -> None:
        stalled_seconds = self._sending.stalled_seconds()
        if self._sending.is_taken():
            then()
        elif stalled_seconds >= bounds.WRITE_SECONDS:
            self.abort()
        else:
            first, last = bounds.ANSWER_POLL_SECONDS
            self.when_taken(then, min(first + stalled_seconds / 4, last))

    def _check_writing(self) -> None:
        if self._sending.stalled_seconds() >= bounds.WRITE_SECONDS:
            self.abort()  # not `close`, which would wait for the client
        else:
            self.watch_writing()

    def _close_when_taken(self) -> None:
        stalled_seconds = self._sending.stalled_seconds()
        if self._transport.is_closing() or not count_unsent_bytes(self._transport):
            self._transport.close()
        elif stalled_seconds >= bounds.WRITE_SECONDS:
            self.abort()
        else:
            self._timers.arm("close", bounds.SEND_POLL_SECONDS, self._close_when_taken)


class RequestTransport:
    """The transport as one request sees it.

    The head of the answer waits for the first bytes of the body, as ASGI prescribes: they are one system call and often
    one packet. `close` waits until the request has been read to its end.
    """

    def __init__(self, protocol: BoundedProtocol, cycle: RequestResponseCycle) -> None:
        self._protocol = protocol
        # The cycle holds this transport. A strong reference back would leave both to the garbage collector.
        self._cycle_of = weakref.ref(cycle)
        self._waits_for_head = cycle.scope["method"] != "HEAD"  # uvicorn writes no body then, not even an empty one
        self._head = b""

    def write(self, data: bytes) -> None:
        """Write to the connection."""
        if self._waits_for_head and self._has_answer_begun():
            self._waits_for_head = False
            self._head = data
        elif self._head:
            head, self._head = self._head, b""
            self._protocol.sending.write(head + data)
        else:
            self._protocol.sending.write(data)

    def close(self) -> None:
        """Close once the request has been read to its end."""
        if self._head:
            self.write(b"")
        cycle = self._cycle_of()
        if cycle is not None:
            self._protocol.close_after_answer(cycle)

    def is_closing(self) -> bool:
        """Whether the connection is closing."""
        return self._protocol.transport.is_closing()

    def _has_answer_begun(self) -> bool:
        # Else this is an interim answer, "100 Continue".
        cycle = self._cycle_of()
        return cycle is not None and cycle.response_started
