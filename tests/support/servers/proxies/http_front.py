"""A server that passes HTTP requests on to an emulator, and repairs single answers."""

from __future__ import annotations

import http.client
from typing import ClassVar

from support.servers.in_process.threaded_server import QuietHandler, ThreadedServer

_OF_THE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


class HttpFront(ThreadedServer):
    """The server.

    Args:
        emulator_port: where requests go.
        handler: passes them on.
    """

    def __init__(self, emulator_port: int, handler: type[PassOn]) -> None:
        super().__init__(handler)
        self.emulator_port = emulator_port


class PassOn(QuietHandler):
    """Passes each request on as it is. A subclass repairs answers in `repaired`, or takes over a method."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    host: ClassVar[str | None] = None
    """The host that the emulator is told; None: the client's."""
    server: HttpFront

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

    def _pass_on(self) -> None:
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        headers["Host"] = self.host or self.headers["Host"]
        self.answer(*self.repaired(*self.ask(self.command, self.path, headers, self.body())))
