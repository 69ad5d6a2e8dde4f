"""The checker of histories, against brute force and against what the register answers in a simulation.

That the register itself is right, `tests/protocol/simulation/machine.py` shows: the service is held to it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import permutations
from random import Random
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from torture.history import (
    NEVER,
    UNKNOWN,
    Answer,
    Asked,
    Broken,
    Deleted,
    Deletion,
    Found,
    Mismatch,
    NeverExisted,
    NotFound,
    Operation,
    Read,
    Stored,
    Upload,
)
from torture.linearizability import check
from torture.register import EMPTY, apply

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

READ = Read()


def possible(operations: Iterable[Operation]) -> bool:
    """By trying all orders."""
    operations = list(operations)
    known = [operation for operation in operations if operation.answer != UNKNOWN]
    unknown = [operation for operation in operations if operation.answer == UNKNOWN]
    return any(
        _explains(order)
        for size in range(len(unknown) + 1)
        for chosen in permutations(unknown, size)
        if list(chosen) == sorted(chosen, key=unknown.index)
        for order in permutations([*known, *chosen])
    )


def _explains(order: Sequence[Operation]) -> bool:
    for place, later in enumerate(order):
        if any(later.answered < earlier.invoked for earlier in order[:place]):
            return False
    state = EMPTY
    for operation in order:
        answer, state = apply(state, operation.asked)
        if operation.answer not in (UNKNOWN, answer):
            return False
    return True


asked_small = st.one_of(
    st.builds(Upload, st.integers(0, 3), st.sampled_from("abc")), st.builds(Deletion, st.integers(0, 3)), st.just(READ)
)


def answers_to(asked: Asked) -> st.SearchStrategy[Answer]:
    version = st.integers(0, 3)
    match asked:
        case Upload():
            return st.one_of(st.just(UNKNOWN), st.builds(Stored, version), st.builds(Mismatch, version))
        case Deletion():
            definite = st.one_of(st.just(Deleted()), st.just(NeverExisted()), st.builds(Mismatch, version))
            return st.one_of(st.just(UNKNOWN), definite)
        case _:
            return st.one_of(st.just(NotFound()), st.builds(Found, version, st.sampled_from("abc")))


@st.composite
def small_histories(draw: st.DrawFn) -> list[Operation]:
    """Up to five operations that some register answered, one of them altered in half of the cases."""
    random = Random(draw(st.integers(0, 2**32)))
    operations = simulated(random, operations=draw(st.integers(1, 5)), clients=3, contents="abc")
    altered: bool = draw(st.booleans())
    if altered and operations:
        place = draw(st.integers(0, len(operations) - 1))
        answer = draw(answers_to(operations[place].asked))
        end = NEVER if answer == UNKNOWN else min(operations[place].answered, operations[place].invoked + 9)
        operations[place] = replace(operations[place], answer=answer, answered=end)
    return operations


def simulated(
    random: Random, *, operations: int, clients: int, contents: str = "", lost: float = 0.2
) -> list[Operation]:
    """What clients of an atomic register are told, each with a device's knowledge, by chance and in real time.

    Each operation takes effect at a drawn moment after its request; its answer comes after that, or is lost, and then
    the effect may come late or never.
    """
    effects: list[tuple[float, int]] = []
    plans: list[tuple[str, float, float]] = []
    free = [0.0] * clients
    for number in range(operations):
        client = random.randrange(clients)
        begin = free[client] + random.random()
        moment = begin + random.random() * 2
        end = moment + random.random()
        fate = random.random()
        if fate < lost:
            free[client], end = begin + random.random(), NEVER
            moment = begin + random.random() * random.choice((1, 20)) if fate < lost * 0.7 else NEVER
        else:
            free[client] = end
        plans.append((f"client {client}", begin, end))
        effects.append((moment, number))
    state = EMPTY
    done: dict[int, tuple[Asked, Answer]] = {}
    last_sent: list[Upload] = []
    for moment, number in sorted(effects):
        asked = _drawn(random, state.version, number, contents, last_sent)
        if moment == NEVER:
            done[number] = (asked, UNKNOWN)
            continue
        answer, state = apply(state, asked)
        done[number] = (asked, UNKNOWN if plans[number][2] == NEVER else answer)
    return [
        Operation(number, "slot", client, *done[number], begin, end)
        for number, (client, begin, end) in enumerate(plans)
        if not (end == NEVER and isinstance(done[number][0], Read))
    ]


def _drawn(random: Random, version: int, number: int, contents: str, last_sent: list[Upload]) -> Asked:
    expected = version if random.random() < 0.7 else random.choice((0, max(0, version - 1), version + 1))
    chance = random.random()
    if chance < 0.1:
        return Deletion(expected)
    if chance < 0.4:
        return READ
    if chance < 0.5 and last_sent:
        return random.choice(last_sent[-3:])
    upload = Upload(expected, random.choice(contents) if contents else f"bytes {number}")
    last_sent.append(upload)
    return upload


@settings(max_examples=1500, deadline=None)
@given(small_histories())
def test_verdict_is_that_of_brute_force(operations: list[Operation]) -> None:
    """So an altered answer is let pass exactly where some other order explains it."""
    assert (check(operations, explain=False) is None) == possible(operations)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 6))
def test_what_an_atomic_register_answers_is_always_accepted(seed: int, clients: int) -> None:
    operations = simulated(Random(seed), operations=300, clients=clients)
    assert check(operations) is None


def impossible_in(random: Random, operations: list[Operation]) -> list[Operation] | None:
    """The history with one answer that contradicts itself or all others: no order can explain it."""
    place = random.randrange(len(operations))
    highest = len(operations)
    match operations[place].answer:
        case Stored(version):
            wrong: Answer = random.choice((Stored(version + highest), Stored(0), Mismatch(highest + 1)))
        case Found(version, digest):
            wrong = random.choice(
                (Found(version, "torn"), Found(version + highest, digest), Broken("backup-lost"), Found(0, digest))
            )
        case Mismatch():
            wrong = Mismatch(highest + 1)
        case NotFound():
            wrong = Found(highest + 1, "torn")
        case _:
            return None
    return [*operations[:place], replace(operations[place], answer=wrong), *operations[place + 1 :]]


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32))
def test_answers_that_no_order_can_explain_are_always_refused(seed: int) -> None:
    """Versions that were never reached, bytes that no client sent, a loss."""
    random = Random(seed)
    altered = impossible_in(random, simulated(random, operations=120, clients=4))
    if altered is not None:
        assert check(altered, explain=False) is not None


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_forgetting_an_answer_is_always_harmless(seed: int) -> None:
    """An upload or deletion of which the answer is forgotten may have happened; a read of which it is says nothing."""
    random = Random(seed)
    operations = [
        replace(operation, answer=UNKNOWN, answered=NEVER) if random.random() < 0.1 else operation
        for operation in simulated(random, operations=150, clients=4, lost=0.05)
    ]
    assert check(operations, explain=False) is None


def test_one_altered_answer_is_nearly_always_refused() -> None:
    """What is let pass is what another order explains: answers that were right a moment earlier or later."""
    verdicts: Counter[str] = Counter()
    for seed in range(300):
        random = Random(seed)
        operations = simulated(random, operations=100, clients=4, lost=0.05)
        place = random.randrange(len(operations))
        same_kind = [
            other.answer
            for other in operations
            if type(other.asked) is type(operations[place].asked)
            and other.answer not in (UNKNOWN, operations[place].answer)
        ]
        if operations[place].answer == UNKNOWN or not same_kind:
            continue
        altered = [*operations]
        altered[place] = replace(operations[place], answer=random.choice(same_kind))
        verdicts["passed" if check(altered, explain=False) is None else "refused"] += 1
    assert verdicts["refused"] > 20 * verdicts["passed"]


def test_an_upload_that_no_client_made_is_nearly_always_noticed() -> None:
    """All attempts at it forgotten. The last version goes unnoticed, and one that another, unknown, may have been."""
    verdicts: Counter[str] = Counter()
    for seed in range(300):
        random = Random(seed)
        operations = simulated(random, operations=100, clients=4, lost=0.05)
        stored = [operation for operation in operations if isinstance(operation.answer, Stored)]
        forgotten = random.choice(stored)
        left = [operation for operation in operations if operation.asked != forgotten.asked]
        verdicts["passed" if check(left, explain=False) is None else "refused"] += 1
    assert verdicts["refused"] > 10 * verdicts["passed"]


def test_thousands_of_operations_on_one_slot() -> None:
    operations = simulated(Random(7), operations=8000, clients=6, lost=0.1)
    assert check(operations) is None
    stale = next(operation for operation in operations[6000:] if isinstance(operation.answer, Found))
    altered = [
        replace(operation, answer=Found(3, "bytes 3")) if operation is stale else operation for operation in operations
    ]
    refusal = check(altered, explain=False)
    assert refusal is not None
    assert refusal.operation.number == stale.number
