"""Answers that get lost, races that are lost, and a tombstone that gives way: single cases of the slot protocol.

Every order of a few requests and faults is explored in `tests/protocol`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contracts import samples
from obscura_backup.adapters.memory import MemoryBlobStore, MemoryMetadataStore
from obscura_backup.adapters.system_clock import SystemClock
from obscura_backup.domain.errors import BackupNotFound, OutcomeUnknown, PutRefused
from obscura_backup.domain.model import NO_VERSION, ByteRange, Draft, Revision, Tag, UserId
from obscura_backup.domain.service import BackupService
from support.table import table

if TYPE_CHECKING:
    from obscura_backup.domain.blob import Blob
    from obscura_backup.domain.ports import OpenBlob

USER = samples.user(1)


@table("answer", [OutcomeUnknown, PutRefused])
async def test_upload_whose_answer_was_lost_is_known_by_its_id(answer: type[Exception]) -> None:
    """The store has it, and says nothing, or refuses the second copy that a client library sent by itself."""

    class Forgetful(MemoryBlobStore):
        async def put(self, user_id: UserId, blob: Blob, draft: Draft, *, replaces: Tag | None) -> Revision:
            await super().put(user_id, blob, draft, replaces=replaces)
            raise answer

    service = BackupService(MemoryMetadataStore(), Forgetful(), SystemClock())
    first = await service.upload(USER, NO_VERSION, samples.blob("one"))
    second = await service.upload(USER, first.version, samples.blob("two"))
    assert (first.version, second.version) == (1, 2)
    await service.delete(USER, second.version)
    with pytest.raises(BackupNotFound):
        await service.describe(USER)


async def test_range_of_a_backup_that_takes_the_place_of_a_tombstone_meanwhile() -> None:
    """The tombstone is too short for the range, the backup is not: the answer is never the size of a tombstone."""

    class Overtaken(MemoryBlobStore):
        async def open(self, user_id: UserId, byte_range: ByteRange | None = None) -> OpenBlob | None:  # type: ignore[override]  # the port's type will do
            try:
                return await super().open(user_id, byte_range)
            finally:
                if deleted.pop():
                    await service.upload(USER, NO_VERSION, samples.blob("three"))

    deleted = [False, True]
    service = BackupService(MemoryMetadataStore(), Overtaken(), SystemClock())
    first = await service.upload(USER, NO_VERSION, samples.blob("one"))
    await service.delete(USER, first.version)
    opened = await service.download(USER, ByteRange(20, 24))
    assert (opened.revision.version, opened.start, opened.length) == (3, 20, 5)
    await opened.aclose()
