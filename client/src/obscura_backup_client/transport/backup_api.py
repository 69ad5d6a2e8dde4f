"""What is asked of a server over HTTP, what its answers mean, whether to ask again and when: steps without any I/O.

Each method of `Conversation` is a generator. It yields what to do next, a `Request` to send or a `Wait`; it is sent the
`Answer` to a request, or thrown the error that came instead; and it returns what the caller asked for. So the blocking
and the asyncio transport differ in how they send and wait, and in nothing that is decided.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from obscura_backup_client.transport.answers import (
    UNREADABLE_JSON,
    Answer,
    NoAnswerError,
    count_of,
    digest_header,
    max_bytes_of,
    names_no_backup,
    nonsense_is_unknown,
    refusal,
    require_version,
    retry_after_seconds,
    says_not_stored,
    sha256_of,
)
from obscura_backup_client.transport.errors import (
    NotStored,
    OutcomeUnknown,
    RateLimited,
    TooLarge,
    Unavailable,
    UnexpectedAnswer,
)
from obscura_backup_client.transport.foreign_answers import is_foreign, not_from_service, reason_of
from obscura_backup_client.transport.interface import Described, Fetched, ServerLimits
from obscura_backup_client.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from obscura_backup_client.transport.errors import TransportError

# Enough for a problem document or a configuration, whoever wrote it.
MAX_DOCUMENT_BYTES = 64 * 1024
# "Ask again later", by the server or by a gateway before it.
TRANSIENT = frozenset({429, 502, 503, 504})
# What a repeated upload or deletion is answered by a server that knows what became of the first one. A 404 is no such
# answer: whatever stands before a server that is just restarting says 404, too.
DECISIVE = {"POST": frozenset({200, 201, 409, 413}), "DELETE": frozenset({204, 409})}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait and how often to try. All in seconds but `attempts`.

    `read_seconds` is for the next byte, `answer_seconds` for the whole of one request, from connecting to the answer's
    last byte. A request that took that long is not sent again.

    Waits double from `first_wait_seconds`, each multiplied by a random factor of 0.5 to 1, so that the devices that
    one outage cut off do not come back all at once. A server's `Retry-After` comes on top, for the same reason, and is
    honoured up to `longest_wait_seconds`; asked for more, the call gives up.
    """

    connect_seconds: float = 10.0
    read_seconds: float = 30.0
    answer_seconds: float = 300.0
    attempts: int = 4
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 15.0


@dataclass(frozen=True, slots=True)
class Request:
    """One request to send; `headers` has the token in it. Of the answer's body, `longest` bytes are taken at most."""

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)
    longest: int = MAX_DOCUMENT_BYTES

    @property
    def changes(self) -> bool:
        """Whether it asks for a change, so that not to know its outcome matters."""
        return self.method in ("POST", "DELETE")


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing for so long, then send again; `reason` is what came of the last attempt, in plain words."""

    seconds: float
    reason: str


Steps = Generator[Request | Wait, Answer, T]
"""What to do, one after the other, and what it came to: see the module."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """What one user says to the server at `server`, and how patiently. See `Transport` for what the methods promise."""

    server: str
    token: str = field(repr=False)
    patience: Patience
    max_blob_bytes: int
    jitter: Callable[[], float]
    now: Callable[[], datetime]

    def fetch(self, if_none_match: int | None = None) -> Steps[Fetched | None]:
        """Steps of `Transport.fetch`. The bytes are checked against `Repr-Digest` where the server sends it."""
        condition = {} if if_none_match is None else {"If-None-Match": f'"{if_none_match}"'}
        answer = yield from self._asked("GET", "/v1/backup", condition, longest=self.max_blob_bytes)
        if answer.status == 304 and if_none_match is not None:
            return None
        if answer.status != 200:
            raise refusal(answer, self.now())
        if answer.header("content-encoding").lower() not in ("", "identity"):
            raise UnexpectedAnswer(0, "it is compressed, which was not asked for")
        expected = sha256_of(answer)
        if expected is not None and hashlib.sha256(answer.body).digest() != expected:
            raise UnexpectedAnswer(0, "the bytes are not those that it announced")
        return Fetched(answer.body, require_version(answer), answer.header("last-modified"))

    def head(self) -> Steps[Described]:
        """Steps of `Transport.head`."""
        answer = yield from self._asked("HEAD", "/v1/backup")
        if answer.status in (404, 500):
            # An answer to HEAD has no body that could say why; the one to GET has.
            fetched = yield from self.fetch()
            if fetched is not None:
                sha256 = hashlib.sha256(fetched.blob).digest()
                return Described(fetched.version, len(fetched.blob), sha256, fetched.updated_at)
        if answer.status != 200:
            raise refusal(answer, self.now())
        return Described(
            version=require_version(answer),
            size_bytes=count_of(answer.header("content-length")),
            sha256=sha256_of(answer),
            updated_at=answer.header("last-modified"),
        )

    def push(self, blob: bytes, expected_version: int) -> Steps[int]:
        """Steps of `Transport.push`."""
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(len(blob)),
            "Content-Digest": digest_header(hashlib.sha256(blob).digest()),
        }
        # The form of a first upload without `If-Match` is the one that every server of this contract understands.
        condition = {"If-Match": f'"{expected_version}"'} if expected_version else {}
        with nonsense_is_unknown():
            answer = yield from self._asked("POST", "/v1/backup", {**headers, **condition}, body=blob)
            if answer.status in (200, 201):
                return require_version(answer)
            if answer.status == 413 and not is_foreign(answer):
                raise TooLarge(len(blob), max_bytes_of(answer))
            if answer.status == 404:
                # Where there is no backup, an upload is the first one or a conflict: this is about the address.
                raise UnexpectedAnswer(answer.status, "it takes no backups")
            raise refusal(answer, self.now())

    def delete(self, expected_version: int) -> Steps[None]:
        """Steps of `Transport.delete`."""
        with nonsense_is_unknown():
            answer = yield from self._asked("DELETE", "/v1/backup", {"If-Match": f'"{expected_version}"'})
            if answer.status == 200:
                # Anything answers 200 with a page of its own; only this server says that there is nothing to say.
                raise UnexpectedAnswer(answer.status, "it is not the answer to a deletion")
            if answer.status != 204:
                raise refusal(answer, self.now())

    def limits(self) -> Steps[ServerLimits]:
        """Steps to what the server takes.

        Raises:
            UnexpectedAnswer: it does not answer with a configuration.
        """
        answer = yield from self._asked("GET", "/v1/config")
        if answer.status == 404:
            raise UnexpectedAnswer(answer.status, "it has no configuration")
        if answer.status != 200:
            raise refusal(answer, self.now())
        try:
            document = json.loads(answer.body)
            found = {name: count_of(document.get(name)) for name in ("min_bytes", "max_bytes")}
        except (*UNREADABLE_JSON, AttributeError):
            raise UnexpectedAnswer(answer.status, "it is not a configuration") from None
        return ServerLimits(**found)

    def _asked(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        *,
        body: bytes | None = None,
        longest: int = MAX_DOCUMENT_BYTES,
    ) -> Steps[Answer]:
        # `identity`: a digest is over the bytes as stored, and a proxy that compresses would only cost time.
        always = {
            "Authorization": f"Bearer {self.token}",
            "Accept-Encoding": "identity",
            "User-Agent": f"obscura-backup-client/{__version__}",
        }
        request = Request(method, path, {**always, **(headers or {})}, body, longest)
        answer = yield from self._answered(request)
        _require_own(answer)
        return answer

    def _answered(self, request: Request) -> Steps[Answer]:
        """Send until there is an answer that sending again would not change, or patience runs out.

        Sending again is safe for all of them: what changes something carries the version that it is about, and the same
        bytes each time, which the server recognises.

        Raises:
            OutcomeUnknown: patience ran out, or a refusal came that says nothing about the attempts before, and one of
                them may have changed something.
            RateLimited, NotStored, Unavailable: patience ran out, and nothing can have changed.
        """
        may_have_happened, reason = False, ""
        refused: TransportError | None = None
        for attempt in range(1, self.patience.attempts + 1):
            wait_seconds = self._wait_seconds(attempt)
            try:
                answer = yield request
            except NoAnswerError as error:
                may_have_happened, reason, refused = may_have_happened or error.sent, error.reason, None
                if error.final:
                    break
            else:
                reason, asked_seconds = reason_of(answer), retry_after_seconds(answer, self.now())
                if answer.status not in TRANSIENT:
                    unknown = may_have_happened and not _is_decisive(request, answer)
                    if request.changes and (unknown or answer.status >= 500):
                        raise OutcomeUnknown(reason)
                    return answer
                refused = self._known_refusal(request, answer, reason)
                may_have_happened = may_have_happened or refused is None
                longest_seconds = self.patience.longest_wait_seconds
                if (asked_seconds or 0.0) > longest_seconds:
                    break
                wait_seconds = min((asked_seconds or 0.0) + wait_seconds, longest_seconds)
            if attempt < self.patience.attempts:
                yield Wait(wait_seconds, reason)
        if request.changes and may_have_happened:
            raise OutcomeUnknown(reason)
        raise refused or Unavailable(reason, server=self.server)

    def _known_refusal(self, request: Request, answer: Answer, reason: str) -> TransportError | None:
        """The error for a transient answer that says that this attempt changed nothing; None where it may have."""
        if answer.status == 429:
            return RateLimited(retry_after_seconds(answer, self.now()))
        if request.changes and says_not_stored(answer):
            return NotStored(reason, server=self.server, method=request.method)
        return None

    def _wait_seconds(self, attempt: int) -> float:
        backoff_seconds = self.patience.first_wait_seconds * 2.0 ** (attempt - 1)
        return min(backoff_seconds, self.patience.longest_wait_seconds) * (0.5 + self.jitter() / 2)


def _is_decisive(request: Request, answer: Answer) -> bool:
    """Whether it says what became of the attempts before, whose answers were lost.

    A repeated deletion may find that there is nothing any more, which is what was asked for, if the service itself
    says so in as many words.
    """
    if request.method == "DELETE" and names_no_backup(answer):
        return True
    if answer.status == 413 and is_foreign(answer):
        return False
    return answer.status in DECISIVE.get(request.method, frozenset())


def _require_own(answer: Answer) -> None:
    """Pass where the service may have given this answer.

    A 404 is for `says_there_is_none` to judge, a redirect and a success are no errors of a proxy, and a 408 says that
    the upload was too slow, also where a proxy says it.

    Raises:
        NotFromService: a proxy gave it.
    """
    if answer.status >= 400 and answer.status not in (404, 408, 409) and is_foreign(answer):
        raise not_from_service(answer)
