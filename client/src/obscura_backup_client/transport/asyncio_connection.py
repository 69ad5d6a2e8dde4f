"""One connection of the asyncio transport: bytes out, bytes in, and closed at once when it is done with."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, cast

from obscura_backup_client.transport.responses import NoResponseError, describe_network_error

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

# Beyond this much that nobody has taken yet, the other side has to wait.
MAX_UNREAD_BYTES = 64 * 1024


class Connection(asyncio.Protocol):
    """What came is kept even if the connection then breaks: a server that refuses an upload early answers, and closes.

    That is why this is not `asyncio.StreamReader`, which forgets what it holds when sending fails.
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
        """Hand the bytes over, and wait until not too many of them are waiting.

        Where the loop could go on before, an upload that was refused already is seen here, and its rest need not go.

        Raises:
            ConnectionError: the other side said its last word, or the connection is gone.
        """
        if self._transport is None or self._ended:
            raise ConnectionResetError
        self._transport.write(content)
        await self._writable.wait()

    async def receive(self, most: int) -> bytes:
        """What came, up to so many bytes; empty after the last.

        Raises:
            OSError: the connection broke, and all that came before it did is taken.
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
        """Close it without a word, and wait until its socket is closed."""
        if self._transport is not None:
            # `close` would first send what is left to send, which a silent server puts off for ever.
            self._transport.abort()
            await asyncio.shield(self._lost)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        # Of a stream connection; uvloop's does not say so by its class.
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
    """A connection for the block; with TLS, its certificate is verified and its keys are agreed when the block begins.

    Raises:
        NoResponseError: there is none, and so nothing was sent.
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
