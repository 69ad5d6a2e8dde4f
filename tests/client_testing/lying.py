"""A server on a real socket that says whatever a test wants it to, byte for byte."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl

Serve = Callable[[socket.socket], object]


@contextlib.contextmanager
def serving(serve: Serve, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """The address of a server that does `serve` with each connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            # Ends when the listener is shut down; a client that leaves early is none of our business.
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


def read_request(connection: socket.socket) -> None:
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        body += connection.recv(65536)


def saying(*parts: bytes) -> Serve:
    """Answer with these very bytes."""

    def serve(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"".join(parts))

    return serve


def answer(status: int, body: bytes = b"", **headers: str) -> Serve:
    named = {"Content-Length": str(len(body)), **{name.replace("_", "-"): value for name, value in headers.items()}}
    lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in named.items()), "", ""]
    return saying("\r\n".join(lines).encode("latin-1"), body)


def problem(status: int, **facts: Any) -> Serve:
    return answer(status, json.dumps(facts).encode())


def dripping(begin: bytes, drop: bytes) -> Serve:
    """Begin an answer, and go on with another drop every moment, for ever."""

    def serve(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(begin)
        for _ in itertools.count():
            connection.sendall(drop)
            time.sleep(0.02)

    return serve
