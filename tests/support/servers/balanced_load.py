"""Users who upload and download through a proxy until they are told to end, and count what did not go well."""

from __future__ import annotations

import http.client
import os
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from concurrent.futures import Future
    from pathlib import Path
    from types import TracebackType

    from support.servers.service import Person

TIMEOUT_SECONDS = 60.0
BLOB_BYTES = 64 * 1024
ENDED_IDLE = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError, ssl.SSLEOFError)
"""A kept connection that the proxy ended before it answered. HTTP clients repeat the request on a new one."""


class TlsClient:
    """One client with one kept connection to a proxy.

    Args:
        port: of the proxy.
        certificate: of the proxy.
        address: this client's own, on the loopback.
    """

    def __init__(self, port: int, certificate: Path, address: str = "127.0.0.1") -> None:
        context = ssl.create_default_context(cafile=str(certificate))
        self.connection = http.client.HTTPSConnection(
            "127.0.0.1", port, timeout=TIMEOUT_SECONDS, context=context, source_address=(address, 0)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.connection.close()

    def ask(
        self,
        method: str,
        path: str = "/v1/backup",
        *,
        token: str | None = None,
        body: bytes | None = None,
        **headers: str,
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Status, headers and body of the answer, which is read whole."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            given["Authorization"] = f"Bearer {token}"
        self.connection.request(method, path, body, given)
        answer = self.connection.getresponse()
        return answer.status, answer.headers, answer.read()


@dataclass
class BalancedLoad:
    """Load through a proxy, by one thread per user.

    Attributes:
        requests: answered as they should be.
        failures: what was answered or raised instead.
        reconnects: how often a kept connection had ended before its next request.
    """

    port: int
    certificate: Path
    people: list[Person]
    requests: int = 0
    failures: list[str] = field(default_factory=list)
    reconnects: int = 0

    def __post_init__(self) -> None:
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(len(self.people))
        self._running: list[Future[None]] = []

    def __enter__(self) -> Self:
        self._running = [self._threads.submit(self._use, person) for person in self.people]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._threads.shutdown()
        for thread in self._running:
            thread.result()

    def _use(self, person: Person) -> None:
        version, body = 0, b""
        with TlsClient(self.port, self.certificate) as client:
            while not self._ended.is_set():
                new = os.urandom(BLOB_BYTES)
                condition = {"If_Match": str(version)} if version else {}
                if self._asks(client, person, "POST", 200, body=new, **condition) is not None:
                    version, body = version + 1, new
                if version and (read := self._asks(client, person, "GET", 200)) is not None and read != body:
                    self._fail("another body")

    def _asks(
        self, client: TlsClient, person: Person, method: str, status: int, *, body: bytes | None = None, **headers: str
    ) -> bytes | None:
        """The body of the answer; None after a failure. A kept connection that had ended is not a failure."""
        is_kept = client.connection.sock is not None
        try:
            answer = client.ask(method, token=person.token, body=body, **headers)
        except (OSError, http.client.HTTPException) as error:
            client.connection.close()
            if is_kept and isinstance(error, ENDED_IDLE):
                with self._lock:
                    self.reconnects += 1
                return self._asks(client, person, method, status, body=body, **headers)
            self._fail(f"{method}: {error!r}")
            return None
        if answer[0] != status:
            self._fail(f"{method}: {answer[0]} {answer[2][:200]!r}")
            return None
        with self._lock:
            self.requests += 1
        return answer[2]

    def _fail(self, what: str) -> None:
        with self._lock:
            self.failures.append(what)
