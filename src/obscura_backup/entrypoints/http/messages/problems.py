"""Errors as problem documents (RFC 9457): one table from the domain's errors to status codes."""

from __future__ import annotations

import http
import logging
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import msgspec
from litestar.response import Response

from obscura_backup.domain import errors
from obscura_backup.entrypoints.http.messages.errors import (
    ClientDisconnected,
    MalformedHeader,
    PreconditionRequired,
    TooManyRequests,
    UnsupportedMediaType,
    UploadTooSlow,
)
from obscura_backup.entrypoints.http.messages.headers import etag

if TYPE_CHECKING:
    from litestar import Request
    from litestar.exceptions import HTTPException
    from litestar.types import HTTPScope, Scope

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:obscura-backup:problem:"

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
"""`not-stored`: the request that is answered has changed nothing, and is not going to. `unknown`: it may have."""

_CHANGING = "obscura.changing"
_CHANGES = frozenset({"POST", "DELETE"})


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """A problem document. `type` is stable; the members after `detail` are there where the problem has them.

    `outcome` is in every 503 to an upload or a deletion: `not-stored`, where the request is known to have changed
    nothing, or `unknown`. It speaks of that one request alone.
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


def begin_change(scope: Scope) -> None:
    """Note that this upload or deletion is handed to the service now. Before that nothing can have changed."""
    cast("dict[str, Any]", scope)[_CHANGING] = True


def outcome_of(scope: Scope, *, nothing_changed: bool) -> Outcome | None:
    """What a 503 to this request says of it; None where it asks for no change.

    Args:
        scope: of the request.
        nothing_changed: whether the service knows so, where the request was handed to it.
    """
    if cast("HTTPScope", scope)["method"] not in _CHANGES:
        return None
    return "not-stored" if nothing_changed or _CHANGING not in scope else "unknown"


def refuse(request: Request[Any, Any, Any], error: errors.ObscuraError) -> Response[Problem]:
    """The answer to one of the domain's errors."""
    status = next(status for kind, status in STATUSES.items() if isinstance(error, kind))
    if status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("%s %s: %s", request.method, request.url.path, error.with_cause)
    facts = {
        name: getattr(error, name)
        for name in ("min_bytes", "max_bytes", "size", "version")
        if getattr(error, name, None) is not None
    }
    headers = {}
    match error:
        case errors.VersionMismatch():
            facts["current_version"] = error.current
            headers["ETag"] = etag(error.current)
        case errors.Unauthenticated():
            challenge = 'Bearer realm="obscura-backup"'
            if "authorization" in request.headers:
                challenge += ', error="invalid_token"'
            headers["WWW-Authenticate"] = challenge
        case errors.Unavailable():
            facts["outcome"] = outcome_of(request.scope, nothing_changed=error.nothing_changed)
            headers["Retry-After"] = str(error.retry_after_seconds)
        case TooManyRequests():
            headers["Retry-After"] = str(error.retry_after_seconds)
        case errors.TooManyUploads() | errors.TooManyDownloads():
            headers["Retry-After"] = "1"
        case errors.RangeNotSatisfiable():
            headers["Content-Range"] = f"bytes */{error.size}"
        case _:
            pass
    return _answer(error.code, str(error), status, facts, headers)


def refuse_http(request: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    """The answer to what the framework refuses: no such path, no such method, a query that cannot be read."""
    status = error.status_code
    if status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
        return fail(request, error)
    code = http.HTTPStatus(status).phrase.lower().replace(" ", "-")
    return _answer(code, error.detail, status, {}, dict(error.headers or {}))


def fail(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """The answer to a defect of ours: nothing of it is told to the client, all of it to the log."""
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _answer("internal-error", "The service failed; its log says why.", 500, {}, {})


def _answer(code: str, detail: str, status: int, facts: dict[str, Any], headers: dict[str, str]) -> Response[Problem]:
    document = Problem(
        type=TYPE_PREFIX + code, title=http.HTTPStatus(status).phrase, status=status, detail=detail, **facts
    )
    headers["Cache-Control"] = "no-store"
    return Response(document, status_code=status, headers=headers, media_type=MEDIA_TYPE)
