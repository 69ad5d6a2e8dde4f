"""An HTTP server of Python's own in a thread, for servers in front of a real one or in place of one."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType


class ThreadedServer(ThreadingHTTPServer):
    """Serves on a free port of loopback while its context lasts; handlers see it as `server`."""

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def port(self) -> int:
        port: int = self.server_address[1]
        return port

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()


class QuietHandler(BaseHTTPRequestHandler):
    """Gives whole answers, and writes nothing to the terminal."""

    def answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it so
        pass


class Recorder(ThreadedServer):
    """Answers 201 without a body to everything.

    Attributes:
        requests: the path, and the headers by their names in lower case, of each.
    """

    def __init__(self) -> None:
        super().__init__(_RecordingHandler)
        self.requests: list[tuple[str, dict[str, str]]] = []


class _RecordingHandler(QuietHandler):
    server: Recorder

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.server.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        self.answer(201, {"ETag": '"tag"'})

    do_PUT = do_POST = do_GET


def error_document(code: str) -> bytes:
    """An error with this code, as object stores say it."""
    return f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code></Error>".encode()
