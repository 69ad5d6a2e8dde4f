"""One connection of the blocking transport, no call of which goes beyond the time that the whole request has."""

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
    """When the whole request has to be over, by the monotonic clock, which is never set back.

    Time-outs of a socket count from one byte to the next, so that a server that drips holds them off for ever. So
    each call on the socket waits for what is left of the whole at most.
    """

    at: float

    def remaining(self, seconds: float, *, sent: bool) -> float:
        """How long the next call may wait: so many seconds, or what is left.

        Raises:
            NoResponseError: nothing is left; `sent` is whether the server may have the request.
        """
        left = self.at - time.monotonic()
        if left <= 0:
            raise NoResponseError(DEADLINE_EXCEEDED, sent=sent, final=True)
        return min(seconds, left)


@dataclass(frozen=True, slots=True)
class BlockingConnection:
    """Bytes out and bytes in; each call waits `read_timeout_seconds` at most, and never beyond `deadline`."""

    _socket: socket.socket
    read_timeout_seconds: float
    deadline: Deadline

    def send(self, content: bytes) -> None:
        """Send all of it; where there is nothing to send, only look at the clock.

        Raises:
            NoResponseError: the whole request took too long.
            OSError: the connection broke, or, as `TimeoutError`, too little was taken in time.
        """
        with self._within_deadline():
            if content:
                self._socket.sendall(content)

    def receive(self, most: int) -> bytes:
        """What came, up to so many bytes; empty after the last. Raises as `send`."""
        with self._within_deadline():
            return self._socket.recv(most)

    @contextlib.contextmanager
    def _within_deadline(self) -> Iterator[None]:
        self._socket.settimeout(self.deadline.remaining(self.read_timeout_seconds, sent=True))
        try:
            yield
        except TimeoutError:
            # Raises where it was the time of the whole that is over.
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
    """A connection for the block; with TLS, its certificate is verified and its keys are agreed when the block begins.

    Looking up the host's name is the one thing that no deadline ends: the operating system does not let go of it.

    Raises:
        NoResponseError: there is none, and so nothing was sent.
    """
    try:
        opened = _opened(host, port, tls, connect_timeout_seconds, deadline)
    except (OSError, UnicodeError) as error:
        # Raises where it was the time of the whole that is over.
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
