"""A server that passes HTTP requests on to an emulator, and repairs single answers."""

from __future__ import annotations

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, ClassVar, Self

if TYPE_CHECKING:
    from types import TracebackType

_OF_THE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


class HttpFront:
    """The server, in a thread.

    Args:
        emulator_port: where requests go.
        handler: passes them on.
    """

    def __init__(self, emulator_port: int, handler: type[PassOn]) -> None:
        self._server = _Server(emulator_port, handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def port(self) -> int:
        port: int = self._server.server_address[1]
        return port

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, emulator_port: int, handler: type[PassOn]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.emulator_port = emulator_port


class PassOn(BaseHTTPRequestHandler):
    """Passes each request on as it is. A subclass repairs answers in `repaired`, or takes over a method."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    host: ClassVar[str | None] = None
    """The host that the emulator is told; None: the client's."""
    server: _Server

    def do_PUT(self) -> None:
        self._pass_on()

    def do_POST(self) -> None:
        self._pass_on()

    def do_GET(self) -> None:
        self._pass_on()

    def do_HEAD(self) -> None:
        self._pass_on()

    def do_DELETE(self) -> None:
        self._pass_on()

    def repaired(self, status: int, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """The answer to pass back."""
        return status, headers, body

    def body(self) -> bytes:
        """Of the request."""
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def ask(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """A request to the emulator: status, headers and body of its answer.

        On a connection of its own: an emulator may close an idle one at the moment of the next request.
        """
        emulator = http.client.HTTPConnection("127.0.0.1", self.server.emulator_port, timeout=60)
        try:
            emulator.request(method, path, body or None, headers)
            answer = emulator.getresponse()
            kept = {name: value for name, value in answer.getheaders() if name.lower() not in _OF_THE_CONNECTION}
            if method == "HEAD":
                kept["Content-Length"] = answer.headers.get("Content-Length", "0")
            return answer.status, kept, answer.read()
        finally:
            emulator.close()

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

    def _pass_on(self) -> None:
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        headers["Host"] = self.host or self.headers["Host"]
        self.answer(*self.repaired(*self.ask(self.command, self.path, headers, self.body())))


def error_document(code: str) -> bytes:
    """An error with this code, as object stores say it."""
    return f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code></Error>".encode()
