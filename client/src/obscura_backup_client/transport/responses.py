"""Interpreting a response: headers to values, refusals to errors. Pure functions."""

from __future__ import annotations

import base64
import contextlib
import re
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from obscura_backup_client import strict_json
from obscura_backup_client.strict_json import is_count
from obscura_backup_client.transport.errors import (
    BackupLost,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    ServerRefused,
    Unauthorized,
    Unavailable,
    UnexpectedResponse,
    VersionMismatch,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from obscura_backup_client.transport.errors import TransportError

_ETAG = re.compile(r'"([1-9][0-9]{0,15})"')
_COUNT = re.compile(r"[0-9]{1,15}", re.ASCII)
_DIGEST = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):")

# The limit of a head with all interim responses before it. Servers and proxies send a tenth of it.
MAX_HEAD_BYTES: Final = 64 * 1024

DEADLINE_EXCEEDED: Final = "the whole request took too long"

# RFC 9457.
PROBLEM_MEDIA_TYPE: Final = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response with its whole body; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def header(self, name: str) -> str:
        """The header's value; empty if it is missing."""
        return self.headers.get(name.lower(), "")


class NoResponseError(Exception):
    """No complete response was received; `sent` is whether the server may have the request, `final` forbids a retry."""

    def __init__(self, reason: str, *, sent: bool, final: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent
        self.final = final


def describe_network_error(error: Exception) -> str:
    """Why there is no connection, in plain words: the system's message contains addresses and internals."""
    # By name, so that `ssl` and `socket` are imported only where they are needed.
    names = {type_.__name__ for type_ in type(error).__mro__}
    if names & {"gaierror", "UnicodeError"}:
        return "the host name cannot be resolved"
    if "SSLError" in names:
        return "the certificate or the TLS connection was refused"
    return "no connection in time" if isinstance(error, TimeoutError) else "no connection"


def make_response(status: int, headers: Iterable[tuple[str, str]], body: bytes) -> Response:
    """Make a response. The values of a repeated header are joined (RFC 9110, 5.3)."""
    named: dict[str, list[str]] = {}
    for name, value in headers:
        named.setdefault(name.lower(), []).append(value)
    return Response(status, {name: ", ".join(values) for name, values in named.items()}, body)


def body_length(headers: Iterable[tuple[str, str]]) -> int | None:
    """The length of the response's body in bytes; None if the head does not say.

    Raises:
        NoResponseError: the length is ambiguous (RFC 9112, 6.3), which may be an attack by a proxy.
    """
    named = [(name.lower(), value) for name, value in headers]
    lengths = {value for name, value in named if name == "content-length"}
    codings = [value.lower() for name, value in named if name == "transfer-encoding"]
    length = parse_count(next(iter(lengths))) if len(lengths) == 1 else None
    if (lengths and (length is None or codings)) or codings not in ([], ["chunked"]):
        raise NoResponseError("the length of its response is ambiguous", sent=True, final=False)
    return length


@contextlib.contextmanager
def unexpected_is_unknown() -> Iterator[None]:
    """For requests that change something: after an unexpected response the outcome is unknown.

    A refusal (4xx) other than 409 says by its status alone that nothing changed.
    """
    try:
        yield
    except UnexpectedResponse as nonsense:
        if 400 <= nonsense.status < 500 and nonsense.status != 409:
            raise
        raise OutcomeUnknown(nonsense.reason) from nonsense


def require_version(response: Response) -> int:
    """The version in the `ETag`.

    Raises:
        UnexpectedResponse: there is no valid one, so this is not an Obscura server.
    """
    version = _etag(response)
    if version is None:
        raise UnexpectedResponse(response.status, "it has no version")
    return version


def parse_count(value: object) -> int | None:
    """Parse a count of bytes or seconds from a header or problem; None if it is invalid or too long."""
    if isinstance(value, str):
        return int(value) if _COUNT.fullmatch(value) else None
    return value if is_count(value) else None


def repr_sha256(response: Response) -> bytes | None:
    """The SHA-256 in `Repr-Digest` (RFC 9530); None if the server sent none."""
    found = _DIGEST.search(response.header("repr-digest"))
    return base64.b64decode(found.group(1)) if found else None


def digest_header(sha256: bytes) -> str:
    """The value of `Content-Digest` for a body with this SHA-256."""
    return f"sha-256=:{base64.b64encode(sha256).decode('ascii')}:"


def retry_after_seconds(response: Response, now: datetime) -> float | None:
    """The seconds of `Retry-After`, given as seconds or as a date; None if it gives neither."""
    value = response.header("retry-after").strip()
    if (seconds := parse_count(value)) is not None:
        return float(seconds)
    try:
        return max(0.0, (parsedate_to_datetime(value) - now).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None


def problem_code(response: Response) -> str:
    """The last part of the problem's `type` URI; empty if there is none."""
    kind = json_object(response).get("type")
    return re.split("[:/]", kind.rstrip("/"))[-1] if isinstance(kind, str) else ""


def says_not_stored(response: Response) -> bool:
    """Whether a 503 to an upload or deletion says that this request changed nothing.

    It says nothing about earlier requests. A server gains nothing by lying: no number is used twice, and the next fetch
    shows what it secretly stored or deleted.
    """
    problem = json_object(response)
    if "outcome" in problem:
        return response.status == 503 and problem["outcome"] == "not-stored"
    return problem_code(response) == "slot-busy"  # of a service from before there was an `outcome`


def problem_max_bytes(response: Response) -> int | None:
    """The largest size that the server accepts, if the problem says so."""
    return parse_count(json_object(response).get("max_bytes"))


def is_no_backup_problem(response: Response) -> bool:
    """Whether the service itself says that this user has no backup: a 404 with a problem of exactly that type.

    Proxies do not send it, and the service uses `not-found` for an unknown path.
    """
    return response.status == 404 and problem_code(response) == "backup-not-found"


def says_not_found(response: Response) -> bool:
    """Whether the 404 to a GET or DELETE says that there is no backup. A proxy may also send 404, about the address.

    If there is a body, only the service's own problem counts (see `is_no_backup_problem`). A gateway's text, JSON or
    page does not: believing it would raise a false alarm, or upload a first backup to a wrong server. An empty 404
    counts too, because servers and proxies may drop problems, unless its `Content-Type` names something else.

    Not for HEAD, whose response has no body, and not for POST: an upload without an earlier backup is either stored or
    a conflict.
    """
    if response.status != 404 or response.body:
        return is_no_backup_problem(response)
    media_type = response.header("content-type").partition(";")[0].strip().lower()
    return media_type in ("", PROBLEM_MEDIA_TYPE)


def error_for(response: Response, now: datetime) -> TransportError:
    """The error for a final response that is not a success."""
    status, problem = response.status, json_object(response)
    if status in (401, 403):
        return Unauthorized()
    if says_not_found(response):
        return NotFound()
    if status == 409:
        current = problem.get("current_version", _etag(response))
        if is_count(current):
            return VersionMismatch(current)
        return UnexpectedResponse(status, "it does not say the current version")
    if status == 429:
        return RateLimited(retry_after_seconds(response, now))
    if status == 304:
        return UnexpectedResponse(status, "it says that nothing changed, although the request had no condition")
    if 300 <= status < 400:
        reason = (
            "it is the target of a redirect, perhaps a login page, and the token is never sent there; check the address"
        )
        return ServerRefused(_redirected_to(response), reason)
    if status == 408:
        return Unavailable("the upload took too long")
    if problem_code(response) == "backup-lost":
        version = problem.get("version", problem.get("current_version", _etag(response)))
        return BackupLost(version if is_count(version) and version > 0 else None)
    detail = problem_detail(response)
    return UnexpectedResponse(status, f"status {status}" + (f", {detail}" if detail else ""))


def problem_detail(response: Response) -> str:
    """A problem's `detail`, the server's text for a person, quoted and truncated; it decides nothing."""
    problem = json_object(response)
    detail = problem.get("detail") or problem.get("title")
    return f"{detail[:200]!r}" if isinstance(detail, str) else ""


def _redirected_to(response: Response) -> str:
    try:
        return urlsplit(response.header("location")).hostname or "another path"
    except ValueError:
        return "another address"


def _etag(response: Response) -> int | None:
    found = _ETAG.fullmatch(response.header("etag").removeprefix("W/"))
    version = int(found.group(1)) if found else None
    return version if is_count(version) else None


def json_object(response: Response) -> dict[str, Any]:
    """The JSON object in the response's body; empty if there is none. It may have any members."""
    try:
        document = strict_json.parse(response.body)
    except strict_json.JsonError:
        return {}
    return document if isinstance(document, dict) else {}
