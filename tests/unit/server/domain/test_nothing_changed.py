"""What the service knows of an upload or a deletion that met a store which is not available."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from contracts import samples
from obscura_backup.adapters.memory import MemoryBlobStore, MemoryMetadataStore
from obscura_backup.adapters.system_clock import SystemClock
from obscura_backup.domain.blob import Blob
from obscura_backup.domain.errors import (
    BlobStoreUnavailable,
    MetadataUnavailable,
    ObscuraError,
    OutcomeUnknown,
    PutRefused,
    SlotBusy,
    Unavailable,
)
from obscura_backup.domain.model import NO_VERSION, Version
from obscura_backup.domain.service import BackupService

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

BLOB = b"x" * 64


class Blobs(MemoryBlobStore):
    """Fails where it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.puts: list[ObscuraError | None] = []
        self.stats: list[ObscuraError | None] = []

    async def put(self, *args: Any, **kwargs: Any) -> Any:
        _strike(self.puts)
        return await super().put(*args, **kwargs)

    async def stat(self, *args: Any, **kwargs: Any) -> Any:
        _strike(self.stats)
        return await super().stat(*args, **kwargs)


class Metadata(MemoryMetadataStore):
    """Fails where it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.entering: list[ObscuraError | None] = []
        self.saving: list[ObscuraError | None] = []

    @asynccontextmanager
    async def locked(  # type: ignore[override]  # a context manager of another class: the port asks for no more
        self, user_id: Any
    ) -> AsyncIterator[Any]:
        _strike(self.entering)
        async with super().locked(user_id) as slot:
            yield _Slot(slot, self.saving)


@dataclass
class _Slot:
    slot: Any
    saving: list[ObscuraError | None]

    @property
    def record(self) -> Any:
        return self.slot.record

    async def save(self, revision: Any) -> None:
        _strike(self.saving)
        await self.slot.save(revision)


def _strike(planned: list[ObscuraError | None]) -> None:
    error = planned.pop(0) if planned else None
    if error is not None:
        raise error


@dataclass
class World:
    blobs: Blobs
    metadata: Metadata
    service: BackupService

    async def refusal(self, expected: Version, body: bytes = BLOB) -> Unavailable:
        blob = Blob.of(body)
        with pytest.raises(Unavailable) as refused:
            await self.service.upload(USER, expected, blob)
        return refused.value


USER = samples.user()


@pytest.fixture
def world() -> World:
    blobs, metadata = Blobs(), Metadata()
    return World(blobs, metadata, BackupService(metadata, blobs, SystemClock()))


@pytest.mark.parametrize("error", [MetadataUnavailable, SlotBusy])
async def test_upload_that_did_not_get_the_lock_changed_nothing(world: World, error: type[Unavailable]) -> None:
    world.metadata.entering = [error()]
    assert (await world.refusal(NO_VERSION)).nothing_changed


async def test_upload_that_the_blob_store_is_known_not_to_have_changed_nothing(world: World) -> None:
    world.blobs.puts = [BlobStoreUnavailable()]
    assert (await world.refusal(NO_VERSION)).nothing_changed


async def test_upload_whose_answer_was_lost_may_have_been_stored(world: World) -> None:
    world.blobs.puts = [OutcomeUnknown()]
    assert not (await world.refusal(NO_VERSION)).nothing_changed


async def test_look_that_fails_after_a_lost_answer_does_not_make_it_known(world: World) -> None:
    world.blobs.puts, world.blobs.stats = [OutcomeUnknown()], [BlobStoreUnavailable()]
    assert not (await world.refusal(NO_VERSION)).nothing_changed


async def test_upload_whose_row_was_not_saved_is_not_said_to_be_missing(world: World) -> None:
    world.metadata.saving = [MetadataUnavailable()]
    assert not (await world.refusal(NO_VERSION)).nothing_changed


async def test_upload_that_had_happened_before_is_not_said_to_be_missing(world: World) -> None:
    """The same bytes again, after an answer that was lost: they are stored, and it is the row that cannot follow."""
    world.metadata.saving = [MetadataUnavailable(), MetadataUnavailable()]
    await world.refusal(NO_VERSION)
    assert not (await world.refusal(NO_VERSION)).nothing_changed


async def test_upload_that_was_refused_and_could_not_look_may_have_been_stored(world: World) -> None:
    """A store may refuse the second copy of a request whose first copy it took."""
    world.blobs.puts, world.blobs.stats = [PutRefused()], [BlobStoreUnavailable()]
    assert not (await world.refusal(NO_VERSION)).nothing_changed


async def test_deletion_that_did_not_get_the_lock_changed_nothing(world: World) -> None:
    world.metadata.entering = [MetadataUnavailable()]
    with pytest.raises(Unavailable) as refused:
        await world.service.delete(USER, Version(1))
    assert refused.value.nothing_changed


async def test_deletion_whose_row_was_not_saved_may_have_happened(world: World) -> None:
    blob = Blob.of(BLOB)
    await world.service.upload(USER, NO_VERSION, blob)
    world.metadata.saving = [MetadataUnavailable()]
    with pytest.raises(Unavailable) as refused:
        await world.service.delete(USER, Version(1))
    assert not refused.value.nothing_changed


def test_what_is_not_known_is_the_default() -> None:
    assert not any(
        kind().nothing_changed for kind in (Unavailable, MetadataUnavailable, BlobStoreUnavailable, SlotBusy)
    )
