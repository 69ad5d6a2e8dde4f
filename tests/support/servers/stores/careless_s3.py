"""An S3 in memory with chosen flaws, such as stores in the field have had, to see that they are found out."""

from __future__ import annotations

import hashlib
import ssl
import threading
import time
from enum import Enum
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from support.servers.in_process.threaded_server import QuietHandler, ThreadedServer, error_document

if TYPE_CHECKING:
    from pathlib import Path


class Flaw(Enum):
    IGNORES_CONDITIONS = "conditions are not looked at"
    CREATES_BY_TAG = "`If-Match` on a missing key makes the object"
    ANSWERS_304 = "a creation over an object is refused, as 304"
    ANSWERS_409 = "a creation over an object is refused, as 409"
    DROPS_METADATA = "objects have no metadata of the user's"
    REFUSES_CHECKSUMS = "the header of a checksum is an invalid request"
    REFUSES_DELETION = "these credentials must not delete"
    RACES_TO_CREATE = "`If-None-Match` is looked at, and the object is written a while later"
    RACES_TO_REPLACE = "`If-Match` is looked at, and the object is written a while later"
    ANSWERS_ONE_WRITES_ALL = "of writers at once all are written, and all but the first are told that they were not"
    BUSY_409 = "a writer that comes while another one writes is answered 409"
    BUSY_503 = "a writer that comes while another one writes is answered 503"
    BUSY_409_FOR_ALL = "writers that come at once are all answered 409"
    BUSY_503_FOR_ALL = "writers that come at once are all answered 503"
    BUSY_SILENT = "a writer that comes while another one writes gets no answer"
    BUSY_403_FOR_ALL = "writers that come at once are all refused, for another reason than their condition"
    KNOWS_NO_CONDITIONS = "conditional headers are answered 501"
    KNOWS_NO_IF_MATCH = "`If-Match` is answered 501, while `If-None-Match` is honoured"
    KNOWS_NO_IF_NONE_MATCH = "`If-None-Match` is answered 501, while `If-Match` is honoured"
    CALLS_CONDITIONS_INVALID = "conditional headers are an invalid request"
    REDIRECTS = "the bucket is to be asked for elsewhere"
    WANTS_VIRTUAL_HOSTS = "a bucket's name in the path is forbidden"
    HAS_NO_BUCKET = "there is no such bucket"


AT_ONCE = frozenset(
    {
        Flaw.RACES_TO_CREATE,
        Flaw.RACES_TO_REPLACE,
        Flaw.ANSWERS_ONE_WRITES_ALL,
        Flaw.BUSY_409,
        Flaw.BUSY_503,
        Flaw.BUSY_409_FOR_ALL,
        Flaw.BUSY_503_FOR_ALL,
        Flaw.BUSY_SILENT,
        Flaw.BUSY_403_FOR_ALL,
    }
)
"""With these, a PUT takes `WRITE_SECONDS`."""
WRITE_SECONDS = 0.1
_CONDITIONS = ("If-Match", "If-None-Match")
_NOT_KNOWN = {
    Flaw.KNOWS_NO_CONDITIONS: (_CONDITIONS, (501, "NotImplemented")),
    Flaw.KNOWS_NO_IF_MATCH: (_CONDITIONS[:1], (501, "NotImplemented")),
    Flaw.KNOWS_NO_IF_NONE_MATCH: (_CONDITIONS[1:], (501, "")),
    Flaw.CALLS_CONDITIONS_INVALID: (_CONDITIONS, (400, "InvalidRequest")),
}
_BUSY = {
    Flaw.BUSY_409: (409, "ConditionalRequestConflict"),
    Flaw.BUSY_503: (503, "SlowDown"),
    Flaw.BUSY_409_FOR_ALL: (409, "OperationAborted"),
    Flaw.BUSY_503_FOR_ALL: (503, "SlowDown"),
    Flaw.BUSY_403_FOR_ALL: (403, "AccessDenied"),
}
_FOR_ALL = frozenset({Flaw.BUSY_409_FOR_ALL, Flaw.BUSY_503_FOR_ALL, Flaw.BUSY_403_FOR_ALL})
_ELSEWHERE = {
    Flaw.REDIRECTS: (301, "PermanentRedirect"),
    Flaw.WANTS_VIRTUAL_HOSTS: (403, "SecondLevelDomainForbidden"),
    Flaw.HAS_NO_BUCKET: (404, "NoSuchBucket"),
}


class CarelessS3(ThreadedServer):
    """The server. Any bucket is there.

    Attributes:
        objects: bytes and metadata, by path.
        uploads: the headers of every PUT, in lower case.
        hosts: that requests named.
    """

    def __init__(self, *flaws: Flaw, certificate: Path | None = None) -> None:
        super().__init__(_Handler)
        self.objects: dict[str, tuple[bytes, dict[str, str]]] = {}
        self.uploads: list[dict[str, str]] = []
        self.hosts: set[str] = set()
        self._writing: dict[str, int] = {}
        self._crowded: set[str] = set()
        self.lock = threading.Lock()
        self.flaws = frozenset(flaws)
        self._scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
            self._scheme = "https"

    @property
    def endpoint(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}"

    @property
    def elsewhere(self) -> tuple[int, str] | None:
        """The status and code with which every request is refused, or None."""
        return next((_ELSEWHERE[flaw] for flaw in self.flaws if flaw in _ELSEWHERE), None)

    def upload(self, path: str, headers: Any, data: bytes) -> tuple[int, str] | None:
        """Store it, or not: the status and code with which it is refused; (0, "") for no answer at all."""
        keep = {} if Flaw.DROPS_METADATA in self.flaws else dict(headers)
        entry = data, {name: value for name, value in keep.items() if name.lower().startswith("x-amz-meta-")}
        if not self.flaws & AT_ONCE:
            with self.lock:
                refusal = self.refusal(path, headers)
                if refusal is None:
                    self.objects[path] = entry
                return refusal
        early, is_first = self._begin(path, headers)
        time.sleep(WRITE_SECONDS)
        return self._end(path, headers, entry, early, is_first=is_first)

    def _begin(self, path: str, headers: Any) -> tuple[tuple[int, str] | None, bool]:
        with self.lock:
            self._writing[path] = self._writing.get(path, 0) + 1
            is_first = self._writing[path] == 1
            if not is_first:
                self._crowded.add(path)
            return self.refusal(path, headers), is_first

    def _end(
        self, path: str, headers: Any, entry: Any, early: tuple[int, str] | None, *, is_first: bool
    ) -> tuple[int, str] | None:
        with self.lock:
            crowded = path in self._crowded
            self._writing[path] -= 1
            if not self._writing[path]:
                self._crowded.discard(path)
            refusal = self.refusal(path, headers)
            busy = next((_BUSY[flaw] for flaw in self.flaws if flaw in _BUSY), None)
            if Flaw.BUSY_SILENT in self.flaws and not is_first:
                return 0, ""
            if busy is not None and refusal is None and (crowded if self.flaws & _FOR_ALL else not is_first):
                return busy
            race = Flaw.RACES_TO_CREATE if headers.get("If-None-Match") else Flaw.RACES_TO_REPLACE
            if race in self.flaws or Flaw.ANSWERS_ONE_WRITES_ALL in self.flaws:
                refusal = early
            if refusal is None:
                self.objects[path] = entry
            if Flaw.ANSWERS_ONE_WRITES_ALL in self.flaws and not is_first:
                return 412, "PreconditionFailed"
            return refusal

    def refusal(self, path: str, headers: Any) -> tuple[int, str] | None:
        """The status and code with which a PUT is refused, or None."""
        for flaw in self.flaws & _NOT_KNOWN.keys():
            names, refusal = _NOT_KNOWN[flaw]
            if any(name in headers for name in names):
                return refusal
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


class _Handler(QuietHandler):
    protocol_version = "HTTP/1.0"
    server: CarelessS3

    def parse_request(self) -> bool:
        """Also takes requests as a proxy gets them, with the host in the path."""
        is_well = super().parse_request()
        if is_well and not self.path.startswith("/"):
            self.path = urlsplit(self.path)._replace(scheme="", netloc="").geturl()
        return is_well

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        store = self.server
        store.uploads.append({name.lower(): value for name, value in self.headers.items()})
        refusal = store.elsewhere or store.upload(self.path, self.headers, data)
        if refusal is None:
            self.answer(200, {"ETag": _tag(data)})
        elif refusal[0]:
            self._refuse(*refusal)

    def do_GET(self) -> None:
        path = urlsplit(self.path)
        self.server.hosts.add(self.headers["Host"])
        if self.server.elsewhere is not None:
            self._refuse(*self.server.elsewhere)
            return
        if "list-type" in path.query:
            self.answer(200, {}, b"<ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>")
            return
        held = self.server.objects.get(path.path)
        if held is None:
            self._refuse(404, "NoSuchKey")
        else:
            modified = {"Last-Modified": "Wed, 25 Nov 2026 00:00:00 GMT"}
            self.answer(200, {"ETag": _tag(held[0]), **modified, **held[1]}, held[0])

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_DELETE(self) -> None:
        if Flaw.REFUSES_DELETION in self.server.flaws:
            self._refuse(403, "AccessDenied")
            return
        self.server.objects.pop(self.path, None)
        self.answer(204, {})

    def _refuse(self, status: int, code: str) -> None:
        self.answer(status, {}, error_document(code))
