"""The metadata store behind a wrapper that makes each call go the way that was drawn for it: see `Strike`."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from obscura_backup.domain.errors import MetadataUnavailable, SlotBusy
from obscura_backup.domain.ports import BackupMetadataStore
from protocol.simulation.faulty_store import FaultyStore, Network
from protocol.simulation.schedule import Call, Fate, current

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from obscura_backup.domain.model import Revision, UserId
    from obscura_backup.domain.ports import LockedSlot


@dataclass(frozen=True, slots=True)
class LateSave:
    """A COMMIT whose caller got no answer. It arrives when the test says so."""

    user_id: UserId
    revision: Revision

    async def arrive(self, metadata: FaultyMetadata) -> None:
        await metadata.save_anew(self.user_id, self.revision)

    def __repr__(self) -> str:
        return f"<COMMIT of version {self.revision.version} for user {self.user_id.int >> 64}>"


class FaultyMetadata(FaultyStore[BackupMetadataStore]):
    """The metadata store of one replica: locks may die; a commit may be lost, late or without an answer."""

    unavailable = MetadataUnavailable

    def __init__(self, inner: BackupMetadataStore, network: Network) -> None:
        super().__init__(inner, network)
        self._held: set[UserId] = set()

    @property
    def holds_no_lock(self) -> bool:
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
        return await self._read(Call.GET, self.inner.get, user_id)

    def scan(self, after: UserId | None = None) -> AsyncIterator[tuple[UserId, Revision]]:
        return self._walk(Call.ROWS, self.inner.scan(after))


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
