"""Bugs in the service and in what it takes from its ports: the order of things, and what is believed."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from obscura_backup.domain import rules
from obscura_backup.domain.errors import (
    BackupLost,
    BackupNotFound,
    MetadataUnavailable,
    OutcomeUnknown,
    PutRefused,
    VersionMismatch,
)
from obscura_backup.domain.model import NO_VERSION, Kind, Revision, Tag, UploadId, UserId, Version
from obscura_backup.domain.rules import Deletion, Put, Upload
from obscura_backup.domain.service import BackupService

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest

    from obscura_backup.domain.blob import Blob
    from obscura_backup.domain.model import ByteRange, Draft
    from obscura_backup.domain.ports import LockedSlot, OpenBlob


class AnyTag(str):
    """A condition that always holds, also where there is no object: equal to every tag and to None."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    def __hash__(self) -> int:
        return 0


UNCONDITIONAL = Tag(AnyTag("whatever is there"))


@dataclass(slots=True)
class Around:
    """A port, or a locked slot, with what a mutant does to it laid over; the rest is handed through."""

    inner: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def _over_blobs(patch: pytest.MonkeyPatch, around: type[Around]) -> None:
    original = BackupService.__init__

    def init(self: BackupService, metadata: Any, blobs: Any, clock: Any, **rest: Any) -> None:
        original(self, metadata, around(blobs), clock, **rest)

    patch.setattr(BackupService, "__init__", init)


def unconditional_put(patch: pytest.MonkeyPatch) -> None:
    class Blind(Around):
        async def put(self, user_id: UserId, blob: Blob, draft: Draft, *, replaces: Tag | None) -> Revision:
            stored: Revision = await self.inner.put(user_id, blob, draft, replaces=UNCONDITIONAL)
            return stored

    _over_blobs(patch, Blind)


def retry_answered_by_the_row(patch: pytest.MonkeyPatch) -> None:
    original = BackupService._apply

    async def apply(self: BackupService, user_id: UserId, request: Upload | Deletion, blob: Blob) -> Revision | None:
        if isinstance(request, Upload):
            row = await self._metadata.get(user_id)
            same = row is not None and row.is_live and row.sha256 == request.sha256
            if row is not None and same and request.expected in (row.version, row.base):
                return row
        return await original(self, user_id, request, blob)

    patch.setattr(BackupService, "_apply", apply)


def early_refusal_by_the_row(patch: pytest.MonkeyPatch) -> None:
    async def refuse_early(self: BackupService, user_id: UserId, expected: Version) -> None:
        row = await self._metadata.get(user_id)
        current = rules.certain_conflict(row, row, expected)
        if current is not None:
            raise VersionMismatch(expected=expected, current=current)

    patch.setattr(BackupService, "refuse_early", refuse_early)


def row_before_object(patch: pytest.MonkeyPatch) -> None:
    slow_path = BackupService._slow_path

    async def apply(self: BackupService, user_id: UserId, request: Upload | Deletion, blob: Blob) -> Revision | None:
        async with self._metadata.locked(user_id) as slot:
            attempts = _attempts()
            put = rules.decide(slot.record, request)
            if put is not None:
                name = UploadId(self._random(16).hex())
                kind = Kind.LIVE if isinstance(request, Upload) else Kind.TOMBSTONE
                tag = Tag("not known before the PUT")
                await slot.save(
                    Revision(put.version, request.expected, kind, blob.sha256, blob.size, name, self._clock.now(), tag)
                )
                stored = await self._put(user_id, request, blob, put, attempts)
                if stored is not None:
                    return stored
            return await slow_path(self, user_id, request, blob, slot, attempts)

    patch.setattr(BackupService, "_apply", apply)


def _attempts() -> Any:
    from obscura_backup.domain import service  # noqa: PLC0415  # its own class, private to it

    return service._Attempts()


def version_of_a_download_from_the_row(patch: pytest.MonkeyPatch) -> None:
    download, describe = BackupService.download, BackupService.describe

    async def named(self: BackupService, user_id: UserId, found: Revision) -> Revision:
        row = await self._metadata.get(user_id)
        return replace(found, version=row.version if row else found.version)

    async def download_by_row(self: BackupService, user_id: UserId, byte_range: ByteRange | None = None) -> OpenBlob:
        class Relabelled(Around):
            @property
            def revision(self) -> Revision:
                return label

        opened = await download(self, user_id, byte_range)
        label = await named(self, user_id, opened.revision)
        relabelled: OpenBlob = Relabelled(opened)
        return relabelled

    async def describe_by_row(self: BackupService, user_id: UserId) -> Revision:
        return await named(self, user_id, await describe(self, user_id))

    patch.setattr(BackupService, "download", download_by_row)
    patch.setattr(BackupService, "describe", describe_by_row)


def acknowledged_before_commit(patch: pytest.MonkeyPatch) -> None:
    class Hasty(Around):
        async def save(self, revision: Revision) -> None:
            with suppress(MetadataUnavailable):
                await self.inner.save(revision)

    class HastyStore(Around):
        @asynccontextmanager
        async def locked(self, user_id: UserId) -> AsyncIterator[LockedSlot]:
            async with self.inner.locked(user_id) as slot:
                yield Hasty(slot)

    original = BackupService.__init__

    def init(self: BackupService, metadata: Any, blobs: Any, clock: Any, **rest: Any) -> None:
        original(self, HastyStore(metadata), blobs, clock, **rest)

    patch.setattr(BackupService, "__init__", init)


def lost_blob_is_a_404(patch: pytest.MonkeyPatch) -> None:
    download, describe = BackupService.download, BackupService.describe

    async def download_or_404(self: BackupService, user_id: UserId, byte_range: ByteRange | None = None) -> OpenBlob:
        try:
            return await download(self, user_id, byte_range)
        except BackupLost as error:
            raise BackupNotFound from error

    async def describe_or_404(self: BackupService, user_id: UserId) -> Revision:
        try:
            return await describe(self, user_id)
        except BackupLost as error:
            raise BackupNotFound from error

    patch.setattr(BackupService, "download", download_or_404)
    patch.setattr(BackupService, "describe", describe_or_404)


def no_second_look(patch: pytest.MonkeyPatch) -> None:
    original = BackupService._require_loss

    async def require_loss(self: BackupService, user_id: UserId, found: Revision | None) -> Revision:
        row = await original(self, user_id, found)
        raise BackupLost(version=row.version)

    patch.setattr(BackupService, "_require_loss", require_loss)


def tombstone_believed(patch: pytest.MonkeyPatch) -> None:
    original = BackupService._require_loss

    async def require_loss(self: BackupService, user_id: UserId, found: Revision | None) -> Revision:
        if found is not None:
            raise BackupNotFound
        return await original(self, user_id, found)

    patch.setattr(BackupService, "_require_loss", require_loss)


def silence_is_a_404(patch: pytest.MonkeyPatch) -> None:
    original = BackupService._require_loss

    async def require_loss(self: BackupService, user_id: UserId, found: Revision | None) -> Revision:
        try:
            return await original(self, user_id, found)
        except MetadataUnavailable as error:
            raise BackupNotFound from error

    patch.setattr(BackupService, "_require_loss", require_loss)


def unknown_is_stored(patch: pytest.MonkeyPatch) -> None:
    class Trusting(Around):
        async def put(self, user_id: UserId, blob: Blob, draft: Draft, *, replaces: Tag | None) -> Revision:
            try:
                stored: Revision = await self.inner.put(user_id, blob, draft, replaces=replaces)
            except OutcomeUnknown:
                return Revision.of(draft, Tag("not known"))
            return stored

    _over_blobs(patch, Trusting)


def unknown_is_refused(patch: pytest.MonkeyPatch) -> None:
    class Doubting(Around):
        async def put(self, user_id: UserId, blob: Blob, draft: Draft, *, replaces: Tag | None) -> Revision:
            try:
                stored: Revision = await self.inner.put(user_id, blob, draft, replaces=replaces)
            except OutcomeUnknown as error:
                raise PutRefused from error
            return stored

    _over_blobs(patch, Doubting)


def refusal_is_a_conflict(patch: pytest.MonkeyPatch) -> None:
    original = BackupService._put

    async def put(
        self: BackupService, user_id: UserId, request: Upload | Deletion, blob: Blob, put: Put, attempts: Any
    ) -> Revision | None:
        stored = await original(self, user_id, request, blob, put, attempts)
        if stored is None:
            found = await self._blobs.stat(user_id)
            raise VersionMismatch(expected=request.expected, current=found.version if found else NO_VERSION)
        return stored

    patch.setattr(BackupService, "_put", put)


def own_put_forgotten(patch: pytest.MonkeyPatch) -> None:
    original = BackupService._new_upload_id

    def new_upload_id(self: BackupService, attempts: Any) -> UploadId:
        upload_id = original(self, attempts)
        attempts.upload_ids.clear()
        return upload_id

    patch.setattr(BackupService, "_new_upload_id", new_upload_id)
