"""`/v1/backup`: the one resource that a user has."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime  # noqa: TC003  # msgspec reads the annotation at run time
from typing import Any

import msgspec
from litestar import Controller, Request, Response, delete, get, head, post
from litestar.datastructures import Headers  # noqa: TC002  # as below

from obscura_backup.domain.errors import BlobTooLarge, BlobTooSmall
from obscura_backup.domain.model import NO_VERSION, Limits, UserId
from obscura_backup.domain.service import BackupService  # noqa: TC001  # Litestar reads the annotation at run time
from obscura_backup.domain.spool import SpoolMemory, receive
from obscura_backup.entrypoints.http.limits.transfers import ConcurrencyLimit, read_body
from obscura_backup.entrypoints.http.messages import openapi
from obscura_backup.entrypoints.http.messages.errors import PreconditionRequired, UnsupportedMediaType
from obscura_backup.entrypoints.http.messages.headers import (
    byte_range,
    declared_sha256,
    etag,
    expected_version,
    none_match,
    range_applies,
)
from obscura_backup.entrypoints.http.messages.problems import begin_change
from obscura_backup.entrypoints.http.routes.blob_response import BlobResponse, description, not_modified

AuthenticatedRequest = Request[UserId, None, Any]

EARLY_CHECK_BYTES = 64 * 1024
"""From this size on a body is worth a question to the metadata store before it is read."""


class StoredBackup(msgspec.Struct, frozen=True):
    """What an upload is answered with.

    Attributes:
        version: of the backup now, to be sent in the next If-Match.
        size: in bytes.
        sha256: of its bytes, 64 hexadecimal digits.
        updated_at: when it was accepted.
    """

    version: int
    size: int
    sha256: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class TransferDependencies:
    """What a body needs, in or out, as one dependency: the framework resolves several side by side, in a task each."""

    service: BackupService
    limits: Limits
    uploads: ConcurrencyLimit
    downloads: ConcurrencyLimit
    memory: SpoolMemory


class BackupController(Controller):
    """Upload, download, describe and delete."""

    path = "/v1/backup"
    tags = ("backup",)

    @post(
        operation_class=openapi.UploadOperation,
        status_code=200,
        responses=openapi.problems(400, 401, 408, 409, 413, 415, 429, 503),
        request_max_body_size=None,  # ours is stricter, and says so in a problem document
    )
    async def upload(self, request: AuthenticatedRequest, transfers: TransferDependencies) -> Response[StoredBackup]:
        """Store the body as the version that follows the one in If-Match.

        The same body may be sent again after a lost answer: it is stored once.
        """
        headers = request.headers
        _require_plain(headers)
        expected = expected_version(headers.getall("if-match", []), headers.getall("if-none-match", [])) or NO_VERSION
        sha256 = declared_sha256(headers.getall("content-digest", []))
        declared_size = int(headers.get("content-length", -1))
        _require_size(declared_size, transfers.limits)
        with transfers.uploads.admit(request.user):
            # A body that is on its way already, and short, is read sooner than the question is answered.
            if not 0 <= declared_size < EARLY_CHECK_BYTES or "expect" in headers:
                await transfers.service.refuse_early(request.user, expected)
            body = read_body(request.receive)
            with await receive(body, transfers.limits, transfers.memory, declared_sha256=sha256) as blob:
                begin_change(request.scope)
                stored = await transfers.service.upload(request.user, expected, blob)
        answer = StoredBackup(stored.version, stored.size, stored.sha256.hex(), stored.updated_at)
        return Response(answer, headers={"ETag": etag(stored.version), "Cache-Control": "no-store"})

    @get(
        operation_class=openapi.DownloadOperation,
        media_type="application/octet-stream",
        responses=openapi.problems(401, 404, 416, 429, 500, 503) | openapi.without_body(206, 304),
    )
    async def download(self, request: AuthenticatedRequest, transfers: TransferDependencies) -> Response[bytes]:
        """Hand out the backup, whole or in part."""
        service = transfers.service
        headers = request.headers
        known = headers.getall("if-none-match", [])
        wanted = byte_range(headers.get("range"))
        if wanted is not None and ("if-range" in headers or known):
            # Which bytes to read hangs on the version, so that it has to be known first.
            revision = await service.describe(request.user)
            if known and none_match(known, revision.version):
                return not_modified(revision)
            if not range_applies(headers.get("if-range"), revision):
                wanted = None
        async with AsyncExitStack() as held:
            held.enter_context(transfers.downloads.admit(request.user))
            blob = await service.download(request.user, wanted)
            held.push_async_callback(blob.aclose)
            if known and none_match(known, blob.revision.version):
                return not_modified(blob.revision)
            return BlobResponse(blob, partial=wanted is not None, held=held.pop_all())

    @head(
        operation_class=openapi.DescribeOperation,
        responses=openapi.problems(401, 404, 429, 500, 503) | openapi.without_body(304),
    )
    async def describe(self, request: AuthenticatedRequest, service: BackupService) -> Response[None]:
        """Tell what a download would hand out."""
        revision = await service.describe(request.user)
        known = request.headers.getall("if-none-match", [])
        if known and none_match(known, revision.version):
            return not_modified(revision)
        return description(revision)

    @delete(
        operation_class=openapi.DeleteOperation,
        status_code=204,
        responses=openapi.problems(400, 401, 404, 409, 428, 429, 503),
    )
    async def delete(self, request: AuthenticatedRequest, service: BackupService) -> None:
        """Delete the version in If-Match. To delete what is deleted already is a success."""
        expected = expected_version(request.headers.getall("if-match", []), [])
        if expected is None:
            raise PreconditionRequired
        begin_change(request.scope)
        await service.delete(request.user, expected)


def _require_plain(headers: Headers) -> None:
    # A size limit on a compressed body would be no limit, and ciphertext does not compress.
    coded = headers.get("content-encoding", "").strip().lower() not in ("", "identity")
    transferred = headers.get("transfer-encoding", "").strip().lower() not in ("", "chunked")
    multipart = headers.get("content-type", "").strip().lower().startswith("multipart/")
    if coded or transferred or multipart:
        raise UnsupportedMediaType


def _require_size(declared_size: int, limits: Limits) -> None:
    if declared_size > limits.max_bytes:
        raise BlobTooLarge(max_bytes=limits.max_bytes)
    if 0 <= declared_size < limits.min_bytes:
        raise BlobTooSmall(size=declared_size, min_bytes=limits.min_bytes)
