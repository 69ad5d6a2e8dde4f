"""The service driven by drawn rules, against a register: requests, faults at every port, and what operators do."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, ClassVar

from hypothesis import HealthCheck, Phase, note, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from obscura_backup.domain.model import ByteRange
from protocol.simulation import promises
from protocol.simulation.deployment import REPLICAS, SimulatedDeployment
from protocol.simulation.pairs import MemoryPair, Pair
from protocol.simulation.record import Violation
from protocol.simulation.replica import LIMITS, Body
from protocol.simulation.schedule import Call, strikes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from protocol.simulation.devices import UnderWay

UNDER_WAY_AT_MOST = 4
EXAMPLES_PER_SEED = 10
AGES = st.sampled_from(["before the last deletion", "the last but one", "an older one", "of empty stores"])
SELDOM = st.sampled_from([False, False, True])
DAY = 24 * 60 * 60

DEVICES = st.sampled_from([0, 1, 0, 1, 2])
REPLICA = st.sampled_from(range(REPLICAS))
EXPECTS = st.sampled_from(
    ["what is there", "what it knows", "what is there", "nothing", "what is on record", "the one before"]
)
WRITE_CALLS = (Call.PUT, Call.SAVE, Call.STAT, Call.LOCK, Call.GET, Call.BODY, Call.VERIFY)
READ_CALLS = (Call.OPEN, Call.STAT, Call.GET, Call.CHUNKS, Call.VERIFY)
WALK_CALLS = (Call.STAT, Call.LOCK, Call.SAVE, Call.PUT, Call.ROWS, Call.OBJECTS)


def plans(*calls: Call) -> st.SearchStrategy[Any]:
    """What becomes of the next calls, the first kinds more often than the others; most calls go well.

    Two strikes upon the first kind make a plan of their own: only so does a second PUT in one request meet anything.
    """
    first = st.sampled_from(strikes(calls[0]))
    often = strikes(*calls[:2])
    any_of_them = st.lists(st.sampled_from([*often, *often, *often, *strikes(*calls[2:])]), max_size=2)
    return st.one_of(any_of_them, any_of_them, st.lists(first, min_size=2, max_size=2))


RANGES = st.one_of(
    st.none(),
    st.builds(ByteRange, st.integers(0, 50), st.none() | st.integers(50, 60)),
    st.builds(ByteRange, st.none(), st.integers(0, 50)),
)


class SlotMachine(RuleBasedStateMachine):
    """Every rule is one event; between two events nothing moves."""

    new_pair: ClassVar[Callable[[], Pair]] = MemoryPair
    examples: ClassVar[int] = 0
    steps: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        type(self).examples += 1
        self.deployment = SimulatedDeployment(type(self).new_pair(), note)
        self.broken = False
        self.mended_at_end = False
        self.calm = 0

    @initialize(writes=st.sampled_from(["", "upload", "upload, upload", "upload, delete"]), mended=st.booleans())
    def begin(self, writes: str, *, mended: bool) -> None:
        """What the first user's slot has seen, and whether the end is a repair, which may hide what a device meets."""
        self.mended_at_end = mended
        phone = self.deployment.devices[0]
        for number, kind in enumerate(filter(None, writes.split(", "))):
            if kind == "upload":
                self.happens(self.deployment.upload, phone, 0, number, self.deployment.new_content(), ())
            else:
                self.happens(self.deployment.delete, phone, 0, number, ())

    def happens(self, event: Callable[..., Any], *args: Any, **more: Any) -> None:
        type(self).steps += 1
        self.calm += 1
        try:
            event(*args, **more)
            self.deployment.require_order()
            self.deployment.copy()
        except Violation:
            self.broken = True
            raise

    def befalls(self, event: Callable[..., Any], *args: Any, **more: Any) -> None:
        """What is no request. Not one upon the other, lest nothing be left to befall."""
        self.happens(event, *args, **more)
        self.calm = 0

    @property
    def busy(self) -> bool:
        return len(self.deployment.under_way) >= UNDER_WAY_AT_MOST

    @property
    def something(self) -> bool:
        """Whether the first user has anything to lose."""
        return any(self.deployment.newest[self.deployment.devices[0].user_id])

    # Requests

    @precondition(lambda self: not self.busy)
    @rule(
        device=DEVICES,
        replica=REPLICA,
        expects=EXPECTS,
        same_bytes=st.sampled_from([False, False, False, True]),
        early=st.booleans(),
        plan=plans(*WRITE_CALLS),
    )
    def upload(self, device: int, replica: int, expects: str, plan: Any, *, same_bytes: bool, early: bool) -> None:
        who = self.deployment.devices[device]
        there = self.deployment.content_of(who.user_id) if same_bytes else None
        content = there or self.deployment.new_content()
        self.happens(self.deployment.upload, who, replica, self._expected(device, expects), content, plan, early=early)

    @precondition(lambda self: not self.busy and any(device.last is not None for device in self.deployment.devices))
    @rule(data=st.data(), replica=REPLICA, early=st.booleans(), plan=plans(*WRITE_CALLS))
    def send_again(self, data: st.DataObject, replica: int, plan: Any, *, early: bool) -> None:
        senders = {device.name: device for device in self.deployment.devices if device.last is not None}
        who = senders[data.draw(st.sampled_from(list(senders)), "device")]
        assert who.last is not None
        self.happens(self.deployment.upload, who, replica, *who.last, plan, early=early)

    @precondition(lambda self: not self.busy and self.calm >= 2)
    @rule(
        device=DEVICES,
        replica=REPLICA,
        content=st.sampled_from([b"", b"." * (LIMITS.min_bytes - 1), b"." * (LIMITS.max_bytes + 1), b"." * 40]),
    )
    def upload_what_is_no_backup(self, device: int, replica: int, content: bytes) -> None:
        """Too short, too long, or other bytes than were declared: refused, and nothing is stored."""
        who = self.deployment.devices[device]
        body = Body(content, hashlib.sha256(b"other bytes").digest())
        expected = self._expected(device, "what is there")
        self.befalls(self.deployment.upload, who, replica, expected, content, (), early=False, body=body)

    @precondition(lambda self: not self.busy and self.something)
    @rule(
        device=DEVICES,
        replica=REPLICA,
        expects=EXPECTS | st.just("what is there"),
        plan=plans(*WRITE_CALLS),
    )
    def delete(self, device: int, replica: int, expects: str, plan: Any) -> None:
        who = self.deployment.devices[device]
        self.happens(self.deployment.delete, who, replica, self._expected(device, expects), plan)

    @precondition(lambda self: not self.busy)
    @rule(device=DEVICES, replica=REPLICA, wanted=RANGES | st.just("describe"), plan=plans(*READ_CALLS))
    def read(self, device: int, replica: int, wanted: ByteRange | str | None, plan: Any) -> None:
        whole = not isinstance(wanted, str)
        part = None if isinstance(wanted, str) else wanted
        self.happens(self.deployment.read, self.deployment.devices[device], replica, part, plan, whole=whole)

    def _expected(self, device: int, expects: str) -> int:
        who = self.deployment.devices[device]
        on_record, there = self.deployment.newest[who.user_id]
        return {
            "what is there": there,
            "what it knows": who.known,
            "nothing": 0,
            "what is on record": on_record,
            "the one before": max(there - 1, 0),
        }[expects]

    # What is under way

    @precondition(lambda self: self.deployment.under_way)
    @rule(data=st.data(), plan=plans(*WRITE_CALLS, Call.OPEN, Call.CHUNKS))
    def go_on(self, data: st.DataObject, plan: Any) -> None:
        self.happens(self.deployment.go_on, self._one_of(data), plan)

    @precondition(lambda self: self.deployment.under_way)
    @rule(data=st.data())
    def hang_up(self, data: st.DataObject) -> None:
        self.happens(self.deployment.hang_up, self._one_of(data))

    def _one_of(self, data: st.DataObject) -> UnderWay:
        labels = {one.operation.label: one for one in self.deployment.under_way}
        return labels[data.draw(st.sampled_from(list(labels)), "operation")]

    @precondition(lambda self: self.deployment.network.puts)
    @rule(data=st.data(), lost=SELDOM)
    def late_put_arrives(self, data: st.DataObject, *, lost: bool) -> None:
        number = data.draw(st.integers(0, len(self.deployment.network.puts) - 1), "which")
        self.happens(self.deployment.network.puts.pop if lost else self.deployment.deliver_put, number)

    @precondition(lambda self: self.deployment.network.saves)
    @rule(data=st.data())
    def late_commit_arrives(self, data: st.DataObject) -> None:
        number = data.draw(st.integers(0, len(self.deployment.network.saves) - 1), "which")
        self.happens(self.deployment.deliver_save, number)

    # Faults of the deployment

    @precondition(lambda self: self.calm >= 2)
    @rule(replica=REPLICA)
    def crash(self, replica: int) -> None:
        self.befalls(self.deployment.crash, replica)

    @precondition(lambda self: self.calm >= 2)
    @rule(seconds=st.sampled_from([1, -1, 3600, -3600, 400 * DAY, -400 * DAY]))
    def clock_jumps(self, seconds: int) -> None:
        self.befalls(self.deployment.clock.jump, seconds)

    @precondition(lambda self: not self.busy)
    @rule(replica=REPLICA, repair=st.booleans(), plan=plans(*WALK_CALLS))
    def scrub(self, replica: int, plan: Any, *, repair: bool) -> None:
        self.happens(self.deployment.scrub, replica, plan, repair=repair)

    @precondition(lambda self: self.calm >= 3 and self.something)
    @rule(which=st.sampled_from(["objects", "rows", "objects", "both"]), age=AGES, other_age=AGES, scrubbed=SELDOM)
    def restore(self, which: str, age: str, other_age: str, *, scrubbed: bool) -> None:
        """From copies of any age, the two of different age, too."""
        objects = None if which == "rows" else self.deployment.copies.of(age).objects
        rows = None if which == "objects" else self.deployment.copies.of(age if which == "rows" else other_age).rows
        self.befalls(self.deployment.restore, rows=rows, objects=objects)
        if scrubbed:
            self.befalls(promises.require_mended, self.deployment)

    @precondition(lambda self: self.calm >= 3 and self.something)
    @rule(device=DEVICES)
    def lose_an_object(self, device: int) -> None:
        self.befalls(self.deployment.restore, lost=self.deployment.devices[device].user_id)

    # What must hold

    @precondition(lambda self: self.calm >= 3)
    @rule(late_arrives=st.booleans(), mended=st.booleans())
    def settle(self, *, late_arrives: bool, mended: bool) -> None:
        self.befalls(promises.settle, self.deployment, late_arrives=late_arrives)
        self.befalls(promises.require_agreement, self.deployment)
        if mended:
            self.befalls(promises.require_mended, self.deployment)
            self.befalls(promises.require_agreement, self.deployment)

    def teardown(self) -> None:
        try:
            if not self.broken:
                promises.settle(self.deployment, late_arrives=True)
                promises.require_agreement(self.deployment)
                if self.mended_at_end:
                    promises.require_mended(self.deployment)
                promises.require_a_way_on(self.deployment)
        finally:
            self.deployment.close()


def run(
    new_pair: Callable[[], Pair], seeds: Iterable[int], *, steps: int = 50, shrink: bool = True
) -> type[SlotMachine]:
    """Run the machine over such stores, some examples a seed: the same ones in every run.

    Hypothesis goes over to variations of its first examples soon, which find little here; so there are many seeds.

    Returns:
        The class that was run, which knows how much of it was.

    Raises:
        Violation: the service broke a promise.
    """
    machine = type("SlotMachineHere", (SlotMachine,), {"new_pair": staticmethod(new_pair), "examples": 0, "steps": 0})
    how = settings(
        max_examples=EXAMPLES_PER_SEED,
        stateful_step_count=steps,
        database=None,
        deadline=None,
        print_blob=False,
        report_multiple_bugs=False,
        phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    for number in seeds:
        run_state_machine_as_test(seed(number)(machine), settings=how)
    return machine
