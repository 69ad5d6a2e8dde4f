"""A connection of the asyncio transport, closed at once after its request."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, cast

from obscura_backup_client.transport.responses import NoResponseError, describe_network_error

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

# With more unread bytes than this, receiving pauses.
MAX_UNREAD_BYTES = 64 * 1024


class Connection(asyncio.Protocol):
    """A connection that keeps received bytes even if it breaks: a server may refuse an upload early, and close.

    `asyncio.StreamReader` is not used because it loses received bytes when sending fails.
    """

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._unread = bytearray()
        self._ended = False
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._broke: Exception | None = None
        self._readable = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    async def send(self, content: bytes) -> None:
        """Send bytes, and wait until the send buffer is not full.

        If the loop ran before, this detects an upload that was refused early, so that its rest need not be sent.

        Raises:
            ConnectionError: the server closed the connection.
        """
        if self._transport is None or self._ended:
            raise ConnectionResetError
        self._transport.write(content)
        await self._writable.wait()

    async def receive(self, most: int) -> bytes:
        """Receive up to `most` bytes; empty at the end.

        Raises:
            OSError: the connection broke, and all bytes before that have been returned.
        """
        await self._readable.wait()
        taken = bytes(self._unread[:most])
        del self._unread[:most]
        if not taken and self._broke is not None:
            raise self._broke
        if not self._unread and not self._ended:
            self._readable.clear()
        if self._transport is not None and len(self._unread) <= MAX_UNREAD_BYTES:
            self._transport.resume_reading()
        return taken

    async def close(self) -> None:
        """Close the connection without sending more, and wait until its socket is closed."""
        if self._transport is not None:
            # `close` would first send the rest, which a server that does not read could delay for ever.
            self._transport.abort()
            await asyncio.shield(self._lost)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        # The transport of a stream; uvloop's has another class.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        self._unread += data
        self._readable.set()
        if self._transport is not None and len(self._unread) > MAX_UNREAD_BYTES:
            self._transport.pause_reading()

    def eof_received(self) -> None:
        """Called by the loop, which closes the connection then."""
        self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        self._broke = exc
        self._end()
        if not self._lost.done():
            self._lost.set_result(None)

    def pause_writing(self) -> None:
        """Called by the loop."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Called by the loop."""
        self._writable.set()

    def _end(self) -> None:
        self._ended = True
        self._readable.set()
        self._writable.set()


@contextlib.asynccontextmanager
async def connected(host: str, port: int, tls: ssl.SSLContext | None, seconds: float) -> AsyncIterator[Connection]:
    """Connect for the block; with TLS, the handshake is complete when the block begins.

    Raises:
        NoResponseError: there is no connection, so nothing was sent.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(seconds):
            _, connection = await loop.create_connection(Connection, host, port, ssl=tls)
    except (OSError, UnicodeError) as error:
        raise NoResponseError(describe_network_error(error), sent=False, final=False) from error
    try:
        yield connection
    finally:
        await connection.close()
