"""The asyncio HTTP transport: performs the actions of `BackupApi` without blocking the event loop."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from obscura_backup_client.sealing.sealed import DEFAULT_MAX_BLOB_BYTES
from obscura_backup_client.transport.address import normalize_address
from obscura_backup_client.transport.asyncio_connection import connected
from obscura_backup_client.transport.backup_api import BackupApi, RetryPolicy, Sleep
from obscura_backup_client.transport.bearer_token import require_bearer_token
from obscura_backup_client.transport.errors import UnexpectedResponse
from obscura_backup_client.transport.exchange import RECEIVE_BYTES, exchange
from obscura_backup_client.transport.responses import DEADLINE_EXCEEDED, NoResponseError, Response

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

    from obscura_backup_client.transport.asyncio_connection import Connection
    from obscura_backup_client.transport.backup_api import Request, RequestPlan
    from obscura_backup_client.transport.exchange import ExchangeSteps
    from obscura_backup_client.transport.interface import BackupMetadata, FetchedBackup, OnBytes, OnWait, ServerLimits

T = TypeVar("T")


@dataclass(frozen=True)
class AsyncHttpTransport:
    """One user's backup on a server, for asyncio. Several tasks may use it at once.

    Each request has its own connection, which is closed with the response, at the deadline, or when the waiting task is
    cancelled. Nothing continues in the background, except resolving a host's name, which cannot be interrupted.

    Args:
        server, token, allow_insecure_http, patience, max_blob_bytes, jitter, now: as for `HttpTransport`.
        on_bytes, on_wait: called with progress and waits, in the loop's thread.
        sleep: waits for a number of seconds; for tests.

    Raises:
        ServerRefused: the token may not be sent to this address.
        TokenUnusable: the token is not valid in a header.
    """

    server: str
    token: str = field(repr=False)
    allow_insecure_http: bool = False
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)
    max_blob_bytes: int = DEFAULT_MAX_BLOB_BYTES
    on_bytes: OnBytes = lambda _direction, _run, _total: None
    on_wait: OnWait = lambda _seconds, _reason: None
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    jitter: Callable[[], float] = random.random
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __post_init__(self) -> None:
        object.__setattr__(self, "server", normalize_address(self.server, allow_insecure_http=self.allow_insecure_http))
        require_bearer_token(self.token)

    async def fetch(self, if_none_match: int | None = None) -> FetchedBackup | None:
        """See `AsyncTransport.fetch`. The bytes are checked against `Repr-Digest` where the server sends it."""
        return await self._run(self._api.fetch(if_none_match))

    async def head(self) -> BackupMetadata:
        """See `AsyncTransport.head`."""
        return await self._run(self._api.head())

    async def push(self, blob: bytes, expected_version: int) -> int:
        """See `AsyncTransport.push`."""
        return await self._run(self._api.push(blob, expected_version))

    async def delete(self, expected_version: int) -> None:
        """See `AsyncTransport.delete`."""
        await self._run(self._api.delete(expected_version))

    async def limits(self) -> ServerLimits:
        """The sizes that the server accepts.

        Raises:
            UnexpectedResponse: the response is not a configuration.
        """
        return await self._run(self._api.limits())

    @cached_property
    def _api(self) -> BackupApi:
        return BackupApi(self.server, self.token, self.retry_policy, self.max_blob_bytes, self.jitter, self.now)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        from obscura_backup_client.transport.tls import client_context

        return client_context()

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
        url, tls, sent = urlsplit(self.server), None, False
        if url.scheme == "https":
            # Reads all certificates that this machine trusts, once, which would block the loop for too long.
            tls = await asyncio.to_thread(lambda: self._tls)
        port = url.port or (443 if tls else 80)
        whole = asyncio.timeout(self.retry_policy.total_timeout_seconds)
        try:
            async with (
                whole,
                connected(url.hostname or "", port, tls, self.retry_policy.connect_timeout_seconds) as connection,
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
