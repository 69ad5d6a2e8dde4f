"""The transport over HTTP: every write conditional, every byte checked end to end, and patient within bounds."""

from __future__ import annotations

import hashlib
import json
import random
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from obscura_backup_client import __version__
from obscura_backup_client.http_answers import (
    UNREADABLE_JSON,
    Answer,
    NoAnswerError,
    count_of,
    digest_header,
    max_bytes_of,
    nonsense_is_unknown,
    plain,
    problem_code,
    refusal,
    require_version,
    retry_after_seconds,
    sha256_of,
)
from obscura_backup_client.sealed import DEFAULT_MAX_BLOB_BYTES
from obscura_backup_client.server_address import normal_address
from obscura_backup_client.token import require_bearer
from obscura_backup_client.transport import Described, Fetched, OnBytes, ServerLimits
from obscura_backup_client.transport_errors import (
    OutcomeUnknown,
    TooLarge,
    Unavailable,
    UnexpectedAnswer,
)

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Mapping

    from obscura_backup_client.http_connection import Attempt

# Enough for a problem document or a configuration, whoever wrote it.
MAX_DOCUMENT_BYTES = 64 * 1024
CHUNK_BYTES = 16 * 1024
# A gateway's word for "try again", beside the server's own.
TRANSIENT = frozenset({502, 503, 504})


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait and how often to try. All in seconds but `attempts`.

    `read_seconds` is for the next byte, `answer_seconds` for the whole of one request, from connecting to the answer's
    last byte. A request that took that long is not sent again.

    Waits double from `first_wait_seconds`, each multiplied by a random factor of 0.5 to 1, so that the devices that
    one outage cut off do not come back all at once. A server's `Retry-After` is honoured up to
    `longest_wait_seconds`; asked for more, the call gives up.
    """

    connect_seconds: float = 10.0
    read_seconds: float = 30.0
    answer_seconds: float = 300.0
    attempts: int = 4
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 15.0


@dataclass(frozen=True)
class HttpTransport:
    """One user's slot on the server at `server`. Safe to keep; not to be shared between threads.

    Args:
        server: the address, http(s); any path in it is kept in front of `/v1/backup`.
        token: the bearer token. It is sent there and nowhere else: redirects are refused.
        allow_insecure_http: send it over plain http to another machine, too.
        patience: time-outs and retries.
        max_blob_bytes: the most that is read of a download.
        on_bytes: told of progress.
        sleep, jitter, now: the clock and the randomness (a number from 0 to 1), for tests.

    Raises:
        ServerRefused: the address is not one to send a token to.
        TokenUnusable: the token cannot stand in a header.
    """

    server: str
    token: str = field(repr=False)
    allow_insecure_http: bool = False
    patience: Patience = field(default_factory=Patience)
    max_blob_bytes: int = DEFAULT_MAX_BLOB_BYTES
    on_bytes: OnBytes = lambda _direction, _done, _total: None
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __post_init__(self) -> None:
        object.__setattr__(self, "server", normal_address(self.server, allow_insecure_http=self.allow_insecure_http))
        require_bearer(self.token)

    def fetch(self, if_none_match: int | None = None) -> Fetched | None:
        """See `Transport.fetch`. The bytes are checked against `Repr-Digest` where the server sends it."""
        condition = {} if if_none_match is None else {"If-None-Match": f'"{if_none_match}"'}
        answer = self._call("GET", "/v1/backup", condition, longest=self.max_blob_bytes)
        if answer.status == 304 and if_none_match is not None:
            return None
        if answer.status != 200:
            raise refusal(answer, self.now())
        expected = sha256_of(answer)
        if expected is not None and hashlib.sha256(answer.body).digest() != expected:
            raise UnexpectedAnswer(0, "the bytes are not those that it announced")
        return Fetched(answer.body, require_version(answer), answer.header("last-modified"))

    def head(self) -> Described:
        """See `Transport.head`."""
        answer = self._call("HEAD", "/v1/backup", {})
        if answer.status == 500:
            # An answer to HEAD has no body that could say why; the one to GET has.
            self.fetch()
        if answer.status != 200:
            raise refusal(answer, self.now())
        return Described(
            version=require_version(answer),
            size_bytes=count_of(answer.header("content-length")),
            sha256=sha256_of(answer),
            updated_at=answer.header("last-modified"),
        )

    def push(self, blob: bytes, expected_version: int) -> int:
        """See `Transport.push`."""
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(len(blob)),
            "Content-Digest": digest_header(hashlib.sha256(blob).digest()),
        }
        # The form of a first upload without `If-Match` is the one that every server of this contract understands.
        condition = {"If-Match": f'"{expected_version}"'} if expected_version else {}
        with nonsense_is_unknown():
            answer = self._call("POST", "/v1/backup", {**headers, **condition}, body=blob)
            if answer.status in (200, 201):
                return require_version(answer)
            if answer.status == 413:
                raise TooLarge(len(blob), max_bytes_of(answer))
            raise refusal(answer, self.now())

    def delete(self, expected_version: int) -> None:
        """See `Transport.delete`."""
        with nonsense_is_unknown():
            answer = self._call("DELETE", "/v1/backup", {"If-Match": f'"{expected_version}"'})
            if answer.status == 200:
                # Anything answers 200 with a page of its own; only this server says that there is nothing to say.
                raise UnexpectedAnswer(answer.status, "it is not the answer to a deletion")
            if answer.status != 204:
                raise refusal(answer, self.now())

    def limits(self) -> ServerLimits:
        """What the server takes.

        Raises:
            UnexpectedAnswer: it does not answer with a configuration.
        """
        answer = self._call("GET", "/v1/config", {})
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

    @cached_property
    def _tls(self) -> ssl.SSLContext | None:
        if not self.server.startswith("https://"):
            return None
        # Imported here because it takes longer to load than the commands that need no network take to run; and made
        # once, because it reads all certificates that this machine trusts.
        import ssl

        return ssl.create_default_context()

    def _call(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        *,
        body: bytes | None = None,
        longest: int = MAX_DOCUMENT_BYTES,
    ) -> Answer:
        """Send until there is an answer that sending again would not change, or patience runs out.

        Raises:
            OutcomeUnknown: patience ran out, and one of the attempts may have changed something.
            Unavailable: patience ran out, and nothing can have changed.
        """
        changes, may_have_happened, reason = method in ("POST", "DELETE"), False, ""
        for attempt in range(1, self.patience.attempts + 1):
            backoff_seconds = self.patience.first_wait_seconds * 2 ** (attempt - 1)
            wait_seconds = min(backoff_seconds, self.patience.longest_wait_seconds) * (0.5 + self.jitter() / 2)
            try:
                answer = self._send(method, path, headers, body, longest)
            except NoAnswerError as error:
                may_have_happened, reason = may_have_happened or error.sent, error.reason
                if error.final:
                    break
            else:
                if answer.status not in TRANSIENT:
                    if changes and answer.status >= 500:
                        raise OutcomeUnknown(f"status {answer.status}")
                    return answer
                # Only this one says that nothing was stored; any other 503 may hide a lost answer of the stores.
                may_have_happened = may_have_happened or problem_code(answer) != "slot-busy"
                reason = f"status {answer.status}"
                wait_seconds = max(wait_seconds, retry_after_seconds(answer, self.now()) or 0.0)
                if wait_seconds > self.patience.longest_wait_seconds:
                    break
            if attempt < self.patience.attempts:
                self.sleep(wait_seconds)
        if changes and may_have_happened:
            raise OutcomeUnknown(reason)
        raise Unavailable(reason, server=self.server)

    def _send(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None, longest: int) -> Answer:
        """One request and its whole answer.

        Raises:
            NoAnswerError: see there.
            UnexpectedAnswer: the answer is longer than `longest`.
        """
        from urllib3.exceptions import HTTPError

        from obscura_backup_client.http_connection import Attempt

        attempt = Attempt()
        try:
            with attempt.within(self.patience.answer_seconds):
                answer = self._exchanged(attempt, method, path, headers, body, longest)
        except (HTTPError, OSError) as error:
            reason = "it took too long as a whole" if attempt.cut else plain(error)
            raise NoAnswerError(reason, sent=attempt.sent, final=attempt.cut) from error
        if attempt.cut:
            # Where the end of the connection is the end of the answer, one that was cut off looks complete.
            raise NoAnswerError("it took too long as a whole", sent=True, final=True)
        return answer

    def _exchanged(
        self, attempt: Attempt, method: str, path: str, headers: Mapping[str, str], body: bytes | None, longest: int
    ) -> Answer:
        from urllib3 import Timeout
        from urllib3.util import parse_url

        from obscura_backup_client.http_connection import pool_for

        # `identity`: a digest is over the bytes as stored, and a proxy that compresses would only cost time.
        always = {
            "Authorization": f"Bearer {self.token}",
            "Accept-Encoding": "identity",
            "User-Agent": f"obscura-backup-client/{__version__}",
        }
        url = parse_url(self.server + path)
        timeout = Timeout(connect=self.patience.connect_seconds, read=self.patience.read_seconds)
        with pool_for(url.scheme or "", url.host or "", url.port, timeout, attempt, self._tls) as pool:
            response = pool.request(
                method,
                url.request_uri,
                headers={**always, **headers},
                body=None if body is None else self._counted(body),
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
            try:
                # What is told is the blob's way; a short answer to anything else would only make the line flicker.
                content = self._read(response, longest, told=method == "GET" and response.status == 200)
            finally:
                response.close()
        return Answer(response.status, {name.lower(): value for name, value in response.headers.items()}, content)

    def _read(self, response: Any, longest: int, *, told: bool) -> bytes:
        total, content = count_of(response.headers.get("Content-Length")), bytearray()
        while chunk := response.read1(CHUNK_BYTES, decode_content=False):
            content += chunk
            if len(content) > longest:
                raise UnexpectedAnswer(0, f"it is longer than {longest} bytes")
            if told:
                self.on_bytes("down", len(content), total)
        return bytes(content)

    def _counted(self, body: bytes) -> Iterator[bytes]:
        for start in range(0, len(body), CHUNK_BYTES):
            yield body[start : start + CHUNK_BYTES]
            self.on_bytes("up", min(start + CHUNK_BYTES, len(body)), len(body))
