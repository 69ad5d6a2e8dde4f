"""The ports but the blob store, each behind a wrapper that does to a call what was drawn for it: see `Strike`."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from obscura_backup.domain.blob import Blob
from obscura_backup.domain.errors import (
    MetadataUnavailable,
    SlotBusy,
    Unavailable,
)
from protocol.schedule import Call, Fate, current

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from obscura_backup.domain.model import Draft, Revision, Tag, UserId
    from obscura_backup.domain.ports import BackupMetadataStore, BlobStore, LockedSlot, TokenVerifier

FAILURES = (Fate.FAILS, Fate.FAILS_AFTER)


@dataclass(frozen=True, slots=True)
class LatePut:
    """A conditional PUT whose caller was told nothing, and which arrives when the test says so."""

    user_id: UserId
    data: bytes
    draft: Draft
    replaces: Tag | None

    async def arrive(self, blobs: BlobStore) -> Revision:
        blob = Blob.of(self.data)
        return await blobs.put(self.user_id, blob, self.draft, replaces=self.replaces)

    def __repr__(self) -> str:
        return f"<PUT of version {self.draft.version} for user {self.user_id.int >> 64}>"


@dataclass(frozen=True, slots=True)
class LateSave:
    """A COMMIT of that kind."""

    user_id: UserId
    revision: Revision

    async def arrive(self, metadata: FaultyMetadata) -> None:
        await metadata.save_anew(self.user_id, self.revision)

    def __repr__(self) -> str:
        return f"<COMMIT of version {self.revision.version} for user {self.user_id.int >> 64}>"


@dataclass(slots=True)
class Network:
    """What is under way between the replicas and the stores."""

    puts: list[LatePut] = field(default_factory=list)
    saves: list[LateSave] = field(default_factory=list)


class FaultyMetadata:
    """The metadata store of one replica: its locks may die, its commits may be lost, late or not told of."""

    def __init__(self, inner: BackupMetadataStore, network: Network) -> None:
        self.inner = inner
        self._network = network
        self._held: set[UserId] = set()

    async def start(self) -> None:
        await self.inner.start()

    async def close(self) -> None:
        await self.inner.close()

    async def check(self) -> None:
        await self.inner.check()

    @property
    def lets_everybody_in(self) -> bool:
        """Whether no lock is held."""
        return not self._held

    @asynccontextmanager
    async def locked(self, user_id: UserId) -> AsyncIterator[LockedSlot]:
        operation = current()
        while True:
            fate = await operation.meets(Call.LOCK)
            if fate is Fate.FAILS:
                raise MetadataUnavailable
            if fate is Fate.BUSY:
                raise SlotBusy
            if fate is Fate.DEAD or user_id not in self._held:
                break
            await operation.stop("for a lock that is held")
        if fate is Fate.DEAD:
            # The connection that holds the lock dies without the caller's knowledge: the next caller gets the lock.
            yield FaultySlot(self, user_id, await self.inner.get(user_id), None, self._network)
            return
        self._held.add(user_id)
        try:
            async with self.inner.locked(user_id) as slot:
                await operation.answered(Call.LOCK, fate)
                if fate is Fate.FAILS_AFTER:
                    raise MetadataUnavailable
                yield FaultySlot(self, user_id, slot.record, slot, self._network)
        finally:
            self._held.remove(user_id)

    async def save_anew(self, user_id: UserId, revision: Revision) -> None:
        """Commit a row by a lock of its own.

        Raises:
            MetadataUnavailable: another request holds it.
        """
        if user_id in self._held:
            raise MetadataUnavailable
        self._held.add(user_id)
        try:
            async with self.inner.locked(user_id) as slot:
                await slot.save(revision)
        finally:
            self._held.remove(user_id)

    async def get(self, user_id: UserId) -> Revision | None:
        operation = current()
        fate = await operation.meets(Call.GET)
        if fate in FAILURES:
            raise MetadataUnavailable
        async with operation.turn:
            row = await self.inner.get(user_id)
        await operation.answered(Call.GET, fate)
        return row

    async def scan(self, after: UserId | None = None) -> AsyncIterator[tuple[UserId, Revision]]:
        operation = current()
        fate = await operation.meets(Call.ROWS)
        if fate is Fate.FAILS:
            raise MetadataUnavailable
        async for entry in self.inner.scan(after):
            await operation.answered(Call.ROWS, fate)
            yield entry
            if fate is Fate.FAILS_AFTER:
                raise MetadataUnavailable


@dataclass(slots=True)
class FaultySlot:
    """A row whose lock is held, or (`slot` None) seems to be."""

    store: FaultyMetadata
    user_id: UserId
    record: Revision | None
    slot: LockedSlot | None
    network: Network

    async def save(self, revision: Revision) -> None:
        operation = current()
        fate = await operation.meets(Call.SAVE)
        if fate is Fate.FAILS:
            raise MetadataUnavailable
        if fate in (Fate.LATE, Fate.TWICE):
            self.network.saves.append(LateSave(self.user_id, revision))
        if fate is Fate.LATE:
            raise MetadataUnavailable
        async with operation.turn:
            if self.slot is None:
                await self.store.save_anew(self.user_id, revision)
            else:
                await self.slot.save(revision)
        await operation.answered(Call.SAVE, fate)
        if fate is Fate.LOST:
            raise MetadataUnavailable


class FaultyVerifier:
    """The place where its keys are kept may not answer."""

    def __init__(self, inner: TokenVerifier) -> None:
        self._inner = inner

    async def verify(self, token: str) -> UserId:
        operation = current()
        fate = await operation.meets(Call.VERIFY)
        if fate is Fate.FAILS:
            raise Unavailable
        user_id = await self._inner.verify(token)
        await operation.answered(Call.VERIFY, fate)
        return user_id

    async def recognise(self, token: str) -> UserId | None:
        return await self._inner.recognise(token)


class JumpingClock:
    """A clock that runs a second a look, and jumps when it is told to.

    Attributes:
        moment: the time now.
        shown: every time that it ever told.
    """

    def __init__(self) -> None:
        self.moment = datetime(2026, 3, 14, 15, 9, 26, 535897, tzinfo=UTC)
        self.shown: set[datetime] = set()

    def now(self) -> datetime:
        self.moment += timedelta(seconds=1)
        self.shown.add(self.moment)
        return self.moment

    def jump(self, seconds: int) -> None:
        self.moment += timedelta(seconds=seconds)
