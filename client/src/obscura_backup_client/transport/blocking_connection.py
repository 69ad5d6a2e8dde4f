"""A connection of the blocking transport, with a deadline for the whole request."""

from __future__ import annotations

import contextlib
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from obscura_backup_client.transport.responses import DEADLINE_EXCEEDED, NoResponseError, describe_network_error

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Deadline:
    """When the whole request must end, `at` seconds of the monotonic clock.

    Socket time-outs restart with each byte, so a slow server could keep a request alive for ever. Each socket call
    therefore waits at most until the deadline.
    """

    at: float

    def remaining(self, seconds: float, *, sent: bool) -> float:
        """How many seconds the next call may wait: at most `seconds`, and not beyond the deadline.

        Raises:
            NoResponseError: the deadline has passed; `sent` is whether the server may have the request.
        """
        left = self.at - time.monotonic()
        if left <= 0:
            raise NoResponseError(DEADLINE_EXCEEDED, sent=sent, final=True)
        return min(seconds, left)


@dataclass(frozen=True, slots=True)
class BlockingConnection:
    """An open connection. Each call waits at most `read_timeout_seconds`, and never beyond `deadline`."""

    _socket: socket.socket
    read_timeout_seconds: float
    deadline: Deadline

    def tls(self) -> tuple[str, float | None]:
        """The version of TLS, empty without TLS, and when the server's certificate ends, in seconds since 1970."""
        import ssl

        if not isinstance(self._socket, ssl.SSLSocket):
            return "", None
        ends = (self._socket.getpeercert() or {}).get("notAfter")
        return self._socket.version() or "TLS", ssl.cert_time_to_seconds(ends) if isinstance(ends, str) else None

    def send(self, content: bytes) -> None:
        """Send all bytes. Without any, only check the deadline.

        Raises:
            NoResponseError: the deadline has passed.
            OSError: the connection broke; `TimeoutError`: the server accepted too little in time.
        """
        with self._within_deadline():
            if content:
                self._socket.sendall(content)

    def receive(self, most: int) -> bytes:
        """Receive up to `most` bytes; empty at the end. Raises as `send`."""
        with self._within_deadline():
            return self._socket.recv(most)

    @contextlib.contextmanager
    def _within_deadline(self) -> Iterator[None]:
        self._socket.settimeout(self.deadline.remaining(self.read_timeout_seconds, sent=True))
        try:
            yield
        except TimeoutError:
            # Raises if the deadline has passed.
            self.deadline.remaining(self.read_timeout_seconds, sent=True)
            raise


@contextlib.contextmanager
def connected(
    host: str,
    port: int,
    tls: ssl.SSLContext | None,
    connect_timeout_seconds: float,
    read_timeout_seconds: float,
    deadline: Deadline,
) -> Iterator[BlockingConnection]:
    """Connect for the block; with TLS, the handshake is complete when the block begins.

    No deadline applies to resolving the host's name: the operating system cannot interrupt it.

    Raises:
        NoResponseError: there is no connection, so nothing was sent.
    """
    try:
        opened = _opened(host, port, tls, connect_timeout_seconds, deadline)
    except (OSError, UnicodeError) as error:
        # Raises if the deadline has passed.
        deadline.remaining(connect_timeout_seconds, sent=False)
        raise NoResponseError(describe_network_error(error), sent=False, final=False) from error
    with opened:
        yield BlockingConnection(opened, read_timeout_seconds, deadline)


def _opened(
    host: str, port: int, tls: ssl.SSLContext | None, connect_timeout_seconds: float, deadline: Deadline
) -> socket.socket:
    failure = OSError("the name has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        opened = socket.socket(family, kind, protocol)
        try:
            opened.settimeout(deadline.remaining(connect_timeout_seconds, sent=False))
            opened.connect(address)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if tls is None:
                return opened
            opened.settimeout(deadline.remaining(connect_timeout_seconds, sent=False))
            return tls.wrap_socket(opened, server_hostname=host)
        except OSError as error:
            opened.close()
            failure = error
        except BaseException:
            opened.close()
            raise
    raise failure
