"""The server's protocol with small bounds, and a plain application behind it."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn

from obscura_backup.entrypoints.http.server import bounds
from obscura_backup.entrypoints.http.server.protocol import BoundedProtocol
from support.servers.in_process.pipeline import pipeline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECONDS = 0.3
LARGE = 8 * 1024 * 1024
CARRIED_OUT: list[str] = []
READS: list[int] = []
RELEASE = threading.Event()
"""Until it is set, `/held` is not answered."""
SMALL = 50_000
"""Small enough for the system's buffer, so that it counts as sent."""
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
UNFINISHED = b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n"


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answers with what it was asked; reads a body for `/read`, sends much for `/large` at once
    and for `/stream` piece by piece, waits for `/slow` and `/held`.
    """
    CARRIED_OUT.append(scope["path"])
    seen = [f"{scope['method']} {scope['path']}"]
    seen += [f"{name.decode()}={value.decode()}" for name, value in scope["headers"] if name != b"host"]
    body = b""
    if scope["path"] in ("/read", "/echo"):
        more = True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        seen.append(f"{len(body)} bytes")
    if scope["path"] == "/held":
        await asyncio.to_thread(RELEASE.wait)
    if scope["path"] == "/slow":
        await asyncio.sleep(0.1)
    sizes = {"/large": LARGE, "/stream": LARGE, "/small": SMALL}
    if scope["path"] == "/echo":
        seen = [body.decode()]
    answer = bytes(sizes[scope["path"]]) if scope["path"] in sizes else "; ".join(seen).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(answer))]})
    if scope["path"] == "/stream":
        for _ in range(LARGE // 65_536):
            await send({"type": "http.response.body", "body": answer[:65_536], "more_body": True})
        answer = b""
    await send({"type": "http.response.body", "body": answer})


class Noted(BoundedProtocol):
    """Notes each read."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        READS.append(len(data))


class Running:
    """The application behind the protocol, in a thread."""

    def __init__(self) -> None:
        config = uvicorn.Config(
            pipeline(application),
            http=Noted,
            ws="none",
            lifespan="off",
            log_config=None,
            timeout_keep_alive=600,
        )
        self.server = uvicorn.Server(config)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.socket]})
        self.thread.start()
        while not self.server.started:
            time.sleep(0.005)

    def connect(self) -> socket.socket:
        return socket.create_connection(self.socket.getsockname(), timeout=5)

    def exchange(self, *pieces: bytes) -> bytes:
        """Send piece by piece, each once the one before was read; return all that comes until the end."""
        with self.connect() as connection:
            for piece in pieces:
                READS.clear()
                connection.sendall(piece)
                # Not read at all: a body that is not asked for, or what comes after the last that counts.
                eventually(lambda: bool(READS), seconds=0.3)
            return received(connection)

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(timeout=10)


def received(connection: socket.socket, quiet_seconds: float = 0.2, first_seconds: float = 20.0) -> bytes:
    """What comes until the other side closes, or sends nothing for a while after one whole answer."""
    data = b""
    try:
        while True:
            connection.settimeout(quiet_seconds if _is_whole(data) else first_seconds)
            piece = connection.recv(65536)
            if not piece:
                break
            data += piece
    except TimeoutError:
        pass
    return data


def _is_whole(data: bytes) -> bool:
    """Whether the last answer in it is complete, by its Content-Length."""
    head, _, body = data[data.rfind(b"HTTP/1.1 ") :].partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: ([0-9]+)", head)
    return length is not None and len(body) >= int(length[1]) and not head.startswith(b"HTTP/1.1 1")


def receive_all(connection: socket.socket, seconds: float = 20.0) -> bytes:
    """Everything until the other side closes.

    Raises:
        TimeoutError: it does not.
    """
    connection.settimeout(seconds)
    data = b""
    while piece := connection.recv(65536):
        data += piece
    return data


def receive_until(connection: socket.socket, end: bytes, seconds: float = 20.0) -> bytes:
    """Everything up to these bytes.

    Raises:
        TimeoutError: they do not come.
    """
    connection.settimeout(seconds)
    data = b""
    while not data.endswith(end):
        piece = connection.recv(65536)
        assert piece, data
        data += piece
    return data


def eventually(holds: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Whether it holds within this time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def closed_within(connection: socket.socket, seconds: float) -> bool:
    connection.settimeout(seconds)
    try:
        while connection.recv(65536):
            pass
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True
    return True


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    for name in ("HEAD_SECONDS", "DRAIN_SECONDS", "WRITE_SECONDS", "SEND_POLL_SECONDS"):
        monkeypatch.setattr(bounds, name, SECONDS)
    monkeypatch.setattr(BoundedProtocol, "max_connections", 4)
    RELEASE.clear()
    running = Running()
    yield running
    RELEASE.set()
    running.stop()


def sent_before_the_end(connection: socket.socket, piece: bytes) -> int:
    """How much could be sent, into the kernel's buffers too, until the other side closed."""
    sent = 0
    while sent < 10 * LARGE:
        try:
            connection.sendall(piece)
        except OSError:
            break
        sent += len(piece)
    return sent
