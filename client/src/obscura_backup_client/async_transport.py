"""The asyncio transport over HTTP: sends and waits as the conversation says, and blocks no loop."""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from obscura_backup_client.async_connection import connected
from obscura_backup_client.http_answers import MAX_HEAD_BYTES, Answer, NoAnswerError, answer_of, require_one_length
from obscura_backup_client.http_conversation import Conversation, Patience, Wait
from obscura_backup_client.sealed import DEFAULT_MAX_BLOB_BYTES
from obscura_backup_client.server_address import normal_address
from obscura_backup_client.token import require_bearer
from obscura_backup_client.transport_errors import UnexpectedAnswer

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

    import h11

    from obscura_backup_client.async_connection import Connection
    from obscura_backup_client.http_conversation import Request, Steps
    from obscura_backup_client.transport import Described, Fetched, OnBytes, ServerLimits

CHUNK_BYTES = 16 * 1024
TOO_LONG = "it took too long as a whole"

T = TypeVar("T")


@dataclass(frozen=True)
class AsyncHttpTransport:
    """One user's slot on the server at `server`, for asyncio. Several tasks may use it at once.

    Each request has a connection of its own, which is closed when its answer is there, its time is over, or the task
    that waits for it is cancelled. Nothing runs on in the background, but for looking up a host's name, which the
    operating system does not let go of.

    Args:
        server, token, allow_insecure_http, patience, max_blob_bytes, jitter, now: as for `HttpTransport`.
        on_bytes: told of progress, on the loop's thread.
        sleep: waits; for tests.

    Raises:
        ServerRefused: the address is not one to send a token to.
        TokenUnusable: the token cannot stand in a header.
        ImportError: the extra `async` is not installed.
    """

    server: str
    token: str = field(repr=False)
    allow_insecure_http: bool = False
    patience: Patience = field(default_factory=Patience)
    max_blob_bytes: int = DEFAULT_MAX_BLOB_BYTES
    on_bytes: OnBytes = lambda _direction, _done, _total: None
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    jitter: Callable[[], float] = random.random
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __post_init__(self) -> None:
        object.__setattr__(self, "server", normal_address(self.server, allow_insecure_http=self.allow_insecure_http))
        require_bearer(self.token)
        _require_extra()

    async def fetch(self, if_none_match: int | None = None) -> Fetched | None:
        """See `AsyncTransport.fetch`. The bytes are checked against `Repr-Digest` where the server sends it."""
        return await self._done(self._conversation.fetch(if_none_match))

    async def head(self) -> Described:
        """See `AsyncTransport.head`."""
        return await self._done(self._conversation.head())

    async def push(self, blob: bytes, expected_version: int) -> int:
        """See `AsyncTransport.push`."""
        return await self._done(self._conversation.push(blob, expected_version))

    async def delete(self, expected_version: int) -> None:
        """See `AsyncTransport.delete`."""
        await self._done(self._conversation.delete(expected_version))

    async def limits(self) -> ServerLimits:
        """What the server takes.

        Raises:
            UnexpectedAnswer: it does not answer with a configuration.
        """
        return await self._done(self._conversation.limits())

    @cached_property
    def _conversation(self) -> Conversation:
        return Conversation(self.server, self.token, self.patience, self.max_blob_bytes, self.jitter, self.now)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        import ssl

        return ssl.create_default_context()

    async def _done(self, steps: Steps[T]) -> T:
        try:
            step = next(steps)
            while True:
                if isinstance(step, Wait):
                    await self.sleep(step.seconds)
                    step = next(steps)
                    continue
                try:
                    answer = await self._send(step)
                except (NoAnswerError, UnexpectedAnswer) as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result

    async def _send(self, request: Request) -> Answer:
        """One request and its whole answer.

        Raises:
            NoAnswerError: see there.
            UnexpectedAnswer: the answer is longer than the request allows.
        """
        url, tls, sent = urlsplit(self.server), None, False
        if url.scheme == "https":
            # Reads all certificates that this machine trusts, once, which takes too long for a loop to wait for.
            tls = await asyncio.to_thread(lambda: self._tls)
        port = url.port or (443 if tls else 80)
        whole = asyncio.timeout(self.patience.answer_seconds)
        try:
            async with (
                whole,
                connected(url.hostname or "", port, tls, self.patience.connect_seconds) as connection,
            ):
                sent = True
                return await _Exchange(self, connection, request).answer(url.netloc, url.path)
        except TimeoutError as error:
            # One without the other is the wait for the next byte, or for the next to leave.
            final = whole.expired()
            raise NoAnswerError(TOO_LONG if final else "no answer in time", sent=sent, final=final) from error
        except OSError as error:
            raise NoAnswerError("the connection broke", sent=sent, final=False) from error


class _Exchange:
    """One request and its answer on a connection."""

    def __init__(self, transport: AsyncHttpTransport, connection: Connection, request: Request) -> None:
        import h11

        self._connection, self._request = connection, request
        self._on_bytes, self._read_seconds = transport.on_bytes, transport.patience.read_seconds
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)

    async def answer(self, host: str, prefix: str) -> Answer:
        """Send the request, read its answer.

        Raises:
            OSError, NoAnswerError, UnexpectedAnswer: as for the transport.
        """
        import h11

        # It may have been refused before all of it was taken, and the refusal may be here already.
        with contextlib.suppress(ConnectionError, TimeoutError):
            await self._sent(host, prefix)
        try:
            response = await self._head()
            headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers]
            total = require_one_length(headers)
            told = self._request.method == "GET" and response.status_code == 200
            return answer_of(response.status_code, headers, await self._body(total, told=told))
        except h11.RemoteProtocolError as error:
            raise NoAnswerError("the connection broke", sent=True, final=False) from error

    async def _sent(self, host: str, prefix: str) -> None:
        import h11

        request, body = self._request, self._request.body or b""
        # The connection serves this request alone, see `http_connection.pool_for`.
        headers = {"Host": host, "Connection": "close", **request.headers}
        head = h11.Request(method=request.method, target=prefix + request.path, headers=list(headers.items()))
        await self._sent_in_time(self._http.send(head))
        for start in range(0, len(body), CHUNK_BYTES):
            await self._sent_in_time(self._http.send(h11.Data(data=body[start : start + CHUNK_BYTES])))
            self._on_bytes("up", min(start + CHUNK_BYTES, len(body)), len(body))
        await self._sent_in_time(self._http.send(h11.EndOfMessage()))

    async def _sent_in_time(self, content: bytes | None) -> None:
        if content:
            async with asyncio.timeout(self._read_seconds):
                await self._connection.send(content)

    async def _head(self) -> h11.Response:
        """The head of the answer; interim ones (1xx) come before it, and mean nothing to us."""
        import h11

        received = 0
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Response) and event.http_version in (b"1.0", b"1.1"):
                return event
            if event is h11.NEED_DATA and received <= MAX_HEAD_BYTES:
                received += await self._received()
            elif not isinstance(event, h11.InformationalResponse):
                raise NoAnswerError("the connection broke", sent=True, final=False)

    async def _body(self, total: int | None, *, told: bool) -> bytes:
        import h11

        content = bytearray()
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.EndOfMessage):
                return bytes(content)
            if isinstance(event, h11.Data):
                content += event.data
                if len(content) > self._request.longest:
                    raise UnexpectedAnswer(0, f"it is longer than {self._request.longest} bytes")
                if told:
                    self._on_bytes("down", len(content), total)
            elif event is h11.NEED_DATA:
                await self._received()

    async def _received(self) -> int:
        async with asyncio.timeout(self._read_seconds):
            chunk = await self._connection.receive(CHUNK_BYTES)
        self._http.receive_data(chunk)
        return len(chunk)


def _require_extra() -> None:
    try:
        import h11  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise ImportError(
            "The asyncio client needs the extra `async`: pip install 'obscura-backup-client[async]'."
        ) from error
