"""One request over one connection, cut off when it has taken too long as a whole. Imported where it is used: urllib3
takes longer to load than the commands that need no network take to run.
"""  # noqa: D205 - one thought

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from email.errors import (
    FirstHeaderLineIsContinuationDefect,
    MisplacedEnvelopeHeaderDefect,
    MissingHeaderBodySeparatorDefect,
)
from typing import TYPE_CHECKING, Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection

from obscura_backup_client.http_answers import MAX_HEAD_BYTES

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

SWITCHING_PROTOCOLS, PROCESSING, OK = 101, 102, 200
NOT_A_FIELD = (FirstHeaderLineIsContinuationDefect, MisplacedEnvelopeHeaderDefect, MissingHeaderBodySeparatorDefect)


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


class _Head:
    """The lines of an answer's head as they come, up to a bound.

    `http.client` bounds one line and one list of headers, but neither both together nor the number of interim answers.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._left = MAX_HEAD_BYTES

    def readline(self, limit: int) -> bytes:
        line: bytes = self._stream.readline(min(limit, self._left + 1))
        self._left -= len(line)
        if self._left < 0:
            raise http.client.HTTPException("the head of the answer does not end")
        if not line.endswith(b"\n") and self._left < MAX_HEAD_BYTES:
            # `http.client` would take what there is of a head for all of it.
            raise http.client.HTTPException("the head of the answer breaks off")
        return line

    def close(self) -> None:
        self._stream.close()


class _Response(http.client.HTTPResponse):
    def begin(self) -> None:
        with self._bounded():
            super().begin()
            # `http.client` takes any interim answer but "100 Continue" for the answer itself.
            while PROCESSING <= self.status < OK:
                self.headers = self.msg = None  # type: ignore[assignment]  # as before the first one
                super().begin()
        if self.status == SWITCHING_PROTOCOLS:
            raise http.client.HTTPException("nobody asked for another protocol")
        if any(isinstance(each, NOT_A_FIELD) for each in self.headers.defects):
            # What follows would be left out: a length, say, or a version.
            raise http.client.HTTPException("a line of the head is not a field")

    def _read_and_discard_trailer(self) -> None:
        # Of the same kind as a head, and without any bound in `http.client`.
        with self._bounded():
            super()._read_and_discard_trailer()  # type: ignore[misc]  # it is there, and not in the type stubs

    @contextlib.contextmanager
    def _bounded(self) -> Iterator[None]:
        stream = self.fp
        self.fp = _Head(stream)  # type: ignore[assignment]  # all of a stream that reading a head takes
        try:
            yield
        finally:
            if self.fp is not None:
                self.fp = stream


class _WatchedHttp(_Watched, HTTPConnection):
    response_class = _Response


class _WatchedHttps(_Watched, HTTPSConnection):
    response_class = _Response


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
