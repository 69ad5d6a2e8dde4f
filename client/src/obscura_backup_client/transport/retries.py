"""Sends a request until there is a response that a retry would not change, without I/O: the actions are yielded.

A plan is a generator. It yields the next action, a `Request` to send or a `Sleep`. The transport sends the `Response`
into it, or throws the error that occurred instead. The generator returns the caller's result.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from obscura_backup_client.transport.errors import NotStored, OutcomeUnknown, RateLimited, Unavailable
from obscura_backup_client.transport.proxy_responses import is_from_proxy, retry_reason
from obscura_backup_client.transport.responses import (
    NoResponseError,
    Response,
    is_no_backup_problem,
    retry_after_seconds,
    says_not_stored,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from obscura_backup_client.transport.errors import TransportError

# Enough for a problem document or a configuration.
MAX_JSON_BYTES = 64 * 1024
# "Try again later", from the server or from a gateway in front of it.
RETRYABLE_STATUSES = frozenset({429, 502, 503, 504})
# Statuses of a repeated upload or deletion that also settle the outcome of the earlier attempts. A 404 is not among
# them: a proxy in front of a restarting server may send it, too.
SETTLING_STATUSES = {"POST": frozenset({200, 201, 409, 413}), "DELETE": frozenset({204, 409})}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Time-outs and retries.

    Waits double from `initial_backoff_seconds`. Each is multiplied by a random factor of 0.5 to 1, so that devices do
    not all return at once after an outage. For the same reason a server's `Retry-After` is added to the wait.

    Attributes:
        connect_timeout_seconds: for connecting, TLS included.
        read_timeout_seconds: for the next byte.
        total_timeout_seconds: for one request, from connecting to the last byte of the response. A request that took
            this long is not sent again.
        attempts: how often a request is sent at most.
        initial_backoff_seconds: before the second attempt.
        max_backoff_seconds: the longest wait. If `Retry-After` asks for more, the call fails at once.
    """

    connect_timeout_seconds: float = 10.0
    read_timeout_seconds: float = 30.0
    total_timeout_seconds: float = 300.0
    attempts: int = 4
    initial_backoff_seconds: float = 0.5
    max_backoff_seconds: float = 15.0


@dataclass(frozen=True, slots=True)
class Request:
    """One request to send.

    Attributes:
        method: GET, HEAD, POST or DELETE.
        path: below the server's address.
        headers: with the bearer token.
        body: None for no body.
        max_response_bytes: a response with a longer body is an error.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)
    max_response_bytes: int = MAX_JSON_BYTES

    @property
    def is_write(self) -> bool:
        """Whether it may change the backup, so that an unknown outcome matters."""
        return self.method in ("POST", "DELETE")


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait for `seconds`, then send again; `reason` says in plain words how the last attempt failed."""

    seconds: float
    reason: str


RequestPlan = Generator[Request | Sleep, Response, T]
"""The actions of one call, and its result; see the module."""


@dataclass(frozen=True, slots=True)
class Retries:
    """Sends the requests of one call.

    Attributes:
        policy: time-outs and retries.
        server: the normalized address, for messages.
        jitter: returns a random number from 0 to 1.
        now: returns the time, for `Retry-After` dates.
    """

    policy: RetryPolicy
    server: str
    jitter: Callable[[], float]
    now: Callable[[], datetime]

    def send(self, request: Request) -> RequestPlan[Response]:
        """Send until there is a response that a retry would not change, or no attempt is left.

        Every request is safe to retry: a write names the version that it replaces and sends the same bytes each time,
        which the server recognises.

        Raises:
            OutcomeUnknown: an attempt may have changed the backup. No attempt is left, or the last response says
                nothing about the earlier attempts.
            RateLimited, NotStored, Unavailable: no attempt is left, and nothing has changed.
        """
        may_have_happened, reason = False, ""
        refused: TransportError | None = None
        for attempt in range(1, self.policy.attempts + 1):
            wait_seconds = self._wait_seconds(attempt)
            try:
                response = yield request
            except NoResponseError as error:
                may_have_happened, reason, refused = may_have_happened or error.sent, error.reason, None
                if error.final:
                    break
            else:
                reason, asked_seconds = retry_reason(response), retry_after_seconds(response, self.now())
                if response.status not in RETRYABLE_STATUSES:
                    unknown = may_have_happened and not _settles_outcome(request, response)
                    if request.is_write and (unknown or response.status >= 500):
                        raise OutcomeUnknown(reason)
                    return response
                refused = self._definite_error(request, response, reason)
                may_have_happened = may_have_happened or refused is None
                longest_seconds = self.policy.max_backoff_seconds
                if (asked_seconds or 0.0) > longest_seconds:
                    break
                wait_seconds = min((asked_seconds or 0.0) + wait_seconds, longest_seconds)
            if attempt < self.policy.attempts:
                yield Sleep(wait_seconds, reason)
        if request.is_write and may_have_happened:
            raise OutcomeUnknown(reason)
        raise refused or Unavailable(reason, server=self.server)

    def _definite_error(self, request: Request, response: Response, reason: str) -> TransportError | None:
        """The error for a transient response that says that this attempt changed nothing; None if it may have."""
        if response.status == 429:
            return RateLimited(retry_after_seconds(response, self.now()))
        if request.is_write and says_not_stored(response):
            return NotStored(reason, server=self.server, method=request.method)
        return None

    def _wait_seconds(self, attempt: int) -> float:
        backoff_seconds = self.policy.initial_backoff_seconds * 2.0 ** (attempt - 1)
        return min(backoff_seconds, self.policy.max_backoff_seconds) * (0.5 + self.jitter() / 2)


def _settles_outcome(request: Request, response: Response) -> bool:
    """Whether the response settles the outcome of earlier attempts whose responses were lost.

    A repeated deletion has succeeded if the service itself says that there is no backup.
    """
    if request.method == "DELETE" and is_no_backup_problem(response):
        return True
    if response.status == 413 and is_from_proxy(response):
        return False
    return response.status in SETTLING_STATUSES.get(request.method, frozenset())
