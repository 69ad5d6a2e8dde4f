"""The service's own coroutines, suspended wherever they call a port, and resumed with its answer.

A call is deterministic but for what its ports answer: its clock stands still, and its random bytes follow from its
name. So the list of answers that it got is all there is to know about where it stands.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeAlias

from contracts import samples
from obscura_backup.domain.errors import (
    BackupLost,
    BackupNotFound,
    MetadataUnavailable,
    ObscuraError,
    OutcomeUnknown,
    PutRefused,
    Unavailable,
    VersionMismatch,
)
from obscura_backup.domain.model import NO_VERSION, Revision, UserId, Version
from obscura_backup.domain.reap import Reaper
from obscura_backup.domain.scrub import Scrubber
from obscura_backup.domain.service import BackupService
from protocol.explorer import stores

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Sequence
    from datetime import datetime

    from obscura_backup.domain.blob import Blob
    from obscura_backup.domain.model import ByteRange, Draft, Tag

USER = samples.user(1)


class Wants(IntEnum):
    """What a call waits for."""

    NOTHING = 0
    ROW = 1
    LOOK = 2
    PUT = 3
    SAVE = 4


class Reply(IntEnum):
    """How a write fared, as far as its caller is told."""

    DONE = 1
    REFUSED = 2
    UNKNOWN = 3


Answer: TypeAlias = "Revision | Reply | None"


@dataclass(frozen=True, slots=True)
class Ask:
    """One question to a port."""

    wants: Wants
    revision: Revision | None = None
    replaces: Tag | None = None

    def __await__(self) -> Generator[Ask, Answer, Any]:
        return (yield self)


class Said(Enum):
    """What a client is told in the end."""

    STORED = "stored"
    DELETED = "deleted"
    READ = "read"
    NOT_FOUND = "404"
    LOST = "backup-lost"
    CONFLICT = "409"
    UNAVAILABLE = "503"
    FAILED = "500"
    SCRUBBED = "scrubbed"
    REAPED = "reaped"


class Ending(NamedTuple):
    """The end of a call."""

    said: Said
    revision: Revision | None = None
    version: Version = NO_VERSION


class _Slot:
    def __init__(self) -> None:
        self.record: Revision | None = None

    async def __aenter__(self) -> Self:
        self.record = await _row()
        return self

    async def __aexit__(self, *error: object) -> None:
        """Release a lock, which excludes no request here."""

    async def save(self, revision: Revision) -> None:
        if await Ask(Wants.SAVE, revision) is not Reply.DONE:
            raise MetadataUnavailable


class _Rows:
    """A metadata store whose lock excludes no request: each fault of a lock is among what happens without one."""

    def locked(self, user_id: UserId) -> _Slot:
        return _Slot()

    async def get(self, user_id: UserId) -> Revision | None:
        return await _row()


async def _row() -> Revision | None:
    row: Revision | Reply | None = await Ask(Wants.ROW)
    if isinstance(row, Reply):
        raise MetadataUnavailable
    return row


@dataclass(frozen=True, slots=True)
class _Opened:
    revision: Revision

    async def aclose(self) -> None:
        pass


class _Blobs:
    async def put(self, user_id: UserId, blob: Blob, draft: Draft, *, replaces: Tag | None) -> Revision:
        revision = Revision.of(draft, stores.tag_of(draft))
        reply = await Ask(Wants.PUT, revision, replaces)
        if reply is Reply.DONE:
            return revision
        raise PutRefused if reply is Reply.REFUSED else OutcomeUnknown

    async def open(self, user_id: UserId, byte_range: ByteRange | None = None) -> _Opened | None:
        found = await self.stat(user_id)
        return _Opened(found) if found else None

    async def stat(self, user_id: UserId) -> Revision | None:
        found: Revision | None = await Ask(Wants.LOOK)
        return found


LONG_AGO = samples.MOMENT - timedelta(days=500)
INACTIVE_SINCE = samples.MOMENT - timedelta(days=400)
REAPED_AT = samples.MOMENT + timedelta(seconds=1)
"""The reaper's clock, by which its deletions are told from those of clients."""


@dataclass(frozen=True, slots=True)
class _Clock:
    moment: datetime

    def now(self) -> datetime:
        return self.moment


class Parts(NamedTuple):
    """What a service, or a scrubber, is made of: ports that ask the driver of the coroutine, and repeatable chance."""

    metadata: Any
    blobs: Any
    clock: Any
    random: Callable[[int], bytes]

    def service(self) -> BackupService:
        return BackupService(*self[:3], random=self.random)


def parts_named(name: object, moment: datetime = samples.MOMENT) -> Parts:
    """The parts for one call, whose random bytes follow from its name, and whose clock stands still."""
    drawn = 0

    def random(size: int) -> bytes:
        nonlocal drawn
        drawn += 1
        return hashlib.sha256(f"{name}/{drawn}".encode()).digest()[:size]

    return Parts(_Rows(), _Blobs(), _Clock(moment), random)


def digest(text: str) -> bytes:
    """Of the blob that an upload of `text` sends."""
    return samples.blob(text).sha256


async def upload(service: BackupService, expected: Version, text: str, *, early: bool) -> Ending:
    """An upload as the HTTP entrypoint makes it; `early`: of a body that is long enough to be refused beforehand."""
    if early:
        await service.refuse_early(USER, expected)
    blob = samples.blob(text)
    return Ending(Said.STORED, await service.upload(USER, expected, blob))


async def delete(service: BackupService, expected: Version) -> Ending:
    await service.delete(USER, expected)
    return Ending(Said.DELETED)


async def read(service: BackupService) -> Ending:
    opened = await service.download(USER)
    return Ending(Said.READ, opened.revision)


async def head(service: BackupService) -> Ending:
    return Ending(Said.READ, await service.describe(USER))


async def scrub(parts: Parts) -> Ending:
    """What `scrub --repair` does about one slot; whatever row it began with, it looks again under the lock."""
    await Scrubber(*parts[:3], random=parts.random)._examine(USER, None, repair=True)
    return Ending(Said.SCRUBBED)


async def reap(parts: Parts) -> Ending:
    """What `reap --yes` does about one slot; whatever row it came from, the object is looked at."""
    await Reaper(parts.metadata, parts.blobs, parts.service()).examine(USER, None, INACTIVE_SINCE, delete=True)
    return Ending(Said.REAPED)


def resume(call: Coroutine[Any, Answer, Ending], answers: Sequence[Answer]) -> Ask | Ending:
    """Run a fresh call through the answers that it got: what it asks next, or how it ended."""
    try:
        asked: Ask = call.send(None)
        for answer in answers:
            asked = call.send(answer)
    except (StopIteration, ObscuraError, AssertionError) as end:
        return _ending(end)
    call.close()
    return asked


def drive(call: Coroutine[Any, Answer, Ending], answer_to: Callable[[Ask], Answer]) -> Ending:
    """Run a fresh call to its end, answering at once."""
    try:
        asked: Ask = call.send(None)
        while True:
            asked = call.send(answer_to(asked))
    except (StopIteration, ObscuraError, AssertionError) as end:
        return _ending(end)


def _ending(end: StopIteration | ObscuraError | AssertionError) -> Ending:
    match end:
        case StopIteration(value=ending):
            assert isinstance(ending, Ending)
            return ending
        case VersionMismatch():
            return Ending(Said.CONFLICT, version=end.current)
        case BackupNotFound():
            return Ending(Said.NOT_FOUND)
        case BackupLost():
            return Ending(Said.LOST, version=end.version)
        case Unavailable():
            return Ending(Said.UNAVAILABLE)
        case _:
            return Ending(Said.FAILED)
