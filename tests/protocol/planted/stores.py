"""Bugs in what the two stores make of a write."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from obscura_backup.adapters import memory
from obscura_backup.domain.model import Revision, Tag, UserId
from protocol.explorer import stores

if TYPE_CHECKING:
    import pytest

    from obscura_backup.domain.blob import Blob
    from obscura_backup.domain.model import Draft


def physical_delete(patch: pytest.MonkeyPatch) -> None:
    original = memory.MemoryBlobStore.put

    async def put(
        self: memory.MemoryBlobStore, user_id: UserId, blob: Blob, draft: Draft, *, replaces: Tag | None
    ) -> Revision:
        stored = await original(self, user_id, blob, draft, replaces=replaces)
        if not stored.is_live:
            del self._objects[user_id]
        return stored

    def object_after(stored: Revision) -> Revision | None:
        return stored if stored.is_live else None

    patch.setattr(memory.MemoryBlobStore, "put", put)
    patch.setattr(stores, "object_after", object_after)


def row_goes_back(patch: pytest.MonkeyPatch) -> None:
    async def save(self: memory._MemorySlot, revision: Revision) -> None:
        self._rows[self._user_id] = revision

    def row_after(held: Revision | None, saved: Revision) -> Revision:
        return saved

    patch.setattr(memory._MemorySlot, "save", save)
    patch.setattr(stores, "row_after", row_after)


def tags_from_bytes(patch: pytest.MonkeyPatch) -> None:
    original = memory.MemoryBlobStore.put

    def tag_of(draft: Draft) -> Tag:
        return Tag(draft.sha256.hex())

    async def put(
        self: memory.MemoryBlobStore, user_id: UserId, blob: Blob, draft: Draft, *, replaces: Tag | None
    ) -> Revision:
        stored = replace(await original(self, user_id, blob, draft, replaces=replaces), tag=tag_of(draft))
        self._objects[user_id] = stored, blob.read()
        return stored

    patch.setattr(memory.MemoryBlobStore, "put", put)
    patch.setattr(stores, "tag_of", tag_of)
