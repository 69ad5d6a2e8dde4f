"""The blocking and the asyncio transport under one interface, so that one suite judges both."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from obscura_backup_client.async_transport import AsyncHttpTransport
from obscura_backup_client.http_transport import HttpTransport

if TYPE_CHECKING:
    from collections.abc import Callable

    from obscura_backup_client.transport import Described, Fetched, ServerLimits


class InALoop:
    """An `AsyncHttpTransport`, each call of which runs in an event loop of its own."""

    def __init__(self, server: str, token: str, *, sleep: Callable[[float], None] = time.sleep, **options: Any) -> None:
        async def asleep(seconds: float) -> None:
            sleep(seconds)

        self._transport = AsyncHttpTransport(server, token, sleep=asleep, **options)
        self.server = self._transport.server

    def fetch(self, if_none_match: int | None = None) -> Fetched | None:
        return asyncio.run(self._transport.fetch(if_none_match))

    def head(self) -> Described:
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
