"""What devices send to a replica, as the HTTP entrypoint does, and its answers in the words of a history."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from obscura_backup.domain.errors import (
    BackupLost,
    BackupNotFound,
    BlobTooLarge,
    BlobTooSmall,
    DigestMismatch,
    RangeNotSatisfiable,
    SlotBusy,
    Unauthenticated,
    Unavailable,
    VersionMismatch,
)
from obscura_backup.domain.model import ByteRange, Limits, Version
from obscura_backup.domain.scrub import Finding, Scrubber
from obscura_backup.domain.service import BackupService
from obscura_backup.entrypoints.http.limits.spool import SpoolMemory, receive
from protocol.simulation.faulty_blobs import FaultyBlobs
from protocol.simulation.faulty_metadata import FaultyMetadata
from protocol.simulation.record import Violation
from protocol.simulation.schedule import Call, Fate, current
from protocol.simulation.verifiers import FaultyVerifier, JudgedVerifier, JumpingClock
from torture.history import (
    UNKNOWN,
    Answer,
    BeyondEnd,
    Broken,
    Deleted,
    Found,
    Lost,
    Mismatch,
    NeverExisted,
    NotFound,
    Stored,
    TurnedAway,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
    from typing import Any

    from obscura_backup.domain.model import Revision
    from protocol.simulation.faulty_store import Network
    from protocol.simulation.pairs import Pair

LIMITS = Limits(min_bytes=32, max_bytes=64)
CONTENT_BYTES = 40
"""Of every backup that is uploaded."""
MEMORY_BYTES = 100
"""For bodies: two fit, and the third goes to a file."""


class Replica:
    """One process of the service, over a pair of stores that others use, too.

    Args:
        pair: the stores.
        network: between them and the service.
        clock: of the machine.
        random: gives random bytes.
        contents: what devices uploaded, by digest.
    """

    def __init__(
        self,
        pair: Pair,
        network: Network,
        clock: JumpingClock,
        random: Callable[[int], bytes],
        contents: Mapping[str, bytes],
    ) -> None:
        self.metadata = FaultyMetadata(pair.new_metadata(), network)
        self.blobs = FaultyBlobs(pair.new_blobs(), network)
        self.tokens = FaultyVerifier(JudgedVerifier(clock))
        self.clock = clock
        self.contents = contents
        self.memory = SpoolMemory(MEMORY_BYTES)
        self.service = BackupService(self.metadata, self.blobs, clock, random=random)
        self.scrubber = Scrubber(self.metadata, self.blobs, clock, random=random)

    @property
    def holds_nothing(self) -> bool:
        """Whether no lock and no memory is held, as it should be between requests."""
        return self.metadata.holds_no_lock and self.memory._left_bytes == MEMORY_BYTES

    async def start(self) -> None:
        await self.metadata.start()
        await self.blobs.start()

    async def close(self) -> None:
        await self.metadata.close()
        await self.blobs.close()


@dataclass(frozen=True, slots=True)
class Body:
    """What a device sends, and what it says that it sends."""

    content: bytes
    declared_sha256: bytes | None = None

    async def pieces(self) -> AsyncIterator[bytes]:
        operation = current()
        fate = await operation.meets(Call.BODY)
        yield self.content[:20]
        await operation.answered(Call.BODY, fate)
        if fate is Fate.FAILS:
            raise Unavailable  # its client hung up, so there is no answer
        yield self.content[20:]


async def upload(replica: Replica, token: str, expected: Version, body: Body, *, early: bool) -> Answer:
    async def conduct() -> Answer:
        user_id = await replica.tokens.verify(token)
        if early:
            await replica.service.refuse_early(user_id, expected)
        async with receive(body.pieces(), LIMITS, replica.memory, declared_sha256=body.declared_sha256) as blob:
            stored = await replica.service.upload(user_id, expected, blob)
        _require_true(replica, stored, body.content)
        return Stored(stored.version)

    return await _answer(conduct(), absent=Broken("404 to an upload"))


async def delete(replica: Replica, token: str, expected: Version) -> Answer:
    async def conduct() -> Answer:
        await replica.service.delete(await replica.tokens.verify(token), expected)
        return Deleted()

    return await _answer(conduct(), absent=NeverExisted())


async def describe(replica: Replica, token: str) -> Answer:
    async def conduct() -> Answer:
        revision = await replica.service.describe(await replica.tokens.verify(token))
        _require_true(replica, revision, None)
        return Found(revision.version, revision.sha256.hex())

    return await _answer(conduct())


async def download(replica: Replica, token: str, wanted: ByteRange | None) -> Answer:
    async def conduct() -> Answer:
        opened = await replica.service.download(await replica.tokens.verify(token), wanted)
        try:
            content = b"".join([chunk async for chunk in opened.chunks()])
        finally:
            await opened.aclose()
        part = (0, opened.revision.size) if wanted is None else wanted.resolve(opened.revision.size)
        if part != (opened.start, opened.length) or len(content) != opened.length:
            raise Violation(f"{opened.start}+{opened.length} of {opened.revision.size} is not {wanted}")
        _require_true(replica, opened.revision, content if wanted is None else None)
        digest = opened.revision.sha256.hex()
        if content != replica.contents.get(digest, b"")[opened.start : opened.start + opened.length]:
            raise Violation("a part is not that of the bytes")
        return Found(opened.revision.version, digest)

    return await _answer(conduct())


async def scrub(replica: Replica, *, repair: bool) -> list[Finding] | None:
    """The findings of a scan, None where it broke off."""
    found: list[Finding] = []
    try:
        async for progress in replica.scrubber.scan(repair=repair):
            found.extend(progress.findings)
    except Unavailable:
        return None
    return found


def _require_true(replica: Replica, revision: Revision, content: bytes | None) -> None:
    if not revision.is_live:
        raise Violation("a tombstone was handed out")
    if revision.updated_at not in replica.clock.shown:
        raise Violation("a time was told that no clock ever showed")
    if content is not None and (revision.size, revision.sha256) != (len(content), hashlib.sha256(content).digest()):
        raise Violation("the revision is not that of the bytes")


async def _answer(conduct: Coroutine[Any, Any, Answer], absent: Answer = NotFound()) -> Answer:  # noqa: B008  # frozen
    try:
        return await conduct
    except VersionMismatch as error:
        return Mismatch(error.current)
    except BackupNotFound:
        return absent
    except BackupLost as error:
        return Lost(error.version)
    except RangeNotSatisfiable as error:
        return BeyondEnd() if error.size == CONTENT_BYTES else Broken(f"416 with the size {error.size}")
    except (Unauthenticated, BlobTooSmall, BlobTooLarge, DigestMismatch, SlotBusy):
        return TurnedAway()
    except Unavailable:
        return UNKNOWN
