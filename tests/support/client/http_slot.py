"""The slot in memory behind a real HTTP server on this machine."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from obscura_backup_client.transport.errors import NotFound, Unauthorized, VersionMismatch
from support.client.server_in_memory import ServerInMemory


class SlotHandler(BaseHTTPRequestHandler):
    """The calls of the contract that a push and a restore need."""

    slot: ServerInMemory
    token: str

    def do_GET(self) -> None:
        with self._refusals():
            found = self.slot.fetch()
            assert found is not None
            self._answer(200, found.blob, ETag=f'"{found.version}"')

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        blob = self.rfile.read(int(self.headers["Content-Length"]))
        with self._refusals():
            expected = int(self.headers.get("If-Match", '"0"').strip('"'))
            self._answer(200, ETag=f'"{self.slot.push(blob, expected)}"')

    @contextlib.contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            if self.headers.get("Authorization") != f"Bearer {self.token}":
                raise Unauthorized
            yield
        except Unauthorized:
            self._answer(401)
        except NotFound:
            self._answer(404)
        except VersionMismatch:
            self._answer(409, ETag=f'"{self.slot.slot.version}"')

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@contextlib.contextmanager
def http_slot(slot: ServerInMemory, token: str) -> Iterator[str]:
    """The address of a server with this slot, for the holder of this token."""
    handler = type("Handler", (SlotHandler,), {"slot": slot, "token": token})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
