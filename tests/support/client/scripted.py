"""A real HTTP server that answers from a script, whole and well-formed answers as a rule."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


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
    """A real HTTP server that answers from a script, the last reply again and again."""

    address: str
    script: list[Reply] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)


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
            server.requests.append(Request(self.command, self.path, headers, body))
            reply = server.script.pop(0) if len(server.script) > 1 else server.script[0]
            self.close_connection = True
            if reply.hang_up:
                return
            self.send_response(reply.status)
            length = len(reply.body) if reply.declared_length is None else reply.declared_length
            for name, value in {"Content-Length": str(length), "Connection": "close", **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.body)

        do_GET = do_HEAD = do_POST = do_DELETE = answer  # noqa: N815 - the names that http.server looks for

        def log_message(self, *args: Any) -> None:
            """Keep the tests' output to the tests."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        server = Server(f"http://127.0.0.1:{httpd.server_address[1]}")
        threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        httpd.shutdown()
