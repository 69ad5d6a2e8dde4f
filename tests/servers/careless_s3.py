"""An S3 in memory with chosen flaws, such as stores in the field have had, to see that they are found out."""

from __future__ import annotations

import hashlib
import ssl
import threading
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType


class Flaw(Enum):
    IGNORES_CONDITIONS = "conditions are not looked at"
    CREATES_BY_TAG = "`If-Match` on a missing key makes the object"
    ANSWERS_304 = "a creation over an object is refused, as 304"
    ANSWERS_409 = "a creation over an object is refused, as 409"
    DROPS_METADATA = "objects have no metadata of the user's"
    REFUSES_CHECKSUMS = "the header of a checksum is an invalid request"
    REFUSES_DELETION = "these credentials must not delete"


class CarelessS3:
    """The server, in a thread. Any bucket is there.

    Attributes:
        objects: bytes and metadata, by path.
        uploads: the headers of every PUT, in lower case.
    """

    def __init__(self, *flaws: Flaw, certificate: Path | None = None) -> None:
        self.objects: dict[str, tuple[bytes, dict[str, str]]] = {}
        self.uploads: list[dict[str, str]] = []
        self.lock = threading.Lock()
        self.flaws = frozenset(flaws)
        self._server = _Server(self)
        self._scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            self._scheme = "https"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def endpoint(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def refusal(self, path: str, headers: Any) -> tuple[int, str] | None:
        """The status and code with which a PUT is refused, or None."""
        held = self.objects.get(path)
        if Flaw.REFUSES_CHECKSUMS in self.flaws and "x-amz-checksum-sha256" in headers:
            return 400, "InvalidArgument"
        if Flaw.IGNORES_CONDITIONS in self.flaws:
            return None
        if headers.get("If-None-Match") == "*" and held is not None:
            if Flaw.ANSWERS_304 in self.flaws:
                return 304, ""
            return (
                (409, "ConditionalRequestConflict") if Flaw.ANSWERS_409 in self.flaws else (412, "PreconditionFailed")
            )
        tag = headers.get("If-Match")
        if tag is None:
            return None
        if held is None:
            return None if Flaw.CREATES_BY_TAG in self.flaws else (404, "NoSuchKey")
        return None if tag == _tag(held[0]) else (412, "PreconditionFailed")


def _tag(data: bytes) -> str:
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'


class _Server(ThreadingHTTPServer):
    def __init__(self, store: CarelessS3) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.store = store


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"
    server: _Server

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        store = self.server.store
        with store.lock:
            store.uploads.append({name.lower(): value for name, value in self.headers.items()})
            refusal = store.refusal(self.path, self.headers)
            if refusal is None:
                keep = {} if Flaw.DROPS_METADATA in store.flaws else dict(self.headers)
                metadata = {name: value for name, value in keep.items() if name.lower().startswith("x-amz-meta-")}
                store.objects[self.path] = data, metadata
        if refusal is None:
            self._answer(200, headers={"ETag": _tag(data)})
        else:
            self._refuse(*refusal)

    def do_GET(self) -> None:
        path = urlsplit(self.path)
        if "list-type" in path.query:
            self._answer(200, b"<ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>")
            return
        held = self.server.store.objects.get(path.path)
        if held is None:
            self._refuse(404, "NoSuchKey")
        else:
            self._answer(200, held[0], {"ETag": _tag(held[0]), **held[1]})

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_DELETE(self) -> None:
        if Flaw.REFUSES_DELETION in self.server.store.flaws:
            self._refuse(403, "AccessDenied")
            return
        self.server.store.objects.pop(self.path, None)
        self._answer(204)

    def _refuse(self, status: int, code: str) -> None:
        self._answer(status, f"<Error><Code>{code}</Code></Error>".encode())

    def _answer(self, status: int, data: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it so
        pass
