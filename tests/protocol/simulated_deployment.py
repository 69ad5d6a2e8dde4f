"""Two replicas, two users with three devices, and what holds of them after each event, whatever it was."""

from __future__ import annotations

import hashlib
import itertools
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from contracts import samples
from obscura_backup.adapters.tokens.issuer import issue_token
from obscura_backup.domain.errors import MetadataUnavailable, PutRefused
from obscura_backup.domain.model import NO_VERSION, UserId, Version
from protocol import requests
from protocol.answers import Answer, Deleted, Lost, NotDone, Nothing, Read, Refused, Shown, Stored, Unknown, Write
from protocol.faults import JumpingClock, Network
from protocol.register import Held, Register, Violation
from protocol.requests import SECRET, Body, Replica
from protocol.schedule import Operation, Schedule, Strike

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from obscura_backup.domain.model import Revision
    from obscura_backup.domain.scrub import Finding
    from protocol.pairs import Pair

T = TypeVar("T")

REPLICAS = 2
COPIES = 4


@dataclass(slots=True)
class Device:
    """A phone, what it believes of the slot, and what it sent last."""

    name: str
    user_id: UserId
    token: str = ""
    known: Version = NO_VERSION
    last: Write | None = None

    def __repr__(self) -> str:
        return self.name


@dataclass(slots=True)
class UnderWay:
    """An operation and who waits for it (`asked` None: an operator's walk)."""

    operation: Operation
    replica: int
    asked: Write | Read | None
    device: Device | None

    def __repr__(self) -> str:
        return self.operation.label


@dataclass(frozen=True, slots=True)
class Copy:
    """Both stores at one moment."""

    rows: Any
    objects: Any


class SimulatedDeployment:
    """The run. Every method runs until nothing moves any more."""

    def __init__(self, pair: Pair, told: Callable[[str], None]) -> None:
        self.told = told
        self.pair = pair
        self.schedule = Schedule()
        self.network = Network()
        self.clock = JumpingClock()
        self.under_way: list[UnderWay] = []
        self.devices = [
            Device("phone", samples.user(1)),
            Device("tablet", samples.user(1)),
            Device("other's phone", samples.user(2)),
        ]
        self.registers = {device.user_id: Register() for device in self.devices}
        self._ahead = dict.fromkeys(self.registers, 0)
        self.newest = dict.fromkeys(self.registers, (0, 0))
        self._numbers = itertools.count(1)
        self._draws = itertools.count(1)
        self.replicas: list[Replica] = []
        for number in range(REPLICAS):
            self._start_replica(number)
        self.copies = [Copy(pair.copy_rows(), pair.copy_objects())]
        self._before_deletion = self.copies[0]
        self._deleted: set[UserId] = set()

    def _start_replica(self, number: int) -> None:
        replica = Replica(self.pair, self.network, self.clock, self._random)
        self.schedule.run(replica.start())
        self.replicas[number : number + 1] = [replica]

    def _random(self, size: int) -> bytes:
        return hashlib.shake_256(next(self._draws).to_bytes(8, "big")).digest(size)

    def new_content(self) -> bytes:
        return f"content {next(self._numbers)}".encode().ljust(40, b".")

    # What devices and operators do

    def upload(
        self,
        device: Device,
        replica: int,
        write: Write,
        plan: Sequence[Strike],
        *,
        early: bool = False,
        body: Body | None = None,
    ) -> Answer | None:
        """`body`: what is sent, where it is not as it should be."""
        device.last = write if body is None else device.last
        sent = body or Body(write.content or b"")
        at = self.replicas[replica]
        return self._begin(
            replica,
            write,
            device,
            requests.upload(at, self._token(device), Version(write.expected), sent, early=early),
            plan,
        )

    def delete(self, device: Device, replica: int, write: Write, plan: Sequence[Strike]) -> Answer | None:
        conduct = requests.delete(self.replicas[replica], self._token(device), Version(write.expected))
        return self._begin(replica, write, device, conduct, plan)

    def read(
        self, device: Device, replica: int, read: Read, plan: Sequence[Strike], *, whole: bool = True
    ) -> Answer | None:
        at, token = self.replicas[replica], self._token(device)
        conduct = requests.download(at, token, read.wanted) if whole else requests.describe(at, token)
        return self._begin(replica, read, device, conduct, plan)

    def scrub(self, replica: int, plan: Sequence[Strike], *, repair: bool) -> list[Finding] | None:
        return self._begin(replica, None, None, requests.scrub(self.replicas[replica], repair=repair), plan)

    def name(self, what: str) -> str:
        """A name for the next operation."""
        return f"{what} {next(self._numbers)}"

    def _token(self, device: Device) -> str:
        if not device.token:
            device.token = issue_token(SECRET, device.user_id, timedelta(hours=1), self.clock)
        return device.token

    def _begin(
        self,
        replica: int,
        asked: Write | Read | None,
        device: Device | None,
        conduct: Coroutine[Any, Any, T],
        plan: Sequence[Strike],
    ) -> T | None:
        label = self.name("scrub") if asked is None else asked.name
        one = UnderWay(Operation(label, self.told), replica, asked, device)
        if asked is not None and device is not None:
            self.registers[device.user_id].asked(asked)
        self.under_way.append(one)
        self.schedule.start(one.operation, conduct, plan)
        answer: T | None = self._conclude(one)
        return answer

    def go_on(self, one: UnderWay, plan: Sequence[Strike] = ()) -> None:
        self.schedule.go_on(one.operation, plan)
        self._conclude(one)

    def hang_up(self, one: UnderWay) -> None:
        self.schedule.cancel(one.operation)
        self._conclude(one)

    # What comes of it

    def _conclude(self, one: UnderWay) -> Any:
        """The answer, None as long as there is none."""
        root = one.operation.root
        assert root is not None
        if not root.done():
            return None
        self.under_way.remove(one)
        if one.operation.open_blobs:
            raise Violation(f"{one} did not let go of what it read")
        if not root.cancelled() and (error := root.exception()) is not None:
            raise error if isinstance(error, Violation) else Violation(f"{one} ended by {error!r}") from error
        if one.asked is None or one.device is None:
            return None if root.cancelled() else root.result()
        answer: Answer = Unknown() if root.cancelled() else root.result()
        self.told(f"{one}: {answer}")
        register = self.registers[one.device.user_id]
        register.answered(one.asked, answer, copied=one.operation.copied)
        self._learn(one.device, one.asked, answer)
        return answer

    def _learn(self, device: Device, asked: Write | Read, answer: Answer) -> None:
        match answer:
            case Stored(version) | Lost(version) | Shown(version, _):
                device.known = Version(version)
            case Refused(current):
                device.known = Version(current)
            case Nothing():
                device.known = NO_VERSION
            case NotDone():
                device.token = ""  # it may have been that; it logs in again
        if isinstance(asked, Write) and isinstance(answer, Stored | Deleted):
            row, _ = self.look(device.user_id)
            if row is None or (isinstance(answer, Stored) and row.version < answer.version):
                raise Violation(f"{asked} was acknowledged without a row that knows of it: {row}")

    def look(self, user_id: UserId) -> tuple[Revision | None, Revision | None]:
        """(row, object), past all faults."""
        return self.schedule.run(self._look(user_id))

    async def _look(self, user_id: UserId) -> tuple[Revision | None, Revision | None]:
        at = self.replicas[0]
        return await at.metadata.inner.get(user_id), await at.blobs.inner.stat(user_id)

    def versions(self, user_id: UserId) -> list[int]:
        """That either store has."""
        return [one.version if one is not None else 0 for one in self.look(user_id)]

    def require_order(self) -> None:
        """What holds of the stores at any moment."""
        for user_id in self.registers:
            row_version, version = self.versions(user_id)
            newest_row, newest = self.newest[user_id]
            if row_version > max(version, self._ahead[user_id]):
                raise Violation(f"the row leads: {row_version} before {version}")
            if row_version < newest_row or version < newest:
                raise Violation(f"(row, object) went back from {(newest_row, newest)} to {(row_version, version)}")
            self.newest[user_id] = row_version, version

    # Faults of the deployment

    def crash(self, replica: int) -> None:
        """The process is gone, with all that it had under way, and another one starts."""
        for one in [one for one in self.under_way if one.replica == replica]:
            self.under_way.remove(one)
            self.schedule.abandon(one.operation)
            self.told(f"{one} dies")
            if one.asked is not None and one.device is not None:
                self.registers[one.device.user_id].answered(one.asked, Unknown())
        self.schedule.run(self.replicas[replica].close())
        self._start_replica(replica)

    def deliver_put(self, number: int) -> None:
        late = self.network.puts.pop(number)
        with suppress(PutRefused):
            stored = self.schedule.run(late.arrive(self.replicas[0].blobs.inner))
            self.told(f"{late} is applied as {stored.tag}")

    def deliver_save(self, number: int) -> None:
        late = self.network.saves.pop(number)
        with suppress(MetadataUnavailable):
            self.schedule.run(late.arrive(self.replicas[0].metadata))

    def copy(self) -> None:
        """Keep a copy of what the stores hold, if it is news."""
        copy = Copy(self.pair.copy_rows(), self.pair.copy_objects())
        if copy == self.copies[-1]:
            return
        found = {user_id: self.look(user_id)[1] for user_id in self.registers}
        deleted = {user_id for user_id, one in found.items() if one is not None and not one.is_live}
        if deleted - self._deleted:
            self._before_deletion = self.copies[-1]
        self._deleted = deleted
        self.copies.append(copy)
        del self.copies[1:-COPIES]

    def copy_from(self, age: str) -> Copy:
        """One of the copies that were kept."""
        return {
            "before the last deletion": self._before_deletion,
            "the last but one": self.copies[-2:][0],
            "an older one": self.copies[-COPIES:][0],
            "of empty stores": self.copies[0],
        }[age]

    def restore(self, *, rows: Any = None, objects: Any = None, lost: UserId | None = None) -> None:
        """The service is stopped for it: nothing that was under way is answered, and no commit is.

        A PUT may still arrive unless the bucket itself is at stake: a copy is not put back into a bucket that others
        write to, and where rows are ahead of their objects already, a late PUT would need to know of them.
        """
        for number in range(REPLICAS):
            self.crash(number)
        self.network.saves.clear()
        behind = self._rows_follow
        if rows is not None:
            self.pair.restore_rows(rows)
        if objects is not None:
            self.pair.restore_objects(objects)
        if lost is not None:
            self.pair.lose_object(lost)
        rows_alone = objects is None and lost is None
        if not (rows_alone and behind and self._rows_follow):
            self.network.puts.clear()
            for register in self.registers.values():
                register.nothing_is_under_way()
        for user_id, register in self.registers.items():
            row, _ = self.look(user_id)
            row_version, version = self.versions(user_id)
            if rows_alone:
                register.rows_restored(_held(row, None), remembered=max(row_version, version))
            elif objects is not None or user_id == lost:
                register.restored(self._held_object(user_id), _held(row, None))
            self._ahead[user_id] = row_version
            self.newest[user_id] = row_version, version

    @property
    def _rows_follow(self) -> bool:
        return all(
            row is None or (found is not None and row.version <= found.version)
            for row, found in map(self.look, self.registers)
        )

    def _held_object(self, user_id: UserId) -> Held | None:
        async def content() -> tuple[Revision, bytes] | None:
            opened = await self.replicas[0].blobs.inner.open(user_id)
            if opened is None:
                return None
            try:
                return opened.revision, b"".join([chunk async for chunk in opened.chunks()])
            finally:
                await opened.aclose()

        found = self.schedule.run(content())
        return _held(*found) if found is not None else None

    def close(self) -> None:
        self.schedule.close([one.operation for one in self.under_way], [replica.close() for replica in self.replicas])


def _held(revision: Revision | None, content: bytes | None) -> Held | None:
    """`content`: of a live object; of a row it is not known, and no client ever gets it."""
    if revision is None:
        return None
    return Held(revision.version, revision.base, (content or b"?") if revision.is_live else None)
