"""The blocking transport over HTTP: sends and waits as the conversation says, over one connection a request."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from obscura_backup_client.http_answers import (
    Answer,
    NoAnswerError,
    answer_of,
    plain,
    require_one_length,
)
from obscura_backup_client.http_conversation import Conversation, Patience, Wait
from obscura_backup_client.sealed import DEFAULT_MAX_BLOB_BYTES
from obscura_backup_client.server_address import normal_address
from obscura_backup_client.token import require_bearer
from obscura_backup_client.transport_errors import UnexpectedAnswer

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    from obscura_backup_client.http_connection import Attempt
    from obscura_backup_client.http_conversation import Request, Steps
    from obscura_backup_client.transport import Described, Fetched, OnBytes, ServerLimits

__all__ = ["HttpTransport", "Patience"]

CHUNK_BYTES = 16 * 1024

T = TypeVar("T")


@dataclass(frozen=True)
class HttpTransport:
    """One user's slot on the server at `server`. Safe to keep; not to be shared between threads.

    Args:
        server: the address, http(s); any path in it is kept in front of `/v1/backup`.
        token: the bearer token. It is sent there and nowhere else: redirects are refused, and proxies and passwords
            that the environment or a `.netrc` names are not looked at.
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
        return self._done(self._conversation.fetch(if_none_match))

    def head(self) -> Described:
        """See `Transport.head`."""
        return self._done(self._conversation.head())

    def push(self, blob: bytes, expected_version: int) -> int:
        """See `Transport.push`."""
        return self._done(self._conversation.push(blob, expected_version))

    def delete(self, expected_version: int) -> None:
        """See `Transport.delete`."""
        return self._done(self._conversation.delete(expected_version))

    def limits(self) -> ServerLimits:
        """What the server takes.

        Raises:
            UnexpectedAnswer: it does not answer with a configuration.
        """
        return self._done(self._conversation.limits())

    @cached_property
    def _conversation(self) -> Conversation:
        return Conversation(self.server, self.token, self.patience, self.max_blob_bytes, self.jitter, self.now)

    @cached_property
    def _tls(self) -> ssl.SSLContext | None:
        if not self.server.startswith("https://"):
            return None
        # Imported here because it takes longer to load than the commands that need no network take to run; and made
        # once, because it reads all certificates that this machine trusts.
        import ssl

        return ssl.create_default_context()

    def _done(self, steps: Steps[T]) -> T:
        try:
            step = next(steps)
            while True:
                if isinstance(step, Wait):
                    self.sleep(step.seconds)
                    step = next(steps)
                    continue
                try:
                    answer = self._send(step)
                except (NoAnswerError, UnexpectedAnswer) as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result

    def _send(self, request: Request) -> Answer:
        """One request and its whole answer.

        Raises:
            NoAnswerError: see there.
            UnexpectedAnswer: the answer is longer than the request allows.
        """
        from urllib3.exceptions import HTTPError

        from obscura_backup_client.http_connection import Attempt

        attempt = Attempt()
        try:
            with attempt.within(self.patience.answer_seconds):
                answer = self._exchanged(attempt, request)
        except (HTTPError, OSError) as error:
            reason = "it took too long as a whole" if attempt.cut else plain(error)
            raise NoAnswerError(reason, sent=attempt.sent, final=attempt.cut) from error
        if attempt.cut:
            # Where the end of the connection is the end of the answer, one that was cut off looks complete.
            raise NoAnswerError("it took too long as a whole", sent=True, final=True)
        return answer

    def _exchanged(self, attempt: Attempt, request: Request) -> Answer:
        from urllib3 import Timeout
        from urllib3.util import parse_url

        from obscura_backup_client.http_connection import pool_for

        url = parse_url(self.server + request.path)
        timeout = Timeout(connect=self.patience.connect_seconds, read=self.patience.read_seconds)
        with pool_for(url.scheme or "", url.host or "", url.port, timeout, attempt, self._tls) as pool:
            response = pool.request(
                request.method,
                url.request_uri,
                headers=request.headers,
                body=None if request.body is None else self._counted(request.body),
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
            try:
                # What is told is the blob's way; a short answer to anything else would only make the line flicker.
                content = self._read(response, request, told=request.method == "GET" and response.status == 200)
            finally:
                response.close()
        return answer_of(response.status, response.headers.items(), content)

    def _read(self, response: Any, request: Request, *, told: bool) -> bytes:
        total, content = require_one_length(response.headers.items()), bytearray()
        while chunk := response.read1(CHUNK_BYTES, decode_content=False):
            content += chunk
            if len(content) > request.longest:
                raise UnexpectedAnswer(0, f"it is longer than {request.longest} bytes")
            if told:
                self.on_bytes("down", len(content), total)
        return bytes(content)

    def _counted(self, body: bytes) -> Iterator[bytes]:
        for start in range(0, len(body), CHUNK_BYTES):
            yield body[start : start + CHUNK_BYTES]
            self.on_bytes("up", min(start + CHUNK_BYTES, len(body)), len(body))
