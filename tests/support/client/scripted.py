"""A server that answers from a script, usually with complete, valid responses: on a real socket, or in memory."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def digest(content: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


@dataclass
class Reply:
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    hang_up: bool = False
    declared_length: int | None = None


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Server:
    """Answers from a script, with the last reply again and again. `address` is empty where there is no socket."""

    address: str = ""
    script: list[Reply] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def answer(self, request: Request) -> bytes:
        """The bytes of the next reply; none where the server hangs up."""
        self.requests.append(request)
        reply = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if reply.hang_up:
            return b""
        length = len(reply.body) if reply.declared_length is None else reply.declared_length
        headers = {"Content-Length": str(length), "Connection": "close", **reply.headers}
        lines = [f"HTTP/1.1 {reply.status} X", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        return "\r\n".join(lines).encode("latin-1") + (b"" if request.method == "HEAD" else reply.body)

    def answer_bytes(self, request: bytes) -> bytes:
        """As `answer`, for the bytes of a request."""
        head, _, body = request.partition(b"\r\n\r\n")
        line, *fields = head.decode("latin-1").split("\r\n")
        method, path, _ = line.split(" ")
        headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in fields)}
        return self.answer(Request(method, path, headers, body))


def problem(status: int, kind: str = "about:blank", **facts: Any) -> Reply:
    body = json.dumps({"type": kind, "title": "No", "status": status, **facts}).encode()
    return Reply(status, {"Content-Type": "application/problem+json"}, body)


@contextlib.contextmanager
def scripted() -> Iterator[Server]:
    """A server for the block; its script is empty at first."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.close_connection = True
            self.wfile.write(server.answer(Request(self.command, self.path, headers, body)))

        do_GET = do_HEAD = do_POST = do_DELETE = answer

        def log_message(self, *args: Any) -> None:
            """Keep the tests' output to the tests."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        server = Server(f"http://127.0.0.1:{httpd.server_address[1]}")
        threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        httpd.shutdown()
