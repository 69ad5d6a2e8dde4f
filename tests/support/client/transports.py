"""The blocking and the asyncio transport under one interface, so that one suite judges both."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from obscura_backup_client.transport.asyncio_transport import AsyncHttpTransport
from obscura_backup_client.transport.blocking_transport import HttpTransport

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from obscura_backup_client.transport.interface import BackupMetadata, FetchedBackup, ServerLimits, Transport

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


async def _at_once(_method: str) -> None:
    """Hold nothing up."""


@dataclass
class OnTheLoop:
    """An `AsyncTransport` by a transport in memory, with a say before each request arrives and each answer returns."""

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
