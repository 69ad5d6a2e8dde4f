"""Reading a server's answer: headers to values, refusals to errors. Pure functions over what came back."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from obscura_backup_client.transport_errors import (
    BackupLost,
    NotFound,
    RateLimited,
    ServerRefused,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
    VersionMismatch,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from obscura_backup_client.transport_errors import TransportError

_ETAG = re.compile(r'"(0|[1-9][0-9]{0,17})"')
_DIGEST = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):")


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, its body in full; header names are looked up in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def header(self, name: str) -> str:
        """The header's value, or an empty text."""
        return self.headers.get(name.lower(), "")


def require_version(answer: Answer) -> int:
    """The version in the `ETag`.

    Raises:
        UnexpectedAnswer: there is none, or it is not a version: something else than an Obscura server answers here.
    """
    version = _etag(answer)
    if version is None:
        raise UnexpectedAnswer(answer.status, "there is no version in it")
    return version


def sha256_of(answer: Answer) -> bytes | None:
    """The SHA-256 in `Repr-Digest` (RFC 9530), or None where the server sent none."""
    found = _DIGEST.search(answer.header("repr-digest"))
    return base64.b64decode(found.group(1)) if found else None


def digest_header(sha256: bytes) -> str:
    """The value of `Content-Digest` for a body with this SHA-256."""
    return f"sha-256=:{base64.b64encode(sha256).decode('ascii')}:"


def retry_after_seconds(answer: Answer, now: datetime) -> float | None:
    """What `Retry-After` asks for, whether it gives seconds or a date; None where it gives neither."""
    value = answer.header("retry-after").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - now).total_seconds())
    except (ValueError, TypeError):
        return None


def problem_code(answer: Answer) -> str:
    """The last part of the problem's `type`, which is a URI of some kind; empty where there is none."""
    return re.split("[:/]", str(_problem(answer).get("type", "")).rstrip("/"))[-1]


def max_bytes_of(answer: Answer) -> int | None:
    """The most bytes that the server takes, where the problem says so."""
    found = _problem(answer).get("max_bytes")
    return found if isinstance(found, int) else None


def refusal(answer: Answer, now: datetime) -> TransportError:
    """The error for an answer that is not a success, and that sending again would not change."""
    status, problem = answer.status, _problem(answer)
    if status in (401, 403):
        return Unauthorized()
    if status == 404 and not _is_of_another_kind(answer):  # noqa: PLR2004 - statuses are clearer as numbers here
        return NotFound()
    if status == 409:  # noqa: PLR2004
        current = problem.get("current_version", _etag(answer))
        if isinstance(current, int) and current >= 0:
            return VersionMismatch(current)
        return UnexpectedAnswer(status, "it does not say which version is current")
    if status == 429:  # noqa: PLR2004
        return RateLimited(retry_after_seconds(answer, now))
    if 300 <= status < 400:  # noqa: PLR2004
        target = urlsplit(answer.header("location")).hostname or "another path"
        return ServerRefused(target, "the server sends us there, and a token is never taken along")
    if status == 408:  # noqa: PLR2004
        return Unavailable("the upload took too long")
    if problem_code(answer) == "backup-lost":
        version = problem.get("version", problem.get("current_version", _etag(answer)))
        return BackupLost(version if isinstance(version, int) else None)
    # A problem's `detail` is the server's text for a person; it is shown, cut short, and decides nothing.
    detail = str(problem.get("detail") or problem.get("title") or "")[:200]
    return UnexpectedAnswer(status, f"status {status}" + (f", {detail!r}" if detail else ""))


def _is_of_another_kind(answer: Answer) -> bool:
    """Whether a 404 is about the address and not about the backup: taking one for the other would say "no backup"."""
    return "html" in answer.header("content-type") or problem_code(answer) == "not-found"


def _etag(answer: Answer) -> int | None:
    found = _ETAG.fullmatch(answer.header("etag").removeprefix("W/"))
    return int(found.group(1)) if found else None


def _problem(answer: Answer) -> dict[str, Any]:
    try:
        document = json.loads(answer.body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
