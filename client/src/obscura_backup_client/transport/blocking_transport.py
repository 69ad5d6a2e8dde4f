"""The blocking HTTP transport: performs the actions of `BackupApi`, with one connection per request."""

from __future__ import annotations

import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypeVar

from obscura_backup_client.transport.errors import Unavailable, UnexpectedResponse
from obscura_backup_client.transport.http_settings import HttpSettings
from obscura_backup_client.transport.interface import ServerProbe
from obscura_backup_client.transport.responses import NoResponseError, Response
from obscura_backup_client.transport.retries import Request, Sleep

if TYPE_CHECKING:
    from collections.abc import Callable

    from obscura_backup_client.transport.blocking_connection import BlockingConnection
    from obscura_backup_client.transport.exchange import ExchangeSteps
    from obscura_backup_client.transport.interface import BackupMetadata, FetchedBackup, ServerLimits
    from obscura_backup_client.transport.retries import RequestPlan

T = TypeVar("T")


@dataclass(frozen=True)
class HttpTransport(HttpSettings):
    """One user's backup on a server. Reusable, but not for several threads.

    Args:
        sleep: waits for a number of seconds.
    """

    sleep: Callable[[float], None] = time.sleep

    def fetch(self, if_none_match: int | None = None) -> FetchedBackup | None:
        """See `Transport.fetch`. The bytes are checked against `Repr-Digest` where the server sends it."""
        return self._run(self.api.fetch(if_none_match))

    def head(self) -> BackupMetadata:
        """See `Transport.head`."""
        return self._run(self.api.head())

    def push(self, blob: bytes, expected_version: int) -> int:
        """See `Transport.push`."""
        return self._run(self.api.push(blob, expected_version))

    def delete(self, expected_version: int) -> None:
        """See `Transport.delete`."""
        return self._run(self.api.delete(expected_version))

    def limits(self) -> ServerLimits:
        """The sizes that the server accepts.

        Raises:
            UnexpectedResponse: the response is not a configuration.
        """
        return self._run(self.api.limits())

    def probe(self) -> ServerProbe:
        """Send one request without the token, and say how the server is reached. Any response will do.

        Raises:
            Unavailable: there is no response.
            UnexpectedResponse: it is longer than a configuration.
        """
        tls: list[tuple[str, float | None]] = []
        started = time.monotonic()
        try:
            response = self._exchange(Request("GET", "/v1/config", {}), lambda opened: tls.append(opened.tls()))
        except NoResponseError as error:
            raise Unavailable(error.reason, server=self.server) from error
        seconds, (version, ends_s) = time.monotonic() - started, tls[0]
        try:
            ahead = (self.now() - parsedate_to_datetime(response.header("date"))).total_seconds()
        except (ValueError, TypeError, OverflowError):
            ahead = None
        return ServerProbe(seconds, ahead, version, ends_s)

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
        """See `_exchange`."""
        return self._exchange(request, lambda _: None)

    def _exchange(self, request: Request, on_connected: Callable[[BlockingConnection], object]) -> Response:
        """Send one request and return the whole response; `on_connected` gets the connection first.

        Raises:
            NoResponseError: no complete response was received.
            UnexpectedResponse: the response is longer than the request allows.
        """
        from obscura_backup_client.transport.blocking_connection import Deadline, connected
        from obscura_backup_client.transport.exchange import exchange

        (host, port), retry_policy = self.host_and_port, self.retry_policy
        deadline = Deadline(time.monotonic() + retry_policy.total_timeout_seconds)
        with connected(
            host, port, self.tls, retry_policy.connect_timeout_seconds, retry_policy.read_timeout_seconds, deadline
        ) as connection:
            on_connected(connection)
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
