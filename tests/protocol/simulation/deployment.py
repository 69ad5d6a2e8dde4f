"""Two replicas, two users with three devices, and what holds of them after each event, whatever it was."""

from __future__ import annotations

import hashlib
import itertools
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from contracts import samples
from obscura_backup.adapters.tokens.issuer import issue_token
from obscura_backup.domain.errors import MetadataUnavailable, PutRefused
from obscura_backup.domain.model import NO_VERSION, ByteRange, UserId, Version
from protocol.simulation import replica as calls
from protocol.simulation.copies import Copies
from protocol.simulation.devices import Device, UnderWay
from protocol.simulation.faulty_store import Network
from protocol.simulation.record import Record, Violation, digest_of, state_of
from protocol.simulation.replica import CONTENT_BYTES, Body, Replica
from protocol.simulation.schedule import Operation, Schedule, Strike
from protocol.simulation.verifiers import SECRET, JumpingClock
from torture.history import (
    UNKNOWN,
    Deleted,
    Deletion,
    Found,
    Lost,
    Mismatch,
    NeverExisted,
    NotFound,
    Read,
    ReadBeyondEnd,
    Stored,
    TurnedAway,
    Upload,
)
from torture.register import EMPTY, State

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from obscura_backup.domain.model import Revision
    from obscura_backup.domain.scrub import Finding
    from protocol.simulation.pairs import Pair
    from torture.history import Answer, Asked

T = TypeVar("T")

REPLICAS = 2


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
        self.users = list({device.user_id: None for device in self.devices})
        self._record = Record(dict.fromkeys(self.users, EMPTY))
        self._ahead = dict.fromkeys(self.users, 0)
        self.newest = dict.fromkeys(self.users, (0, 0))
        self._contents: dict[str, bytes] = {}
        self._numbers = itertools.count(1)
        self._draws = itertools.count(1)
        self.replicas: list[Replica] = []
        for number in range(REPLICAS):
            self._start_replica(number)
        self.copies = Copies(pair)

    def _start_replica(self, number: int) -> None:
        replica = Replica(self.pair, self.network, self.clock, self._random, self._contents)
        self.schedule.run(replica.start())
        self.replicas[number : number + 1] = [replica]

    def _random(self, size: int) -> bytes:
        return hashlib.shake_256(next(self._draws).to_bytes(8, "big")).digest(size)

    def new_content(self) -> bytes:
        content = f"content {next(self._numbers)}".encode().ljust(CONTENT_BYTES, b".")
        self._contents[digest_of(content)] = content
        return content

    # What devices and operators do

    def upload(
        self,
        device: Device,
        replica: int,
        expected: int,
        content: bytes,
        plan: Sequence[Strike],
        *,
        early: bool = False,
        body: Body | None = None,
    ) -> Answer | None:
        """`body`: what is sent, where it is not as it should be."""
        device.last = (expected, content) if body is None else device.last
        at, token = self.replicas[replica], self._token(device)
        conduct = calls.upload(at, token, Version(expected), body or Body(content), early=early)
        return self._ask(replica, device, Upload(expected, digest_of(content)), conduct, plan)

    def delete(self, device: Device, replica: int, expected: int, plan: Sequence[Strike]) -> Answer | None:
        conduct = calls.delete(self.replicas[replica], self._token(device), Version(expected))
        return self._ask(replica, device, Deletion(expected), conduct, plan)

    def read(
        self, device: Device, replica: int, wanted: ByteRange | None, plan: Sequence[Strike], *, whole: bool = True
    ) -> Answer | None:
        """A download, or (without `whole`) a look at the head."""
        at, token = self.replicas[replica], self._token(device)
        conduct = calls.download(at, token, wanted) if whole else calls.describe(at, token)
        fits = wanted is None or wanted.resolve(CONTENT_BYTES) is not None
        return self._ask(replica, device, Read() if fits else ReadBeyondEnd(), conduct, plan)

    def scrub(self, replica: int, plan: Sequence[Strike], *, repair: bool) -> list[Finding] | None:
        conduct = calls.scrub(self.replicas[replica], repair=repair)
        return self._begin(UnderWay(self._operation("scrub"), replica), conduct, plan)

    def _operation(self, what: str) -> Operation:
        return Operation(f"{what} {next(self._numbers)}", self.told)

    def _token(self, device: Device) -> str:
        if not device.token:
            device.token = issue_token(SECRET, device.user_id, timedelta(hours=1), self.clock)
        return device.token

    def _ask(
        self,
        replica: int,
        device: Device,
        asked: Asked,
        conduct: Coroutine[Any, Any, Answer],
        plan: Sequence[Strike],
    ) -> Answer | None:
        operation = self._operation(type(asked).__name__)
        self.told(f"{operation.label} of {device}: {asked}")
        question = self._record.ask(device.user_id, device.name, asked)
        return self._begin(UnderWay(operation, replica, device, question), conduct, plan)

    def _begin(self, one: UnderWay, conduct: Coroutine[Any, Any, T], plan: Sequence[Strike]) -> T | None:
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
        if one.device is None or one.question is None:
            return None if root.cancelled() else root.result()
        answer: Answer = UNKNOWN if root.cancelled() else root.result()
        self.told(f"{one}: {answer}")
        self._record.answer(one.question, answer, copied=one.operation.copied)
        self._learn(one.device, one.question.asked, answer)
        return answer

    def _learn(self, device: Device, asked: Asked, answer: Answer) -> None:
        match answer:
            case Stored(version) | Lost(version) | Found(version, _) | Mismatch(version):
                device.known = Version(version)
            case NotFound() | NeverExisted():
                device.known = NO_VERSION
            case TurnedAway():
                device.token = ""  # it may have been that; it logs in again
        if isinstance(answer, Stored | Deleted):
            row, _ = self.look(device.user_id)
            if row is None or (isinstance(answer, Stored) and row.version < answer.version):
                raise Violation(f"{asked} was acknowledged without a row that knows of it: {row}")

    def judge(self) -> None:
        """Require that one register explains all answers since the last time, and what the stores hold now.

        No operation is under way.
        """
        self._record.judge(self._states())
        self._start_record()

    def _start_record(self) -> None:
        self._record = Record(self._states(), self.network.puts)

    def _states(self) -> dict[UserId, State]:
        return {user_id: state_of(*self.look(user_id)) for user_id in self.users}

    def look(self, user_id: UserId) -> tuple[Revision | None, Revision | None]:
        """(row, object), past all faults."""
        at = self.replicas[0]
        return self.schedule.run(at.metadata.inner.get(user_id)), self.schedule.run(at.blobs.inner.stat(user_id))

    def versions(self, user_id: UserId) -> list[int]:
        """That either store has."""
        return [one.version if one is not None else 0 for one in self.look(user_id)]

    def require_order(self) -> None:
        """What holds of the stores at any moment."""
        for user_id in self.users:
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
        self.copies.keep(lambda: {user_id for user_id in self.users if self._is_deleted(user_id)})

    def _is_deleted(self, user_id: UserId) -> bool:
        _, found = self.look(user_id)
        return found is not None and not found.is_live

    def restore(self, *, rows: Any = None, objects: Any = None, lost: UserId | None = None) -> None:
        """The service is stopped for it: nothing that was under way is answered, and no commit is.

        A PUT may still arrive unless the bucket itself is at stake: a copy is not put back into a bucket that others
        write to, and where rows are ahead of their objects already, a late PUT would need to know of them.
        """
        for number in range(REPLICAS):
            self.crash(number)
        self.network.saves.clear()
        self.judge()
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
        for user_id in self.users:
            row_version, version = self.versions(user_id)
            self._ahead[user_id] = row_version
            self.newest[user_id] = row_version, version
        self._start_record()

    @property
    def _rows_follow(self) -> bool:
        return all(
            row is None or (found is not None and row.version <= found.version)
            for row, found in map(self.look, self.users)
        )

    def content_of(self, user_id: UserId) -> bytes | None:
        """The bytes of a user's backup, if there is one."""
        return self._contents.get(state_of(*self.look(user_id)).digest)

    def close(self) -> None:
        self.schedule.close([one.operation for one in self.under_way], [replica.close() for replica in self.replicas])
