"""uvicorn's HTTP/1.1 protocol with bounds on what it leaves open: the size of a head, the time for it, the drain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio

HEAD_MAX_BYTES = 32 * 1024
HEAD_SECONDS = 15.0
DRAIN_MAX_BYTES = 8 * 1024 * 1024
"""How much of a body that was refused before its end is read and thrown away, so that the client sees the refusal."""

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    _in_head = True
    _head_bytes = 0
    _drained_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """A connection that sends nothing is one that sends its head too slowly."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what belongs to a head; the parser has no bound of its own."""
        if self._in_head and self._head_timer is None:
            self._await_head()  # the first bytes of a further request on this connection
        self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > HEAD_MAX_BYTES and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._in_head = False
        self._stop_timer()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """What comes after the answer is drained, to a point."""
        if self.cycle.response_complete:
            self._drained_bytes += len(body)
            if self._drained_bytes > DRAIN_MAX_BYTES:
                self.transport.close()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The next bytes, if any, are another head."""
        super().on_message_complete()
        self._in_head = True
        self._head_bytes = 0
        self._drained_bytes = 0

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()
