"""The blocking HTTP transport: performs the actions of `BackupApi`, with one connection per request."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from obscura_backup_client.sealing.sealed import DEFAULT_MAX_BLOB_BYTES
from obscura_backup_client.transport.address import normalize_address
from obscura_backup_client.transport.backup_api import BackupApi, RetryPolicy, Sleep
from obscura_backup_client.transport.bearer_token import require_bearer_token
from obscura_backup_client.transport.errors import UnexpectedResponse
from obscura_backup_client.transport.responses import NoResponseError, Response

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from obscura_backup_client.transport.backup_api import Request, RequestPlan
    from obscura_backup_client.transport.blocking_connection import BlockingConnection
    from obscura_backup_client.transport.exchange import ExchangeSteps
    from obscura_backup_client.transport.interface import BackupMetadata, FetchedBackup, OnBytes, OnWait, ServerLimits

__all__ = ["HttpTransport", "RetryPolicy"]

T = TypeVar("T")


@dataclass(frozen=True)
class HttpTransport:
    """One user's backup on a server. Reusable, but not for several threads.

    Args:
        server: the address, http(s); any path in it is kept in front of `/v1/backup`.
        token: the bearer token. It is sent there and nowhere else: redirects are refused, and proxies and passwords
            that the environment or a `.netrc` names are not looked at.
        allow_insecure_http: send it over plain http to another machine, too.
        patience: time-outs and retries.
        max_blob_bytes: the most that is read of a download.
        on_bytes: told of progress.
        on_wait: told of each wait before a request is sent again.
        sleep, jitter, now: the clock and the randomness (a number from 0 to 1), for tests.

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
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __post_init__(self) -> None:
        object.__setattr__(self, "server", normalize_address(self.server, allow_insecure_http=self.allow_insecure_http))
        require_bearer_token(self.token)

    def fetch(self, if_none_match: int | None = None) -> FetchedBackup | None:
        """See `Transport.fetch`. The bytes are checked against `Repr-Digest` where the server sends it."""
        return self._run(self._api.fetch(if_none_match))

    def head(self) -> BackupMetadata:
        """See `Transport.head`."""
        return self._run(self._api.head())

    def push(self, blob: bytes, expected_version: int) -> int:
        """See `Transport.push`."""
        return self._run(self._api.push(blob, expected_version))

    def delete(self, expected_version: int) -> None:
        """See `Transport.delete`."""
        return self._run(self._api.delete(expected_version))

    def limits(self) -> ServerLimits:
        """The sizes that the server accepts.

        Raises:
            UnexpectedResponse: the response is not a configuration.
        """
        return self._run(self._api.limits())

    @cached_property
    def _api(self) -> BackupApi:
        return BackupApi(self.server, self.token, self.retry_policy, self.max_blob_bytes, self.jitter, self.now)

    @cached_property
    def _tls(self) -> ssl.SSLContext | None:
        if not self.server.startswith("https://"):
            return None
        # Imported here because it loads slowly; created once, because it reads all trusted certificates.
        from obscura_backup_client.transport.tls import client_context

        return client_context()

    def _run(self, steps: RequestPlan[T]) -> T:
        try:
            step = next(steps)
            while True:
                if isinstance(step, Sleep):
                    self.on_wait(step.seconds, step.reason)
                    self.sleep(step.seconds)
                    step = next(steps)
                    continue
                try:
                    response = self._send(step)
                except (NoResponseError, UnexpectedResponse) as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(response)
        except StopIteration as end:
            result: T = end.value
            return result

    def _send(self, request: Request) -> Response:
        """Send one request and return the whole response.

        Raises:
            NoResponseError: no complete response was received.
            UnexpectedResponse: the response is longer than the request allows.
        """
        from obscura_backup_client.transport.blocking_connection import Deadline, connected
        from obscura_backup_client.transport.exchange import exchange

        url, retry_policy = urlsplit(self.server), self.retry_policy
        tls = self._tls
        deadline = Deadline(time.monotonic() + retry_policy.total_timeout_seconds)
        host, port = url.hostname or "", url.port or (443 if tls else 80)
        with connected(
            host, port, tls, retry_policy.connect_timeout_seconds, retry_policy.read_timeout_seconds, deadline
        ) as connection:
            try:
                return _run_exchange(connection, exchange(request, self.server, self.on_bytes))
            except OSError as error:
                reason = "no answer in time" if isinstance(error, TimeoutError) else "the connection broke"
                raise NoResponseError(reason, sent=True, final=False) from error


def _run_exchange(connection: BlockingConnection, steps: ExchangeSteps) -> Response:
    try:
        wanted = next(steps)
        while True:
            try:
                received = _step(connection, wanted)
            except OSError as error:
                wanted = steps.throw(error)
            else:
                wanted = steps.send(received)
    except StopIteration as end:
        response: Response = end.value
        return response


def _step(connection: BlockingConnection, content: bytes | None) -> bytes:
    from obscura_backup_client.transport.exchange import RECEIVE_BYTES

    if content is None:
        return connection.receive(RECEIVE_BYTES)
    connection.send(content)
    return b""
