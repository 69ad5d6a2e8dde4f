"""What the faulty wrappers of both stores share: each call goes the way that was drawn for it (see `Strike`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from obscura_backup.domain.ports import BackupMetadataStore, BlobStore
from protocol.simulation.schedule import Call, Fate, current

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from obscura_backup.domain.errors import Unavailable
    from obscura_backup.domain.model import UserId
    from protocol.simulation.faulty_blobs import LatePut
    from protocol.simulation.faulty_metadata import LateSave

Store = TypeVar("Store", BackupMetadataStore, BlobStore)
T = TypeVar("T")


@dataclass(slots=True)
class Network:
    """The writes on their way from the replicas to the stores."""

    puts: list[LatePut] = field(default_factory=list)
    saves: list[LateSave] = field(default_factory=list)


class FaultyStore(Generic[Store]):
    """A store as one replica sees it.

    Args:
        inner: the real store.
        network: takes the writes that arrive late.
    """

    unavailable: ClassVar[type[Unavailable]]
    """The error of a call that fails."""

    def __init__(self, inner: Store, network: Network) -> None:
        self.inner: Store = inner
        self._network = network

    async def start(self) -> None:
        await self.inner.start()

    async def close(self) -> None:
        await self.inner.close()

    async def check(self) -> None:
        await self.inner.check()

    async def _read(self, call: Call, read: Callable[[UserId], Awaitable[T]], user_id: UserId) -> T:
        operation = current()
        fate = await operation.meets(call)
        if fate in (Fate.FAILS, Fate.FAILS_AFTER):
            raise self.unavailable
        async with operation.turn:
            found = await read(user_id)
        await operation.answered(call, fate)
        return found

    async def _walk(self, call: Call, entries: AsyncIterator[T]) -> AsyncIterator[T]:
        operation = current()
        fate = await operation.meets(call)
        if fate is Fate.FAILS:
            raise self.unavailable
        async for entry in entries:
            await operation.answered(call, fate)
            yield entry
            if fate is Fate.FAILS_AFTER:
                raise self.unavailable
