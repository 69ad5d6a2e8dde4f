"""A wire between a client and a server: it counts round trips, and it can go dead without hanging up."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from types import TracebackType

PIECE_BYTES = 65536


class Wire:
    """Forwards bytes to a port of this machine.

    Attributes:
        round_trips: how often the server spoke after the client had, over all connections.
        pieces: how many pieces came from either side, delivered or not.
    """

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._alive = asyncio.Event()
        self._alive.set()
        self._calls: set[asyncio.Task[None]] = set()
        self.round_trips = 0
        self.pieces = 0

    async def __aenter__(self) -> Self:
        self._listening = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listening.close()
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)

    def through(self, url: str) -> str:
        """The URL of the same server by this wire."""
        parts = urlsplit(url)
        port: int = self._listening.sockets[0].getsockname()[1]
        return parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}").geturl()

    def go_dead(self) -> None:
        """Swallow nothing and deliver nothing; connections are still accepted, as by a full backlog."""
        self._alive.clear()

    def come_back(self) -> None:
        self._alive.set()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        call = asyncio.current_task()
        assert call is not None
        self._calls.add(call)
        spoke_last = [""]
        server_writer: asyncio.StreamWriter | None = None
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
            pumps = [
                asyncio.ensure_future(self._pump(reader, server_writer, "client", spoke_last)),
                asyncio.ensure_future(self._pump(server_reader, writer, "server", spoke_last)),
            ]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass  # the server is down, or the test over: both ends are hung up
        finally:
            for end in (writer, server_writer):
                if end is not None:
                    end.close()
                    with suppress(OSError):
                        await end.wait_closed()
            self._calls.discard(call)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, speaker: str, spoke_last: list[str]
    ) -> None:
        while piece := await source.read(PIECE_BYTES):
            self.pieces += 1
            await self._alive.wait()
            if speaker == "server" and spoke_last[0] == "client":
                self.round_trips += 1
            spoke_last[0] = speaker
            sink.write(piece)
            await sink.drain()
