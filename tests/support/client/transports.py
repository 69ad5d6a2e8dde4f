"""The blocking and the asyncio transport under one interface for one suite, and the same exchange without a socket."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from obscura_backup_client.transport.asyncio_transport import AsyncHttpTransport
from obscura_backup_client.transport.blocking_transport import HttpTransport
from obscura_backup_client.transport.exchange import RECEIVE_BYTES, exchange
from obscura_backup_client.transport.interface import BackupMetadata, FetchedBackup, ServerLimits, Transport
from obscura_backup_client.transport.responses import Response
from obscura_backup_client.transport.retries import Request, RetryPolicy

T = TypeVar("T")


class InALoop:
    """An `AsyncHttpTransport`, each call of which runs in an event loop of its own."""

    def __init__(self, server: str, token: str, *, sleep: Callable[[float], None] = time.sleep, **options: Any) -> None:
        async def asleep(seconds: float) -> None:
            sleep(seconds)

        self._transport = AsyncHttpTransport(server, token, sleep=asleep, **options)
        self.server = self._transport.server

    def fetch(self, if_none_match: int | None = None) -> FetchedBackup | None:
        return asyncio.run(self._transport.fetch(if_none_match))

    def head(self) -> BackupMetadata:
        return asyncio.run(self._transport.head())

    def push(self, blob: bytes, expected_version: int) -> int:
        return asyncio.run(self._transport.push(blob, expected_version))

    def delete(self, expected_version: int) -> None:
        asyncio.run(self._transport.delete(expected_version))

    def limits(self) -> ServerLimits:
        return asyncio.run(self._transport.limits())

    def __repr__(self) -> str:
        return repr(self._transport)


AnyTransport = HttpTransport | InALoop
TRANSPORTS: dict[str, type[HttpTransport | InALoop]] = {"blocking": HttpTransport, "asyncio": InALoop}


@dataclass(frozen=True, kw_only=True)
class InMemoryTransport(HttpTransport):
    """Runs the exchange that both transports share, without a socket: `respond` returns the bytes for a request."""

    respond: Callable[[bytes], bytes]

    def _send(self, request: Request) -> Response:
        steps = exchange(request, self.server, self.on_bytes)
        sent, received = bytearray(), None
        try:
            wanted = next(steps)
            while True:
                if wanted is not None:
                    sent += wanted
                    wanted = steps.send(b"")
                    continue
                received = received or io.BytesIO(self.respond(bytes(sent)))
                wanted = steps.send(received.read(RECEIVE_BYTES))
        except StopIteration as end:
            response: Response = end.value
            return response


Connect = Callable[..., InMemoryTransport]
"""Makes a transport that is answered by the given replies, in turn."""


def answered(*parts: bytes, **options: Any) -> InMemoryTransport:
    """A transport whose requests are all answered by these bytes, and that does not try again."""
    return InMemoryTransport(
        "http://127.0.0.1",
        "aaa.bbb.ccc",
        respond=lambda _: b"".join(parts),
        retry_policy=RetryPolicy(attempts=1),
        sleep=lambda _: None,
        **options,
    )


async def _at_once(_method: str) -> None:
    """Do nothing."""


@dataclass
class OnTheLoop:
    """An `AsyncTransport` on a transport in memory, with hooks before each request and each response."""

    server: Transport
    arriving: Callable[[str], Awaitable[None]] = _at_once
    answering: Callable[[str], Awaitable[None]] = _at_once

    async def fetch(self, if_none_match: int | None = None) -> FetchedBackup | None:
        return await self._exchanged("fetch", lambda: self.server.fetch(if_none_match))

    async def head(self) -> BackupMetadata:
        return await self._exchanged("head", self.server.head)

    async def push(self, blob: bytes, expected_version: int) -> int:
        return await self._exchanged("push", lambda: self.server.push(blob, expected_version))

    async def delete(self, expected_version: int) -> None:
        await self._exchanged("delete", lambda: self.server.delete(expected_version))

    async def _exchanged(self, method: str, call: Callable[[], T]) -> T:
        await self.arriving(method)
        result = call()
        await self.answering(method)
        return result
