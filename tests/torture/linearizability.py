"""Whether what clients were told about a slot can have come from one atomic, versioned register.

A history is linearizable (Herlihy and Wing, "Linearizability: a correctness condition for concurrent objects", 1990) if
each operation can be given a moment between its request and its answer such that, one after the other in that order, a
sequential register gives these very answers. Slots are independent, and so are judged one by one: linearizability is
local (the same paper; Horn and Kroening call the use of it P-compositionality, "Faster linearizability checking via
P-compositionality", 2015).

The search is Wing and Gong's ("Testing and verifying concurrent objects", 1993) in the form of Lowe's just-in-time
linearization with a memory of configurations ("Testing for linearizability", 2017): walk through the requests and
answers by time, and give an operation its moment only when its own answer, or an answer that needs it, comes up.

What the register is prunes the search. Versions grow by one, so a mutation that expects version n (n > 0) fits between
n and n + 1 and nowhere else: once all configurations are past n, an unknown one is forgotten. An operation that changes
nothing is placed as soon as it fits, without a branch, since to have been placed never closes a way that was open. What
is left to branch on are the mutations that expect the version there is. With n operations, c of them under way at
once, and k configurations alive (between 1 and c, almost always 1), the cost is O(n * k * c). The exception are uploads
of unknown outcome that expect 0: each fits after every deletion, for ever, and k would grow like 2 to their number.
Those whose bytes no answer speaks of any more are as good as each other, so the eldest stands for all, and k stays
small. `MAX_STEPS` bounds what is left of the exponential: to exceed it is an error, not a verdict.

A restore of a store ends a history, since it may undo what was answered. The next history begins with what the stores
hold then (`start`). Where the row is ahead of the object, a lost tombstone may be put back at any time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from torture.history import (
    NEVER,
    UNKNOWN,
    Asked,
    Deletion,
    Found,
    Lost,
    Mismatch,
    Operation,
    Stored,
    TurnedAway,
    Upload,
)
from torture.register import EMPTY, State, apply

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from torture.history import Answer

MAX_STEPS = 5_000_000
CORE_STEPS = 200_000
NEIGHBOURS = 6


class TooManyOrders(Exception):
    """There are too many orders to try within the bound; nothing is known."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a history is not linearizable.

    Attributes:
        operation: the first, by the time of its answer, that no order has a place for.
        states: that the slot may have been in when the last operation before it had its place.
        concurrent: those under way at that answer.
        before: the last few that were answered before it.
        core: answers that contradict each other, with no one among them that could be left out; some that could, where
            to find out took too long. Empty where it was not asked for.
    """

    operation: Operation
    states: tuple[State, ...]
    concurrent: tuple[Operation, ...]
    before: tuple[Operation, ...]
    core: tuple[Operation, ...] = ()

    def __str__(self) -> str:
        lines = [f"slot {self.operation.slot}: no order has a place for", f"    {self.operation}"]
        lines += ["the slot may have been, just before, in one of"]
        lines += [f"    version {state.version}, {state.digest[:12] or 'no backup'}" for state in self.states]
        for title, operations in (
            ("answered before it", self.before),
            ("under way with it", self.concurrent),
            ("these answers contradict each other", self.core),
        ):
            if operations:
                lines += [title, *(f"    {operation}" for operation in operations)]
        return "\n".join(lines)


def check(operations: Iterable[Operation], start: State = EMPTY, *, explain: bool = True) -> Refusal | None:
    """Judge the history of one slot: None where it is linearizable.

    Args:
        operations: all of one slot, in any order.
        start: what the slot was before them.
        explain: look for the core of a contradiction, too.

    Raises:
        TooManyOrders: the bound on the search was reached.
    """
    operations = list(operations)
    refusal = _Search(operations, start, MAX_STEPS).run()
    if refusal is None or not explain:
        return refusal
    return replace(refusal, core=_core(operations, start, refusal.operation))


_Configuration = tuple[State, frozenset[int]]
"""A state, and which operations have their place: of those under way, and of the unknown uploads that expected 0."""


class _Search:
    def __init__(self, operations: Iterable[Operation], start: State, max_steps: int) -> None:
        self._operations = [operation for operation in operations if _matters(operation)]
        self._steps_left = max_steps
        self._pending: dict[int, Operation] = {}
        self._unknown: dict[int, list[Operation]] = {}  # by the version that they expect
        self._alive: set[_Configuration] = {(start, frozenset())}
        self._last_mention = _last_mentions(self._operations)

    def run(self) -> Refusal | None:
        answered: list[Operation] = []
        for operation, is_answer in _events(self._operations):
            if operation.answer == UNKNOWN:
                self._unknown.setdefault(_expected(operation), []).append(operation)
                continue
            if not is_answer:
                self._pending[operation.number] = operation
                self._alive = {self._settled(*configuration) for configuration in self._alive}
                continue
            alive = set(self._placed(operation))
            if not alive:
                states = tuple(sorted({state for state, _ in self._alive}))
                under_way = [*chain.from_iterable(self._unknown.values()), *self._pending.values()]
                concurrent = tuple(other for other in under_way if other is not operation)
                return Refusal(operation, states, concurrent[-NEIGHBOURS:], tuple(answered[-NEIGHBOURS:]))
            answered.append(operation)
            del self._pending[operation.number]
            self._alive = alive
            self._forget_the_dead()
        return None

    def _placed(self, operation: Operation) -> Iterator[_Configuration]:
        for state, placed in self._alive:
            if operation.number in placed:
                yield state, placed - {operation.number}
            else:
                yield from self._extended((state, placed), operation)

    def _extended(self, start: _Configuration, goal: Operation) -> Iterator[_Configuration]:
        """All ways on that end with the goal in its place."""
        last_version = _last_version(goal.answer)
        seen, open_ends = {start}, [start]
        while open_ends:
            state, placed = open_ends.pop()
            answer, following = apply(state, goal.asked)
            if answer == goal.answer:
                settled, others = self._settled(following, placed)
                yield settled, others - {goal.number}
                if following == state and _may_settle(state, goal.asked):
                    continue
            for configuration in self._steps(state, placed, goal):
                if configuration[0].version <= last_version and configuration not in seen:
                    seen.add(configuration)
                    open_ends.append(configuration)

    def _steps(self, state: State, placed: frozenset[int], goal: Operation) -> Iterator[_Configuration]:
        if (repaired := state.repaired) != state:
            yield self._settled(repaired, placed)
        for number, other in self._pending.items():
            if number not in placed and other is not goal:
                answer, following = apply(state, other.asked)
                if answer == other.answer:
                    yield self._settled(following, placed | {number})
        tried: set[Asked | None] = set()
        for other in self._fitting(state):
            _, following = apply(state, other.asked)
            if following == state or other.number in placed:
                continue
            alike: Asked | None = other.asked
            if _may_come_again(other) and self._last_mention[following.digest] < following.version:
                alike = None
            # Attempts at one thing are as good as each other; so are, at one thing, those that no later answer names.
            if alike not in tried:
                tried.add(alike)
                yield self._settled(following, placed | {other.number} if _may_come_again(other) else placed)

    def _fitting(self, state: State) -> Iterator[Operation]:
        version, is_live = state.current
        yield from self._unknown.get(version, ())
        if version and not is_live:
            yield from self._unknown.get(0, ())

    def _settled(self, state: State, placed: frozenset[int]) -> _Configuration:
        """Give a place to all that fits here and changes nothing."""
        fitting = [
            number
            for number, other in self._pending.items()
            if number not in placed
            and _may_settle(state, other.asked)
            and apply(state, other.asked) == (other.answer, state)
        ]
        self._count()
        return state, placed.union(fitting) if fitting else placed

    def _forget_the_dead(self) -> None:
        past = min(state.version for state, _ in self._alive)
        for expected in [expected for expected in self._unknown if 0 < expected < past]:
            del self._unknown[expected]

    def _count(self) -> None:
        self._steps_left -= 1
        if self._steps_left < 0:
            raise TooManyOrders


def _matters(operation: Operation) -> bool:
    if isinstance(operation.answer, TurnedAway):
        return False
    return operation.answer != UNKNOWN or isinstance(operation.asked, Upload | Deletion)


def _last_mentions(operations: Iterable[Operation]) -> dict[str, int]:
    """By digest, the last version at which it matters for an answer, or for an upload, whether the bytes are these."""
    last: dict[str, int] = {}
    for operation in operations:
        match operation.asked, operation.answer:
            case Upload(expected, digest), (Stored(version) | Mismatch(version)):
                last[digest] = max(version, expected, last.get(digest, 0))
            case Upload(expected, digest), _:
                last[digest] = max(expected, last.get(digest, 0))
            case _, Found(version, digest):
                last[digest] = max(version, last.get(digest, 0))
    return last


def _expected(operation: Operation) -> int:
    return operation.asked.expected if isinstance(operation.asked, Upload | Deletion) else 0


def _may_come_again(operation: Operation) -> bool:
    return isinstance(operation.asked, Upload) and operation.asked.expected == 0


def _may_settle(state: State, asked: Asked) -> bool:
    # A deletion that finds nothing to delete may instead have deleted a version that is still to come.
    return not isinstance(asked, Deletion) or asked.expected <= state.version


def _last_version(answer: Answer) -> float:
    match answer:
        case Stored(version) | Found(version, _) | Mismatch(version) | Lost(version):
            return version
    return NEVER


def _events(operations: Sequence[Operation]) -> list[tuple[Operation, bool]]:
    # At one moment, requests come before answers: whatever may have overlapped did.
    begins = [(operation.invoked, False, operation.number, operation) for operation in operations]
    ends = [
        (operation.answered, True, operation.number, operation)
        for operation in operations
        if operation.answer != UNKNOWN
    ]
    return [(operation, is_answer) for _, is_answer, _, operation in sorted(begins + ends, key=lambda event: event[:3])]


def _core(operations: list[Operation], start: State, failed: Operation) -> tuple[Operation, ...]:
    """Leave out answers, in ever smaller portions, as long as what is left stays impossible.

    An upload without its answer is one of unknown outcome; a read without its answer is none. Both only add orders. The
    portions are those of Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", 2002.
    """
    known = [operation for operation in operations if _matters(operation) and operation.invoked <= failed.answered]
    kept = [operation for operation in known if operation.answer != UNKNOWN and operation.answered <= failed.answered]
    portion = len(kept)
    while portion > 0:
        first = 0
        while first < len(kept):
            fewer = kept[:first] + kept[first + portion :]
            if _impossible(known, start, fewer):
                kept = fewer
            else:
                first += portion
        portion //= 2
    return tuple(kept)


def _impossible(operations: list[Operation], start: State, kept: list[Operation]) -> bool:
    numbers = {operation.number for operation in kept}
    weakened = [
        operation if operation.number in numbers else replace(operation, answer=UNKNOWN, answered=NEVER)
        for operation in operations
    ]
    try:
        return _Search(weakened, start, CORE_STEPS).run() is not None
    except TooManyOrders:
        return False
