"""`/v1/backup`: the backup of the authenticated user."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003  # msgspec reads the annotation at run time
from time import perf_counter
from typing import TYPE_CHECKING, Final

import msgspec
from litestar import asgi
from litestar.types import Receive, Scope, Send  # noqa: TC002  # Litestar reads the annotations at run time

from obscura_backup.domain.errors import BlobTooLarge, BlobTooSmall
from obscura_backup.domain.model import NO_VERSION, Version
from obscura_backup.entrypoints.http.limits.spool import receive as received
from obscura_backup.entrypoints.http.limits.transfers import BodyReader
from obscura_backup.entrypoints.http.messages.answer import Answer
from obscura_backup.entrypoints.http.messages.errors import PreconditionRequired, UnsupportedMediaType
from obscura_backup.entrypoints.http.messages.headers import (
    byte_range,
    declared_sha256,
    etag,
    expected_version,
    none_match,
    range_applies,
)
from obscura_backup.entrypoints.http.middleware.metrics import BODY_SECONDS
from obscura_backup.entrypoints.http.request_state import RequestState
from obscura_backup.entrypoints.http.route_table import BACKUP
from obscura_backup.entrypoints.http.routes.blob_response import BlobResponse, description, not_modified

if TYPE_CHECKING:
    from litestar.types import ASGIApp

    from obscura_backup.domain.model import Limits
    from obscura_backup.domain.service import BackupService
    from obscura_backup.entrypoints.http.limits.spool import SpoolMemory
    from obscura_backup.entrypoints.http.limits.transfers import ConcurrencyLimit

_NO_STORE = (b"cache-control", b"no-store")
_JSON = (b"content-type", b"application/json")

EARLY_CHECK_BYTES = 1024 * 1024
"""For bodies from this size on, the metadata store is asked first whether the upload can succeed.

The question costs 0.5 ms of processor time (PostgreSQL and service), receiving a body 3.3 ms per MiB. So from this size
on it pays if one of seven uploads is refused; at 64 KiB it would never pay.
"""


class StoredBackup(msgspec.Struct, frozen=True):
    """The answer to an upload.

    Attributes:
        version: of the stored backup; the next If-Match names it.
        size: in bytes.
        sha256: of the stored bytes, 64 hexadecimal digits.
        updated_at: when the upload was accepted.
    """

    version: int
    size: int
    sha256: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class TransferDependencies:
    """What the handlers need, in the state of the application.

    The framework's injection of dependencies would open a clean-up group per request, even for one.
    """

    service: BackupService
    limits: Limits
    uploads: ConcurrencyLimit
    downloads: ConcurrencyLimit
    memory: SpoolMemory


@asgi(BACKUP.path, copy_scope=False)
async def backup(scope: Scope, receive: Receive, send: Send) -> None:
    """Carry out a request. The middleware has refused other methods, and requests without a user.

    An ASGI handler. For one that takes a `Request`, the framework would spend 6 % of a download on conversions and
    clean-up that are not used here.
    """
    transfers: TransferDependencies = scope["litestar_app"].state.transfers
    answer = await HANDLERS[scope["method"]](transfers, RequestState.of(scope), receive)  # type: ignore[typeddict-item]  # it is HTTP
    await answer(scope, receive, send)


async def _upload(transfers: TransferDependencies, state: RequestState, receive: Receive) -> ASGIApp:
    """Store the body as the version after the one in If-Match. Repeating an upload stores it once."""
    user_id = state.require_user()
    _require_plain(state)
    expected = expected_version(state.values(b"if-match"), state.values(b"if-none-match")) or NO_VERSION
    sha256 = declared_sha256(state.values(b"content-digest"))
    declared_size = int(state.value(b"content-length") or -1)
    _require_size(declared_size, transfers.limits)
    with transfers.uploads.admit(user_id):
        # A short body that is being sent already is read sooner than the store would answer.
        if not 0 <= declared_size < EARLY_CHECK_BYTES or state.has(b"expect"):
            await transfers.service.refuse_early(user_id, expected)
        body = BodyReader(receive)
        began = perf_counter()
        async with received(body, transfers.limits, transfers.memory, declared_sha256=sha256) as blob:
            BODY_SECONDS.observe(perf_counter() - began)
            state.received_bytes = blob.size
            state.has_begun_change = True
            stored = await transfers.service.upload(user_id, expected, blob)
    return _stored(StoredBackup(stored.version, stored.size, stored.sha256.hex(), stored.updated_at))


async def _download(transfers: TransferDependencies, state: RequestState, _: Receive) -> ASGIApp:
    """Send the backup, whole or in part."""
    user_id = state.require_user()
    known = state.values(b"if-none-match")
    wanted = byte_range(state.value(b"range"))
    if wanted is not None and (state.has(b"if-range") or known):
        # Which bytes to read depends on the version, so that is looked up first.
        revision = await transfers.service.describe(user_id)
        if known and none_match(known, revision.version):
            return not_modified(revision)
        if not range_applies(state.value(b"if-range"), revision):
            wanted = None
    place = transfers.downloads.admit(user_id)
    try:
        blob = await transfers.service.download(user_id, wanted)
    except BaseException:
        place.leave()
        raise
    answer = BlobResponse(blob, place, partial=wanted is not None)
    if known and none_match(known, blob.revision.version):
        await answer.aclose()
        return not_modified(blob.revision)
    return answer


async def _describe(transfers: TransferDependencies, state: RequestState, _: Receive) -> ASGIApp:
    """Send the headers of a download."""
    revision = await transfers.service.describe(state.require_user())
    known = state.values(b"if-none-match")
    if known and none_match(known, revision.version):
        return not_modified(revision)
    return description(revision)


async def _delete(transfers: TransferDependencies, state: RequestState, _: Receive) -> ASGIApp:
    """Delete the version in If-Match. Repeating a deletion succeeds."""
    user_id = state.require_user()
    expected = expected_version(state.values(b"if-match"), [])
    if expected is None:
        raise PreconditionRequired
    state.has_begun_change = True
    await transfers.service.delete(user_id, expected)
    return Answer(204, [])


HANDLERS: Final = {"POST": _upload, "GET": _download, "HEAD": _describe, "DELETE": _delete}


def _stored(answer: StoredBackup) -> Answer:
    body = msgspec.json.encode(answer)
    headers = [
        (b"etag", etag(Version(answer.version)).encode()),
        _NO_STORE,
        _JSON,
        (b"content-length", b"%d" % len(body)),
    ]
    return Answer(200, headers, body)


def _require_plain(state: RequestState) -> None:
    # A size limit on a compressed body would not limit anything, and ciphertext does not compress.
    coded = _lower(state, b"content-encoding") not in ("", "identity")
    transferred = _lower(state, b"transfer-encoding") not in ("", "chunked")
    multipart = _lower(state, b"content-type").startswith("multipart/")
    if coded or transferred or multipart:
        raise UnsupportedMediaType


def _lower(state: RequestState, header: bytes) -> str:
    return (state.value(header) or "").strip().lower()


def _require_size(declared_size: int, limits: Limits) -> None:
    if declared_size > limits.max_bytes:
        raise BlobTooLarge(max_bytes=limits.max_bytes)
    if 0 <= declared_size < limits.min_bytes:
        raise BlobTooSmall(size=declared_size, min_bytes=limits.min_bytes)
