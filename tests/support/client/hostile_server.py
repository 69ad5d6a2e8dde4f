"""A server on a real socket that sends exactly the given bytes."""

from __future__ import annotations

import contextlib
import itertools
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

Serve = Callable[[socket.socket], object]


@contextlib.contextmanager
def serving(serve: Serve, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """The address of a server that does `serve` with each connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            # Ends when the listener is shut down; a client may disconnect early.
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    threading.Thread(target=answer, args=(connection,), daemon=True).start()

        def answer(connection: socket.socket) -> None:
            with contextlib.suppress(OSError), connection:
                if tls is None:
                    serve(connection)
                else:
                    with tls.wrap_socket(connection, server_side=True) as encrypted:
                        serve(encrypted)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        scheme = "http" if tls is None else "https"
        yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def read_request(connection: socket.socket) -> bytes:
    """Read a whole request, and return its head."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return head


def saying(*parts: bytes) -> Serve:
    """Send exactly these bytes."""

    def serve(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"".join(parts))

    return serve


def answer(status: int, body: bytes = b"", **headers: str) -> Serve:
    named = {"Content-Length": str(len(body)), **{name.replace("_", "-"): value for name, value in headers.items()}}
    lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in named.items()), "", ""]
    return saying("\r\n".join(lines).encode("latin-1"), body)


def dripping(begin: bytes, drop: bytes) -> Serve:
    """Begin a response, and send another piece at short intervals for ever."""

    def serve(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(begin)
        for _ in itertools.count():
            connection.sendall(drop)
            time.sleep(0.02)

    return serve


Reply = bytes | Callable[[socket.socket], object]
"""The response to a request: bytes, or a function that uses the connection."""


def reply(status: int, body: bytes = b"", *lines: str) -> bytes:
    """A response with these header lines, and its length unless a line gives one."""
    framed = any(line.lower().startswith(("content-length", "transfer-encoding")) for line in lines)
    length = () if framed else (f"Content-Length: {len(body)}",)
    return "\r\n".join((f"HTTP/1.1 {status} X", *length, *lines, "", "")).encode("latin-1") + body


@dataclass
class EndlessReply:
    """Sends a beginning, then repeats bytes until the client disconnects; `taken` counts them."""

    begin: bytes
    piece: bytes
    taken: int = 0

    def __call__(self, connection: socket.socket) -> None:
        self.taken = 0
        connection.sendall(self.begin)
        while True:
            connection.sendall(self.piece)
            self.taken += len(self.piece)


@dataclass
class HostileServer:
    """A server that responds by method; `heads` has the heads of all requests."""

    address: str = ""
    replies: dict[str, Reply] = field(default_factory=dict)
    heads: list[bytes] = field(default_factory=list)

    def serve(self, connection: socket.socket) -> None:
        """Answer one connection, for `serving`."""
        head = read_request(connection)
        self.heads.append(head)
        said = self.replies[head.split(b" ", 1)[0].decode()]
        if isinstance(said, bytes):
            connection.sendall(said)
        else:
            said(connection)

    @property
    def asked(self) -> list[str]:
        """The methods of all requests that came, in order."""
        return [head.split(b" ", 1)[0].decode() for head in self.heads]
