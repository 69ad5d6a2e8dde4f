"""One request over one connection, cut off when it has taken too long as a whole. Imported where it is used: urllib3
takes longer to load than the commands that need no network take to run.
"""  # noqa: D205 - one thought

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator


class Attempt:
    """One request from its connection on. `sent` is whether the server may have got any of it; `cut`, whether it ended
    because its time was over.

    Time-outs of a socket count from one byte to the next, so that a server which drips holds them off for ever:
    through headers, through the extensions of chunks, through "100 Continue" again and again. Only somebody else can
    end that, which here is a timer's thread. It runs by the monotonic clock, which nobody sets.
    """  # noqa: D205 - two attributes, one sentence

    def __init__(self) -> None:
        self.sent = False
        self.cut = False
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Run the block, and cut its connection off when it takes longer. Looking up a host's name is not cut off."""
        timer = threading.Timer(seconds, self._cut_off)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()
            if self._socket is not None:
                self._socket.close()

    def watch(self, connected: socket.socket) -> None:
        """Know the connection to cut off: by a descriptor of our own, since TLS takes the given one over."""
        with self._lock:
            self._socket = connected.dup()
        if self.cut:
            self._shut_down()

    def _cut_off(self) -> None:
        self.cut = True
        with self._lock:
            self._shut_down()

    def _shut_down(self) -> None:
        if self._socket is not None:
            # Refused where the other side was faster.
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


class _Watched:
    """Tells an attempt about its connection."""

    def __init__(self, *args: Any, attempt: Attempt, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._attempt = attempt

    def _new_conn(self) -> socket.socket:
        connected: socket.socket = super()._new_conn()  # type: ignore[misc]  # a mix-in: the class that has it comes after
        self._attempt.watch(connected)
        return connected

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]  # as above
        # Now, and not before: with TLS, the other side's certificate has been verified and its keys agreed.
        self._attempt.sent = True


class _WatchedHttp(_Watched, HTTPConnection):
    pass


class _WatchedHttps(_Watched, HTTPSConnection):
    pass


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _WatchedHttp


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedHttps


def pool_for(
    scheme: str, host: str, port: int | None, timeout: Timeout, attempt: Attempt, tls: ssl.SSLContext | None
) -> HTTPConnectionPool:
    """A pool of one connection, for one request.

    A connection is not kept for the next one: between a fetch and its push a password is typed and a key derived, and
    one that the server closed meanwhile would make the upload's outcome unknown.
    """
    if scheme == "https":
        return _HttpsPool(host, port, timeout, retries=False, ssl_context=tls, attempt=attempt)
    return _HttpPool(host, port, timeout, retries=False, attempt=attempt)
