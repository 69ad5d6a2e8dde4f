"""The asyncio HTTP transport: performs the actions of `BackupApi` without blocking the event loop."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from obscura_backup_client.transport.asyncio_connection import connected
from obscura_backup_client.transport.errors import UnexpectedResponse
from obscura_backup_client.transport.exchange import RECEIVE_BYTES, exchange
from obscura_backup_client.transport.http_settings import HttpSettings
from obscura_backup_client.transport.responses import DEADLINE_EXCEEDED, NoResponseError, Response
from obscura_backup_client.transport.retries import Sleep

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from obscura_backup_client.transport.asyncio_connection import Connection
    from obscura_backup_client.transport.exchange import ExchangeSteps
    from obscura_backup_client.transport.interface import BackupMetadata, FetchedBackup, ServerLimits
    from obscura_backup_client.transport.retries import Request, RequestPlan

T = TypeVar("T")


@dataclass(frozen=True)
class AsyncHttpTransport(HttpSettings):
    """One user's backup on a server, for asyncio. Several tasks may use it at once.

    Each request has its own connection, which is closed with the response, at the deadline, or when the waiting task is
    cancelled. Nothing continues in the background, except resolving a host's name, which cannot be interrupted.

    Args:
        sleep: waits for a number of seconds. `on_bytes` and `on_wait` are called in the loop's thread.
    """

    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep

    async def fetch(self, if_none_match: int | None = None) -> FetchedBackup | None:
        """See `AsyncTransport.fetch`. The bytes are checked against `Repr-Digest` where the server sends it."""
        return await self._run(self.api.fetch(if_none_match))

    async def head(self) -> BackupMetadata:
        """See `AsyncTransport.head`."""
        return await self._run(self.api.head())

    async def push(self, blob: bytes, expected_version: int) -> int:
        """See `AsyncTransport.push`."""
        return await self._run(self.api.push(blob, expected_version))

    async def delete(self, expected_version: int) -> None:
        """See `AsyncTransport.delete`."""
        await self._run(self.api.delete(expected_version))

    async def limits(self) -> ServerLimits:
        """The sizes that the server accepts.

        Raises:
            UnexpectedResponse: the response is not a configuration.
        """
        return await self._run(self.api.limits())

    async def _run(self, steps: RequestPlan[T]) -> T:
        try:
            step = next(steps)
            while True:
                if isinstance(step, Sleep):
                    self.on_wait(step.seconds, step.reason)
                    await self.sleep(step.seconds)
                    step = next(steps)
                    continue
                try:
                    response = await self._send(step)
                except (NoResponseError, UnexpectedResponse) as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(response)
        except StopIteration as end:
            result: T = end.value
            return result

    async def _send(self, request: Request) -> Response:
        """Send one request and return the whole response.

        Raises:
            NoResponseError: no complete response was received.
            UnexpectedResponse: the response is longer than the request allows.
        """
        # Created in a thread, because reading all trusted certificates would block the loop for too long.
        tls = await asyncio.to_thread(lambda: self.tls) if self.uses_tls else None
        (host, port), sent = self.host_and_port, False
        whole = asyncio.timeout(self.retry_policy.total_timeout_seconds)
        try:
            async with (
                whole,
                connected(host, port, tls, self.retry_policy.connect_timeout_seconds) as connection,
            ):
                sent = True
                return await self._run_exchange(connection, exchange(request, self.server, self.on_bytes))
        except TimeoutError as error:
            # Without the other it is the time-out of a single read or write.
            final = whole.expired()
            raise NoResponseError(
                DEADLINE_EXCEEDED if final else "no answer in time", sent=sent, final=final
            ) from error
        except OSError as error:
            raise NoResponseError("the connection broke", sent=sent, final=False) from error

    async def _run_exchange(self, connection: Connection, steps: ExchangeSteps) -> Response:
        try:
            wanted = next(steps)
            while True:
                try:
                    received = await self._step(connection, wanted)
                except OSError as error:
                    wanted = steps.throw(error)
                else:
                    wanted = steps.send(received)
        except StopIteration as end:
            response: Response = end.value
            return response

    async def _step(self, connection: Connection, content: bytes | None) -> bytes:
        # Yields to the loop even if data is available: a fast server must delay neither the loop nor the deadline.
        await asyncio.sleep(0)
        async with asyncio.timeout(self.retry_policy.read_timeout_seconds):
            if content is None:
                return await connection.receive(RECEIVE_BYTES)
            if content:
                await connection.send(content)
            return b""
