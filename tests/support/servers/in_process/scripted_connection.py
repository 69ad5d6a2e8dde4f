"""One connection of the service over a scripted transport and in front of a scripted application."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.server import ServerState

from obscura_backup.entrypoints.http.server import connection_end, send_buffer
from obscura_backup.entrypoints.http.server.protocol import BoundedProtocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest


class Peer:
    """The socket; it accepts all options."""

    family = socket.AF_INET

    def setsockopt(self, *_: Any) -> None:
        """Accept the option."""

    def getpeername(self) -> tuple[str, int]:
        return "192.0.2.1", 9

    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", 8400


class Transport:
    """Keeps what is written. A test sets how much of it the client has not taken."""

    def __init__(self) -> None:
        self.written = b""
        self.done: list[str] = []
        self.unsent = 0
        self.closing = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"socket": Peer(), "peername": ("192.0.2.1", 9), "sockname": ("127.0.0.1", 8400)}.get(name, default)

    def write(self, data: bytes) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return 0

    def _record(self, what: str) -> None:
        self.done.append(what)

    def close(self) -> None:
        self.closing = True
        self._record("close")

    def abort(self) -> None:
        self.closing = True
        self._record("abort")

    def write_eof(self) -> None:
        self._record("eof")

    def pause_reading(self) -> None:
        self._record("pause")

    def resume_reading(self) -> None:
        self._record("resume")

    @property
    def ends(self) -> list[str]:
        """The calls that ended it."""
        return [each for each in self.done if each in ("close", "abort", "eof")]


class Connection:
    """One connection, to an application that answers with the path; it reads the body of `/read` first."""

    def __init__(self) -> None:
        self.transport = Transport()
        self.carried_out: list[str] = []
        self.held = asyncio.Event()
        self.held.set()
        config = uvicorn.Config(
            self._application, http=BoundedProtocol, interface="asgi3", lifespan="off", log_config=None, ws="none"
        )
        self.protocol = BoundedProtocol(config, ServerState(), {})
        made: Any = self.transport
        self.protocol.connection_made(made)

    async def _application(self, scope: Any, receive: Any, send: Any) -> None:
        self.carried_out.append(scope["path"])
        while scope["path"] == "/read" and (await receive()).get("more_body"):
            pass
        await self.held.wait()
        body = scope["path"].encode()
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def receives(self, *pieces: bytes) -> bytes:
        """Receive these pieces; returns what was written meanwhile."""
        before = len(self.transport.written)
        for piece in pieces:
            self.protocol.data_received(piece)
            await self.goes_on()
        return self.transport.written[before:]

    async def goes_on(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)


@asynccontextmanager
async def connected(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Connection]:
    """A new connection. Its transport says how many bytes the client has not taken."""
    made = Connection()

    def unsent(_: object) -> int:
        return made.transport.unsent

    monkeypatch.setattr(connection_end, "count_unsent_bytes", unsent)
    monkeypatch.setattr(send_buffer, "count_unsent_bytes", unsent)
    yield made
    made.held.set()
    await made.goes_on()
    made.protocol.connection_lost(None)
    await made.goes_on()
