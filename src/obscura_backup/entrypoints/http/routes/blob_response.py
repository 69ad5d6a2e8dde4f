"""The answer to a download: headers from the revision, bytes streamed from the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litestar.response import Response
from litestar.response.base import ASGIResponse

from obscura_backup.entrypoints.http.messages.headers import digest_field, etag, http_date

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from litestar.types import Receive, Scope, Send

    from obscura_backup.domain.model import Revision
    from obscura_backup.domain.ports import OpenBlob

MEDIA_TYPE = "application/octet-stream"
# A backup is private, and only its newest version is useful.
CACHE_CONTROL = "private, no-store"


def not_modified(revision: Revision) -> Response[Any]:
    """304: the client already has this version."""
    return _Headers(304, {"ETag": etag(revision.version), "Cache-Control": CACHE_CONTROL})


def description(revision: Revision) -> Response[Any]:
    """The answer to HEAD: the headers of GET, without the bytes."""
    return _Headers(200, {**_headers(revision, revision.size), "Content-Type": MEDIA_TYPE})


class _Headers(Response[None]):
    """Headers only; Content-Length may describe a body that is not sent."""

    def __init__(self, status_code: int, headers: dict[str, str]) -> None:
        super().__init__(None, status_code=status_code, headers=headers)

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIResponse:
        return ASGIResponse(headers=self.headers, status_code=self.status_code, is_head_response=True)


class BlobResponse(Response[bytes]):
    """200 with a whole blob, or 206 with a part of it. `held` is closed however the sending ends."""

    def __init__(self, blob: OpenBlob, *, partial: bool, held: AsyncExitStack) -> None:
        headers = _headers(blob.revision, blob.length)
        if partial:
            last = blob.start + blob.length - 1
            headers["Content-Range"] = f"bytes {blob.start}-{last}/{blob.revision.size}"
        super().__init__(b"", status_code=206 if partial else 200, headers=headers, media_type=MEDIA_TYPE)
        self._blob = blob
        self._held = held

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIResponse:
        """Stream the blob; the base class would send its content."""
        return _BlobStream(self._blob, self._held, self.headers, self.status_code or 200)


class _BlobStream(ASGIResponse):
    def __init__(self, blob: OpenBlob, held: AsyncExitStack, headers: dict[str, Any], status_code: int) -> None:
        super().__init__(headers=headers, status_code=status_code, media_type=MEDIA_TYPE, content_length=blob.length)
        self._blob = blob
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._held:
            await super().__call__(scope, receive, send)

    async def send_body(self, send: Send, receive: Receive) -> None:  # noqa: ARG002  # of the base class
        left = self._blob.length
        async for chunk in self._blob.chunks():
            left -= len(chunk)
            await send({"type": "http.response.body", "body": chunk, "more_body": left > 0})
            if left > 0:
                # The server waits with each message until the client has taken the one before. So this empty message
                # keeps the next chunk out of memory meanwhile, which counts with a thousand slow readers.
                del chunk
                await send({"type": "http.response.body", "body": b"", "more_body": True})


def _headers(revision: Revision, length: int) -> dict[str, str]:
    return {
        "ETag": etag(revision.version),
        "Content-Length": str(length),
        "Repr-Digest": digest_field(revision.sha256),
        "Last-Modified": http_date(revision.updated_at),
        "Accept-Ranges": "bytes",
        "Cache-Control": CACHE_CONTROL,
    }
