"""The blob store behind a wrapper that makes each call go the way that was drawn for it: see `Strike`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from obscura_backup.domain.blob import Blob
from obscura_backup.domain.errors import BlobStoreUnavailable, OutcomeUnknown, PutRefused
from obscura_backup.domain.ports import BlobStore
from protocol.simulation.faulty_store import FaultyStore
from protocol.simulation.schedule import Call, Fate, current

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from obscura_backup.domain.model import ByteRange, Draft, Revision, Tag, UserId
    from obscura_backup.domain.ports import OpenBlob


@dataclass(frozen=True, slots=True)
class LatePut:
    """A conditional PUT whose caller got no answer. It arrives when the test says so."""

    user_id: UserId
    data: bytes
    draft: Draft
    replaces: Tag | None

    async def arrive(self, blobs: BlobStore) -> Revision:
        blob = Blob.of(self.data)
        return await blobs.put(self.user_id, blob, self.draft, replaces=self.replaces)

    def __repr__(self) -> str:
        return f"<PUT of version {self.draft.version} for user {self.user_id.int >> 64}>"


class FaultyBlobs(FaultyStore[BlobStore]):
    """The blob store of one replica: its PUTs may fail, be applied late or twice, and answer anything."""

    unavailable = BlobStoreUnavailable

    async def put(self, user_id: UserId, blob: Blob, draft: Draft, *, replaces: Tag | None) -> Revision:
        operation = current()
        fate = await operation.meets(Call.PUT)
        match fate:
            case Fate.FAILS:
                raise BlobStoreUnavailable
            case Fate.REFUSED:  # S3 answers 409 to a PUT that met another one, whatever becomes of that
                raise PutRefused
            case Fate.UNKNOWN:
                raise OutcomeUnknown
            case Fate.LATE:
                self._network.puts.append(LatePut(user_id, blob.read(), draft, replaces))
                raise OutcomeUnknown
        async with operation.turn:
            stored = await self.inner.put(user_id, blob, draft, replaces=replaces)
        await operation.answered(Call.PUT, fate)
        if fate is Fate.LOST:
            raise OutcomeUnknown
        if fate is Fate.TWICE:  # a client library sent it again by itself, and reports how the second one fared
            operation.copied = True
            raise PutRefused
        return stored

    async def open(self, user_id: UserId, byte_range: ByteRange | None = None) -> OpenBlob | None:
        operation = current()
        fate = await operation.meets(Call.OPEN)
        if fate is Fate.FAILS:
            raise BlobStoreUnavailable
        async with operation.turn:
            opened = await self.inner.open(user_id, byte_range)
        if fate is Fate.FAILS_AFTER:
            if opened is not None:
                await opened.aclose()
            raise BlobStoreUnavailable
        try:
            await operation.answered(Call.OPEN, fate)
        except BaseException:
            if opened is not None:
                await opened.aclose()
            raise
        if opened is None:
            return None
        operation.open_blobs += 1
        return FaultyBlob(opened)

    async def stat(self, user_id: UserId) -> Revision | None:
        return await self._read(Call.STAT, self.inner.stat, user_id)

    def scan(self, after: UserId | None = None) -> AsyncIterator[UserId]:
        return self._walk(Call.OBJECTS, self.inner.scan(after))


class FaultyBlob:
    """An object whose reading may break off."""

    def __init__(self, inner: OpenBlob) -> None:
        self._inner = inner
        self._open = True
        self.revision = inner.revision
        self.start = inner.start
        self.length = inner.length

    async def chunks(self) -> AsyncIterator[bytes]:
        operation = current()
        fate = await operation.meets(Call.CHUNKS)
        async for chunk in self._inner.chunks():
            half = len(chunk) // 2
            yield chunk[:half]
            await operation.answered(Call.CHUNKS, fate)
            if fate is Fate.FAILS:
                raise BlobStoreUnavailable
            yield chunk[half:]

    async def aclose(self) -> None:
        if self._open:
            self._open = False
            current().open_blobs -= 1
        await self._inner.aclose()
