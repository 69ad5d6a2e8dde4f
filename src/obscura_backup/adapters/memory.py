"""Both stores in memory, for tests and trials. They keep every promise of their ports except durability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from obscura_backup.adapters.user_locks import UserLocks
from obscura_backup.domain.errors import PutRefused, RangeNotSatisfiable
from obscura_backup.domain.model import ByteRange, Draft, Revision, Tag, UserId

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from obscura_backup.domain.blob import Blob

LOCK_TIMEOUT_SECONDS = 5.0
CHUNK_BYTES = 256 * 1024


class MemoryMetadataStore:
    """Rows in a dictionary."""

    def __init__(self, *, lock_timeout_seconds: float = LOCK_TIMEOUT_SECONDS) -> None:
        self._rows: dict[UserId, Revision] = {}
        self._locks = UserLocks(timeout_seconds=lock_timeout_seconds)

    def locked(self, user_id: UserId) -> _MemorySlot:
        """See `BackupMetadataStore.locked`."""
        return _MemorySlot(self._rows, self._locks, user_id)

    async def get(self, user_id: UserId) -> Revision | None:
        """See `BackupMetadataStore.get`."""
        return self._rows.get(user_id)

    async def scan(self, after: UserId | None = None) -> AsyncIterator[tuple[UserId, Revision]]:
        """See `BackupMetadataStore.scan`."""
        for user_id in _in_order(self._rows, after):
            yield user_id, self._rows[user_id]

    async def start(self) -> None:
        """See `BackupMetadataStore.start`."""

    async def close(self) -> None:
        """See `BackupMetadataStore.close`."""

    async def check(self) -> None:
        """See `BackupMetadataStore.check`."""


class _MemorySlot:
    """Locked inside `async with`."""

    def __init__(self, rows: dict[UserId, Revision], locks: UserLocks, user_id: UserId) -> None:
        self._rows = rows
        self._locks = locks
        self._user_id = user_id
        self.record: Revision | None = None

    async def __aenter__(self) -> Self:
        await self._locks.acquire(self._user_id)
        self.record = self._rows.get(self._user_id)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._locks.release(self._user_id)

    async def save(self, revision: Revision) -> None:
        current = self._rows.get(self._user_id)
        if current is None or current.version <= revision.version:
            self._rows[self._user_id] = revision


@dataclass(frozen=True, slots=True)
class _MemoryBlob:
    revision: Revision
    start: int
    length: int
    data: bytes

    async def chunks(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self.data), CHUNK_BYTES):
            yield self.data[start : start + CHUNK_BYTES]

    async def aclose(self) -> None:
        pass


class MemoryBlobStore:
    """Objects in a dictionary. A conditional write is atomic because it is one step of the event loop."""

    def __init__(self) -> None:
        self._objects: dict[UserId, tuple[Revision, bytes]] = {}

    async def put(self, user_id: UserId, blob: Blob, draft: Draft, *, replaces: Tag | None) -> Revision:
        """See `BlobStore.put`."""
        current = self._objects.get(user_id)
        if (current[0].tag if current else None) != replaces:
            raise PutRefused
        revision = Revision.of(draft, Tag(draft.upload_id))
        self._objects[user_id] = revision, blob.read()
        return revision

    async def open(self, user_id: UserId, byte_range: ByteRange | None = None) -> _MemoryBlob | None:
        """See `BlobStore.open`."""
        current = self._objects.get(user_id)
        if current is None:
            return None
        revision, data = current
        part = byte_range.resolve(revision.size) if byte_range else (0, revision.size)
        if part is None:
            raise RangeNotSatisfiable(size=revision.size)
        start, length = part
        return _MemoryBlob(revision, start, length, data[start : start + length])

    async def stat(self, user_id: UserId) -> Revision | None:
        """See `BlobStore.stat`."""
        current = self._objects.get(user_id)
        return current[0] if current else None

    async def scan(self, after: UserId | None = None) -> AsyncIterator[UserId]:
        """See `BlobStore.scan`."""
        for user_id in _in_order(self._objects, after):
            yield user_id

    async def start(self) -> None:
        """See `BlobStore.start`."""

    async def close(self) -> None:
        """See `BlobStore.close`."""

    async def check(self) -> None:
        """See `BlobStore.check`."""


def _in_order(users: Iterable[UserId], after: UserId | None) -> list[UserId]:
    return sorted((user for user in users if after is None or str(user) > str(after)), key=str)
