"""The service's HTTP API without I/O: which requests to send, and what responses mean.

Each method of `BackupApi` is a plan, see `retries`. The blocking and the asyncio transport therefore differ only in how
they send and sleep.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from obscura_backup_client.strict_json import JsonError, JsonObject, parse
from obscura_backup_client.transport.errors import TooLarge, UnexpectedResponse
from obscura_backup_client.transport.interface import BackupMetadata, FetchedBackup, ServerLimits
from obscura_backup_client.transport.proxy_responses import is_from_proxy, proxy_error
from obscura_backup_client.transport.responses import (
    Response,
    digest_header,
    error_for,
    parse_count,
    problem_max_bytes,
    repr_sha256,
    require_version,
    unexpected_is_unknown,
)
from obscura_backup_client.transport.retries import MAX_JSON_BYTES, Request, RequestPlan, Retries, RetryPolicy
from obscura_backup_client.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime


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
        response = yield from Retries(self.retry_policy, self.server, self.jitter, self.now).send(request)
        _require_from_service(response)
        return response


def _require_from_service(response: Response) -> None:
    """Check that the service may have sent this response.

    `says_not_found` judges a 404. A redirect or a success is not a proxy's error. A 408 means that the upload was too
    slow, even if a proxy sent it.

    Raises:
        NotFromService: a proxy sent it.
    """
    if response.status >= 400 and response.status not in (404, 408, 409) and is_from_proxy(response):
        raise proxy_error(response)
