"""The service's HTTP API without I/O: which requests to send, what responses mean, and when to retry.

Each method of `BackupApi` is a generator. It yields the next action, a `Request` to send or a `Sleep`. The transport
sends the `Response` into it, or throws the error that occurred instead. The generator returns the caller's result. The
blocking and the asyncio transport therefore differ only in how they send and sleep.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from obscura_backup_client.strict_json import JsonError, JsonObject, parse
from obscura_backup_client.transport.errors import (
    NotStored,
    OutcomeUnknown,
    RateLimited,
    TooLarge,
    Unavailable,
    UnexpectedResponse,
)
from obscura_backup_client.transport.interface import BackupMetadata, FetchedBackup, ServerLimits
from obscura_backup_client.transport.proxy_responses import is_from_proxy, proxy_error, retry_reason
from obscura_backup_client.transport.responses import (
    NoResponseError,
    Response,
    digest_header,
    error_for,
    is_no_backup_problem,
    parse_count,
    problem_max_bytes,
    repr_sha256,
    require_version,
    retry_after_seconds,
    says_not_stored,
    unexpected_is_unknown,
)
from obscura_backup_client.version import __version__

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
class BackupApi:
    """The API calls of one user. `Transport` documents what the methods promise.

    Attributes:
        server: the normalized address.
        token: the bearer token.
        retry_policy: time-outs and retries.
        max_blob_bytes: the longest backup that is accepted from the server.
        jitter: returns a random number from 0 to 1.
        now: returns the time, for `Retry-After` dates.
    """

    server: str
    token: str = field(repr=False)
    retry_policy: RetryPolicy
    max_blob_bytes: int
    jitter: Callable[[], float]
    now: Callable[[], datetime]

    def fetch(self, if_none_match: int | None = None) -> RequestPlan[FetchedBackup | None]:
        """Steps of `Transport.fetch`. The bytes are checked against `Repr-Digest` if the server sends it."""
        condition = {} if if_none_match is None else {"If-None-Match": f'"{if_none_match}"'}
        response = yield from self._request("GET", "/v1/backup", condition, max_response_bytes=self.max_blob_bytes)
        if response.status == 304 and if_none_match is not None:
            return None
        if response.status != 200:
            raise error_for(response, self.now())
        if response.header("content-encoding").lower() not in ("", "identity"):
            raise UnexpectedResponse(0, "it is compressed, although the request does not allow that")
        expected = repr_sha256(response)
        if expected is not None and hashlib.sha256(response.body).digest() != expected:
            raise UnexpectedResponse(0, "its bytes do not match its Repr-Digest header")
        return FetchedBackup(response.body, require_version(response), response.header("last-modified"))

    def head(self) -> RequestPlan[BackupMetadata]:
        """Steps of `Transport.head`."""
        response = yield from self._request("HEAD", "/v1/backup")
        if response.status in (404, 500):
            # A response to HEAD has no body with the reason. The response to GET has one.
            fetched = yield from self.fetch()
            if fetched is not None:
                sha256 = hashlib.sha256(fetched.blob).digest()
                return BackupMetadata(fetched.version, len(fetched.blob), sha256, fetched.updated_at)
        if response.status != 200:
            raise error_for(response, self.now())
        return BackupMetadata(
            version=require_version(response),
            size_bytes=parse_count(response.header("content-length")),
            sha256=repr_sha256(response),
            updated_at=response.header("last-modified"),
        )

    def push(self, blob: bytes, expected_version: int) -> RequestPlan[int]:
        """Steps of `Transport.push`."""
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(len(blob)),
            "Content-Digest": digest_header(hashlib.sha256(blob).digest()),
        }
        # Every server of this contract understands a first upload without `If-Match`.
        condition = {"If-Match": f'"{expected_version}"'} if expected_version else {}
        with unexpected_is_unknown():
            response = yield from self._request("POST", "/v1/backup", {**headers, **condition}, body=blob)
            if response.status in (200, 201):
                return require_version(response)
            if response.status == 413 and not is_from_proxy(response):
                raise TooLarge(len(blob), problem_max_bytes(response))
            if response.status == 404:
                # Without a backup, an upload is the first one or a conflict. The address must be wrong.
                raise UnexpectedResponse(response.status, "it does not accept backups")
            raise error_for(response, self.now())

    def delete(self, expected_version: int) -> RequestPlan[None]:
        """Steps of `Transport.delete`."""
        with unexpected_is_unknown():
            response = yield from self._request("DELETE", "/v1/backup", {"If-Match": f'"{expected_version}"'})
            if response.status == 200:
                # Any web server may answer 200 with a page. This service answers 204.
                raise UnexpectedResponse(response.status, "it is not a response to a deletion")
            if response.status != 204:
                raise error_for(response, self.now())

    def limits(self) -> RequestPlan[ServerLimits]:
        """Steps to read the sizes that the server accepts.

        Raises:
            UnexpectedResponse: the response is not a configuration.
        """
        response = yield from self._request("GET", "/v1/config")
        if response.status == 404:
            raise UnexpectedResponse(response.status, "it has no configuration")
        if response.status != 200:
            raise error_for(response, self.now())
        try:
            document = JsonObject(parse(response.body))
        except JsonError:
            raise UnexpectedResponse(response.status, "it is not a configuration") from None
        return ServerLimits(*(parse_count(document.take(name, None)) for name in ("min_bytes", "max_bytes")))

    def _request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        *,
        body: bytes | None = None,
        max_response_bytes: int = MAX_JSON_BYTES,
    ) -> RequestPlan[Response]:
        # `identity`: the digest covers the stored bytes, and encrypted bytes cannot be compressed.
        always = {
            "Authorization": f"Bearer {self.token}",
            "Accept-Encoding": "identity",
            "User-Agent": f"obscura-backup-client/{__version__}",
        }
        request = Request(method, path, {**always, **(headers or {})}, body, max_response_bytes)
        response = yield from self._send_with_retries(request)
        _require_from_service(response)
        return response

    def _send_with_retries(self, request: Request) -> RequestPlan[Response]:
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
        for attempt in range(1, self.retry_policy.attempts + 1):
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
                longest_seconds = self.retry_policy.max_backoff_seconds
                if (asked_seconds or 0.0) > longest_seconds:
                    break
                wait_seconds = min((asked_seconds or 0.0) + wait_seconds, longest_seconds)
            if attempt < self.retry_policy.attempts:
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
        backoff_seconds = self.retry_policy.initial_backoff_seconds * 2.0 ** (attempt - 1)
        return min(backoff_seconds, self.retry_policy.max_backoff_seconds) * (0.5 + self.jitter() / 2)


def _settles_outcome(request: Request, response: Response) -> bool:
    """Whether the response settles the outcome of earlier attempts whose responses were lost.

    A repeated deletion has succeeded if the service itself says that there is no backup.
    """
    if request.method == "DELETE" and is_no_backup_problem(response):
        return True
    if response.status == 413 and is_from_proxy(response):
        return False
    return response.status in SETTLING_STATUSES.get(request.method, frozenset())


def _require_from_service(response: Response) -> None:
    """Check that the service may have sent this response.

    `says_not_found` judges a 404. A redirect or a success is not a proxy's error. A 408 means that the upload was too
    slow, even if a proxy sent it.

    Raises:
        NotFromService: a proxy sent it.
    """
    if response.status >= 400 and response.status not in (404, 408, 409) and is_from_proxy(response):
        raise proxy_error(response)
