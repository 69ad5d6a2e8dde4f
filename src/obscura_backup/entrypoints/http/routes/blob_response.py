"""The answer to a download: headers from the revision, bytes streamed from the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obscura_backup.entrypoints.http.messages.answer import Answer
from obscura_backup.entrypoints.http.messages.headers import digest_field, etag, http_date

if TYPE_CHECKING:
    from litestar.types import Receive, Scope, Send

    from obscura_backup.domain.model import Revision
    from obscura_backup.domain.ports import OpenBlob
    from obscura_backup.entrypoints.http.limits.transfers import Place

_CONTENT_TYPE = (b"content-type", b"application/octet-stream")
_ACCEPT_RANGES = (b"accept-ranges", b"bytes")
# A backup is private, and only its newest version is useful.
_CACHE_CONTROL = (b"cache-control", b"private, no-store")


def not_modified(revision: Revision) -> Answer:
    """304: the client already has this version."""
    return Answer(304, [(b"etag", etag(revision.version).encode()), _CACHE_CONTROL])


def description(revision: Revision) -> Answer:
    """The answer to HEAD: the headers of GET, without the bytes."""
    return Answer(200, _headers(revision, revision.size))


class BlobResponse:
    """200 with a whole blob, or 206 with a part of it.

    Args:
        blob: closed however the sending ends.
        place: of this download; left at the same time.
        partial: whether a part was asked for.
    """

    def __init__(self, blob: OpenBlob, place: Place, *, partial: bool) -> None:
        self._blob = blob
        self._place = place
        self._partial = partial

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # as in ASGI
        """Stream the blob."""
        blob = self._blob
        try:
            headers = _headers(blob.revision, blob.length)
            if self._partial:
                part = f"bytes {blob.start}-{blob.start + blob.length - 1}/{blob.revision.size}"
                headers.append((b"content-range", part.encode()))
            await send({"type": "http.response.start", "status": 206 if self._partial else 200, "headers": headers})
            await self._send_body(send)
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """Close the blob, and leave the place."""
        try:
            await self._blob.aclose()
        finally:
            self._place.leave()

    async def _send_body(self, send: Send) -> None:
        left = self._blob.length
        async for chunk in self._blob.chunks():
            left -= len(chunk)
            await send({"type": "http.response.body", "body": chunk, "more_body": left > 0})
            if left > 0:
                # The server waits with each message until the client has taken the one before. So this empty message
                # keeps the next chunk out of memory meanwhile, which counts with a thousand slow readers.
                del chunk
                await send({"type": "http.response.body", "body": b"", "more_body": True})


def _headers(revision: Revision, length: int) -> list[tuple[bytes, bytes]]:
    return [
        (b"etag", etag(revision.version).encode()),
        (b"content-length", b"%d" % length),
        (b"repr-digest", digest_field(revision.sha256).encode()),
        (b"last-modified", http_date(revision.updated_at).encode()),
        _ACCEPT_RANGES,
        _CACHE_CONTROL,
        _CONTENT_TYPE,
    ]
