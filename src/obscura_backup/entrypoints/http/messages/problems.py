"""Errors as problem documents (RFC 9457): one builder, and one table from errors to status codes."""

from __future__ import annotations

import http
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec
from litestar.response import Response

from obscura_backup.domain import errors
from obscura_backup.entrypoints.http.messages.errors import (
    ClientDisconnected,
    MalformedHeader,
    MisdirectedRequest,
    PreconditionRequired,
    TooManyRequests,
    UnsupportedMediaType,
    UploadTooSlow,
)
from obscura_backup.entrypoints.http.messages.headers import etag
from obscura_backup.entrypoints.http.request_state import RequestState
from obscura_backup.entrypoints.logs import FIELDS, REQUEST_ID

if TYPE_CHECKING:
    from collections.abc import Mapping

    from litestar import Request
    from litestar.exceptions import HTTPException
    from litestar.types import HTTPScope, Send

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
_CONTENT_TYPE = (b"content-type", MEDIA_TYPE.encode())
TYPE_PREFIX = "urn:obscura-backup:problem:"
# Those of RFC 9110, where Python before 3.13 has older ones.
_TITLES = {status.value: status.phrase for status in http.HTTPStatus} | {
    413: "Content Too Large",
    416: "Range Not Satisfiable",
}

# The first class that fits decides, so the narrow ones come first.
STATUSES: dict[type[errors.ObscuraError], int] = {
    ClientDisconnected: 400,
    MalformedHeader: 400,
    errors.BlobTooSmall: 400,
    errors.DigestMismatch: 400,
    errors.Unauthenticated: 401,
    errors.BackupNotFound: 404,
    UploadTooSlow: 408,
    errors.VersionMismatch: 409,
    errors.BlobTooLarge: 413,
    UnsupportedMediaType: 415,
    errors.RangeNotSatisfiable: 416,
    MisdirectedRequest: 421,
    PreconditionRequired: 428,
    errors.TooManyUploads: 429,
    errors.TooManyDownloads: 429,
    TooManyRequests: 429,
    errors.Unavailable: 503,
    errors.BackupDamaged: 500,
    errors.BackupLost: 500,
    errors.ObscuraError: 500,
}


Outcome: TypeAlias = Literal["not-stored", "unknown"]
"""`not-stored`: the refused request has changed nothing and will change nothing. `unknown`: it may have."""

_CHANGES = frozenset({"POST", "DELETE"})
_FACTS = ("min_bytes", "max_bytes", "size", "version")


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """A problem document. `type` is stable; the members after `detail` are there if the problem has them.

    `outcome` is in every 503 to an upload or a deletion, and describes that one request alone.
    """

    type: str
    title: str
    status: int
    detail: str
    current_version: int | None = None
    min_bytes: int | None = None
    max_bytes: int | None = None
    size: int | None = None
    version: int | None = None
    outcome: Outcome | None = None
    request_id: str | None = None


@dataclass(slots=True)
class ProblemAnswer:
    """A problem document with its status and the headers that not every problem has, ready to be sent."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    async def send(self, send: Send) -> None:
        """Answer a request that does not reach the framework."""
        headers = [
            _CONTENT_TYPE,
            (b"content-length", b"%d" % len(self.body)),
            (b"cache-control", b"no-store"),
            *((name.lower().encode(), value.encode()) for name, value in self.headers.items()),
        ]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": False})

    def to_response(self) -> Response[bytes]:
        """The answer for the framework to send."""
        headers = {**self.headers, "Cache-Control": "no-store"}
        return Response(self.body, status_code=self.status, headers=headers, media_type=MEDIA_TYPE)


def problem(
    status: int,
    detail: str,
    *,
    code: str | None = None,
    headers: Mapping[str, str] | None = None,
    retry_after_seconds: int | None = None,
    close: bool = False,
    **facts: Any,
) -> ProblemAnswer:
    """Build a problem document.

    Args:
        status: of the answer.
        detail: what happened, in one sentence.
        code: the last part of the problem's type; by default the status phrase, as in `not-found`.
        headers: beside those that every problem document has.
        retry_after_seconds: for the header Retry-After.
        close: whether the connection ends with this answer.
        **facts: further members of the document.
    """
    title = _TITLES[status]
    code = code or title.lower().replace(" ", "-")
    document = Problem(type=TYPE_PREFIX + code, title=title, status=status, detail=detail, **facts)
    fields = dict(headers or {})
    if retry_after_seconds is not None:
        fields["Retry-After"] = str(retry_after_seconds)
    if close:
        fields["Connection"] = "close"
    return ProblemAnswer(status, msgspec.json.encode(document), fields)


def problem_of(error: errors.ObscuraError, state: RequestState, *, close: bool = False) -> ProblemAnswer:
    """The problem document for an error of ours, as the answer to this request."""
    status = next(status for kind, status in STATUSES.items() if isinstance(error, kind))
    facts = {name: getattr(error, name) for name in _FACTS if getattr(error, name, None) is not None}
    headers = {}
    retry_after_seconds = None
    match error:
        case errors.VersionMismatch():
            facts["current_version"] = error.current
            headers["ETag"] = etag(error.current)
        case errors.Unauthenticated():
            challenge = 'Bearer realm="obscura-backup"'
            if state.has(b"authorization"):
                challenge += ', error="invalid_token"'
            headers["WWW-Authenticate"] = challenge
        case errors.Unavailable():
            facts["outcome"] = outcome_of(state, nothing_changed=error.nothing_changed)
            retry_after_seconds = error.retry_after_seconds
        case TooManyRequests():
            retry_after_seconds = error.retry_after_seconds
        case errors.TooManyUploads() | errors.TooManyDownloads():
            retry_after_seconds = 1
        case errors.RangeNotSatisfiable():
            headers["Content-Range"] = f"bytes */{error.size}"
        case _:
            pass
    state.error = error
    return problem(
        status,
        str(error),
        request_id=state.request_id,
        code=error.code,
        headers=headers,
        retry_after_seconds=retry_after_seconds,
        close=close,
        **facts,
    )


def outcome_of(state: RequestState, *, nothing_changed: bool) -> Outcome | None:
    """What a 503 to this request says about it; None if the request asks for no change.

    Args:
        state: of the request.
        nothing_changed: whether the service knows that a request which it began has changed nothing.
    """
    if state.method not in _CHANGES:
        return None
    return "not-stored" if nothing_changed or not state.has_begun_change else "unknown"


def answer_to(scope: HTTPScope, error: errors.ObscuraError, *, close: bool = False) -> ProblemAnswer:
    """The answer to a request that ended with this error."""
    return problem_of(error, RequestState.of(scope), close=close)


def internal_error(scope: HTTPScope, error: Exception) -> ProblemAnswer:
    """The answer to a request that met a bug."""
    fields = {REQUEST_ID: RequestState.of(scope).request_id}
    log.error("%s %s failed", scope["method"], scope["path"], exc_info=error, extra={FIELDS: fields})
    request_id = RequestState.of(scope).request_id
    detail = "Internal error; the service's log has the details."
    return problem(500, detail, code="internal-error", request_id=request_id)


def answer_error(request: Request[Any, Any, Any], error: errors.ObscuraError) -> Response[bytes]:
    """Handle an error of the domain or of a header."""
    return answer_to(request.scope, error).to_response()


def answer_http_exception(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Handle what the framework refuses: an unknown path, or a query that cannot be parsed."""
    if error.status_code >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
        return answer_exception(request, error)
    request_id = RequestState.of(request.scope).request_id
    return problem(error.status_code, error.detail, headers=error.headers, request_id=request_id).to_response()


def answer_exception(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Handle an internal error (a bug): the log gets all of it, the client nothing."""
    return internal_error(request.scope, error).to_response()
