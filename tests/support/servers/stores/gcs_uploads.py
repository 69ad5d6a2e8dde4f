"""Conditional uploads of Google's XML API, in front of `fake-gcs-server`, which has them in its JSON API alone.

Google documents `x-goog-if-generation-match` for the PUT of an object in the XML API, which obstore speaks. Here such a
PUT becomes an upload of the JSON API with `ifGenerationMatch`. So the emulator itself decides on the condition, and
stores bytes and metadata. Two more answers are repaired: the error codes of a 404, and `start-after` of a listing.
"""

from __future__ import annotations

import json
import secrets
from typing import ClassVar
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.etree import ElementTree as ET

from support.servers.in_process.threaded_server import error_document
from support.servers.proxies.http_front import PassOn

_META = "x-goog-meta-"


class GcsUploads(PassOn):
    """See the module."""

    host = "127.0.0.1"
    looks_at_conditions: ClassVar[bool] = True

    def do_PUT(self) -> None:
        bucket, name = (unquote(part) for part in urlsplit(self.path).path[1:].split("/", 1))
        query = f"uploadType=multipart&name={quote(name, safe='')}"
        condition = self.headers["x-goog-if-generation-match"]
        if condition is not None and self.looks_at_conditions:
            query += f"&ifGenerationMatch={condition}"
        content_type, form = self._as_form(self.body())
        headers = {"Host": "127.0.0.1", "Content-Type": content_type}
        status, _, body = self.ask("POST", f"/upload/storage/v1/b/{bucket}/o?{query}", headers, form)
        if status != 200:
            codes = {404: "NoSuchBucket", 412: "PreconditionFailed"}
            self.answer(status, {}, error_document(codes.get(status, "InvalidArgument")))
            return
        stored = json.loads(body)
        self.answer(200, {"ETag": f'"{stored["etag"]}"', "x-goog-generation": str(stored["generation"])})

    def repaired(self, status: int, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        parts = urlsplit(self.path)
        is_listing = "list-type" in parts.query
        if status == 404 or (is_listing and status == 500):  # the answer to a listing of a missing bucket
            return 404, {}, error_document(self._missing(parts.path[1:].partition("/")[0]))
        start_after = parse_qs(parts.query).get("start-after")
        return status, headers, _behind(start_after[0], body) if is_listing and start_after else body

    def _as_form(self, body: bytes) -> tuple[str, bytes]:
        """The type and the bytes of an upload of the JSON API, with the metadata of this request."""
        described = {
            "contentType": self.headers["Content-Type"],
            "metadata": {
                name.lower().removeprefix(_META): value
                for name, value in self.headers.items()
                if name.lower().startswith(_META)
            },
        }
        boundary = secrets.token_hex(16)
        head = f"--{boundary}\r\nContent-Type: application/json\r\n\r\n{json.dumps(described)}\r\n"
        head += f"--{boundary}\r\nContent-Type: {described['contentType']}\r\n\r\n"
        return f"multipart/related; boundary={boundary}", head.encode() + body + f"\r\n--{boundary}--\r\n".encode()

    def _missing(self, bucket: str) -> str:
        status, _, _ = self.ask("GET", f"/storage/v1/b/{bucket}", {"Host": "127.0.0.1"}, b"")
        return "NoSuchKey" if status == 200 else "NoSuchBucket"


class CarelessGcsUploads(GcsUploads):
    """Stores whatever it gets."""

    looks_at_conditions = False


def _behind(key: str, listing: bytes) -> bytes:
    """The listing without the entries up to this key."""
    root = ET.fromstring(listing)  # noqa: S314  # of our own emulator
    for entry in list(root):
        if _name(entry) == "Contents" and any(_name(part) == "Key" and (part.text or "") <= key for part in entry):
            root.remove(entry)
    return ET.tostring(root)


def _name(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]
