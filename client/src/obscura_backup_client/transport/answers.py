"""Reading a server's answer: headers to values, refusals to errors. Pure functions over what came back."""

from __future__ import annotations

import base64
import contextlib
import json
import re
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, TypeGuard
from urllib.parse import urlsplit

from obscura_backup_client.content.model import MAX_INTEGER
from obscura_backup_client.transport.errors import (
    BackupLost,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    ServerRefused,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
    VersionMismatch,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from obscura_backup_client.transport.errors import TransportError

_ETAG = re.compile(r'"([1-9][0-9]{0,15})"')
_COUNT = re.compile(r"[0-9]{1,15}", re.ASCII)
_DIGEST = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):")

# Of a whole head, all of its lines and all interim answers before it. Servers and proxies send a tenth of it.
MAX_HEAD_BYTES: Final = 64 * 1024

TOO_LONG: Final = "it took too long as a whole"

# RFC 9457.
PROBLEM_MEDIA_TYPE: Final = "application/problem+json"

# What `json.loads` comes to with text that somebody else wrote: no JSON, too deep, a number beyond all numbers.
UNREADABLE_JSON: Final = (ValueError, RecursionError, OverflowError)


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, its body in full; header names are looked up in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def header(self, name: str) -> str:
        """The header's value, or an empty text."""
        return self.headers.get(name.lower(), "")


class NoAnswerError(Exception):
    """No complete answer came; `sent` is whether the server may have the request, `final` whether to stop trying."""

    def __init__(self, reason: str, *, sent: bool, final: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent
        self.final = final


def connection_failure(error: Exception) -> str:
    """Why there is no connection, in a few plain words: the system's own text names addresses and internals."""
    # By name, since `ssl` and `socket` are loaded only for what needs them.
    names = {type_.__name__ for type_ in type(error).__mro__}
    if names & {"gaierror", "UnicodeError"}:
        return "the host name is not known"
    if "SSLError" in names:
        return "the certificate or the TLS connection was refused"
    return "no connection in time" if isinstance(error, TimeoutError) else "no connection"


def answer_of(status: int, headers: Iterable[tuple[str, str]], body: bytes) -> Answer:
    """The answer, with the values of a header that came more than once in one list (RFC 9110, 5.3)."""
    named: dict[str, list[str]] = {}
    for name, value in headers:
        named.setdefault(name.lower(), []).append(value)
    return Answer(status, {name: ", ".join(values) for name, values in named.items()}, body)


def require_one_length(headers: Iterable[tuple[str, str]]) -> int | None:
    """How many bytes the answer's body will have, or None where the head does not say.

    Raises:
        NoAnswerError: it says so in a way that two readers may understand as two lengths (RFC 9112, 6.3): somebody on
            the way did not write it, or is about to slip something in.
    """
    named = [(name.lower(), value) for name, value in headers]
    lengths = {value for name, value in named if name == "content-length"}
    codings = [value.lower() for name, value in named if name == "transfer-encoding"]
    length = count_of(next(iter(lengths))) if len(lengths) == 1 else None
    if (lengths and (length is None or codings)) or codings not in ([], ["chunked"]):
        raise NoAnswerError("the length of its answer is not clear", sent=True, final=False)
    return length


@contextlib.contextmanager
def nonsense_is_unknown() -> Iterator[None]:
    """Around what changes something: an answer that makes no sense does not say whether it did.

    Any other refusal (4xx) says by its status alone that it did not, whoever wrote it.
    """
    try:
        yield
    except UnexpectedAnswer as nonsense:
        if 400 <= nonsense.status < 500 and nonsense.status != 409:
            raise
        raise OutcomeUnknown(nonsense.reason) from nonsense


def require_version(answer: Answer) -> int:
    """The version in the `ETag`.

    Raises:
        UnexpectedAnswer: there is none, or it is not a version: something else than an Obscura server answers here.
    """
    version = _etag(answer)
    if version is None:
        raise UnexpectedAnswer(answer.status, "there is no version in it")
    return version


def count_of(value: object) -> int | None:
    """A count of bytes or seconds as a header or a problem gives it; None for what is none, or longer than any real."""
    if isinstance(value, str):
        return int(value) if _COUNT.fullmatch(value) else None
    return value if _is_count(value) else None


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
    if (seconds := count_of(value)) is not None:
        return float(seconds)
    try:
        return max(0.0, (parsedate_to_datetime(value) - now).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None


def problem_code(answer: Answer) -> str:
    """The last part of the problem's `type`, which is a URI of some kind; empty where there is none."""
    kind = _problem(answer).get("type")
    return re.split("[:/]", kind.rstrip("/"))[-1] if isinstance(kind, str) else ""


def says_not_stored(answer: Answer) -> bool:
    """Whether a 503 to an upload or deletion says that this very request changed nothing.

    It says nothing about requests before it. A server that lies here gains nothing: no number is used twice for it, and
    what it stored or deleted in secret shows at the next fetch.
    """
    problem = _problem(answer)
    if "outcome" in problem:
        return answer.status == 503 and problem["outcome"] == "not-stored"
    return problem_code(answer) == "slot-busy"  # of a service from before there was an `outcome`


def max_bytes_of(answer: Answer) -> int | None:
    """The most bytes that the server takes, where the problem says so."""
    return count_of(_problem(answer).get("max_bytes"))


def names_no_backup(answer: Answer) -> bool:
    """Whether it is the service's own word that this user has no backup: a 404 whose problem is of just that type.

    Nothing else on the way says so, and the service itself says `not-found` of a path that it does not know.
    """
    return answer.status == 404 and problem_code(answer) == "backup-not-found"


def says_there_is_none(answer: Answer) -> bool:
    """Whether a GET or DELETE was told that there is no backup. Anything on the way may say 404, and mean the address.

    A body decides by itself: only the service's own problem (see `names_no_backup`) counts. A gateway's or web server's
    text, JSON or page does not, since taking it for "no backup" is an alarm where there was one, and an upload to a
    stranger where there was none. A 404 with nothing in it counts, too, because servers and proxies may leave problems
    out; unless its `Content-Type` is that of something else which was left out.

    It is not for HEAD, whose answer has no body to decide by, nor for POST: an upload where there is no backup is
    either stored or a conflict.
    """
    if answer.status != 404 or answer.body:
        return names_no_backup(answer)
    media_type = answer.header("content-type").partition(";")[0].strip().lower()
    return media_type in ("", PROBLEM_MEDIA_TYPE)


def refusal(answer: Answer, now: datetime) -> TransportError:
    """The error for an answer that is not a success, and that sending again would not change."""
    status, problem = answer.status, _problem(answer)
    if status in (401, 403):
        return Unauthorized()
    if says_there_is_none(answer):
        return NotFound()
    if status == 409:
        current = problem.get("current_version", _etag(answer))
        if _is_count(current):
            return VersionMismatch(current)
        return UnexpectedAnswer(status, "it does not say which version is current")
    if status == 429:
        return RateLimited(retry_after_seconds(answer, now))
    if status == 304:
        return UnexpectedAnswer(status, "it says that nothing changed, and was not asked whether")
    if 300 <= status < 400:
        reason = "we are sent there, maybe to a login page, and a token is never taken along; check the address"
        return ServerRefused(_redirected_to(answer), reason)
    if status == 408:
        return Unavailable("the upload took too long")
    if problem_code(answer) == "backup-lost":
        version = problem.get("version", problem.get("current_version", _etag(answer)))
        return BackupLost(version if _is_count(version) and version > 0 else None)
    detail = detail_of(answer)
    return UnexpectedAnswer(status, f"status {status}" + (f", {detail}" if detail else ""))


def detail_of(answer: Answer) -> str:
    """A problem's `detail`, the server's text for a person, quoted and cut short; it decides nothing."""
    problem = _problem(answer)
    detail = problem.get("detail") or problem.get("title")
    return f"{detail[:200]!r}" if isinstance(detail, str) else ""


def _redirected_to(answer: Answer) -> str:
    try:
        return urlsplit(answer.header("location")).hostname or "another path"
    except ValueError:
        return "another address"


def _etag(answer: Answer) -> int | None:
    found = _ETAG.fullmatch(answer.header("etag").removeprefix("W/"))
    version = int(found.group(1)) if found else None
    return version if _is_count(version) else None


def _is_count(value: object) -> TypeGuard[int]:
    """Whether it is a number that JSON carries without loss; to Python, `true` is one, too."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_INTEGER


def _problem(answer: Answer) -> dict[str, Any]:
    try:
        document = json.loads(answer.body)
    except UNREADABLE_JSON:
        return {}
    return document if isinstance(document, dict) else {}
