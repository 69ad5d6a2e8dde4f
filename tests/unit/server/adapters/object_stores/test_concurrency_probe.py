from __future__ import annotations

import threading
from itertools import count
from typing import TYPE_CHECKING

import pytest

from contracts import samples
from obscura_backup.adapters.object_stores.concurrency_probe import WRITERS, RaceOutcome, race
from obscura_backup.adapters.object_stores.errors import RefusedByStore, TransientFailure, failure_of_put
from obscura_backup.adapters.object_stores.failed_request import FailedRequest, Failure
from obscura_backup.domain.errors import BlobStoreUnavailable, OutcomeUnknown, PutRefused
from support.table import table

if TYPE_CHECKING:
    from collections.abc import Callable

    from obscura_backup.domain.errors import Unavailable
    from obscura_backup.domain.model import Revision

ONE, OTHER = samples.revision(1), samples.revision(1)


def outcome(*stored: Revision, refused: int = 0, failures: tuple[Unavailable, ...] = ()) -> RaceOutcome:
    return RaceOutcome(stored, refused, failures)


def test_more_than_one_winner_is_a_flaw_and_none_is_not() -> None:
    cases: list[tuple[RaceOutcome, Revision | None, bool]] = [
        (outcome(ONE, refused=3), ONE, False),
        (outcome(ONE, refused=3), samples.retagged(ONE, "otherwise quoted"), False),
        (outcome(ONE, OTHER, refused=2), ONE, True),
        (outcome(ONE, OTHER), OTHER, True),
        (outcome(ONE, refused=3), OTHER, True),
        (outcome(ONE, refused=3), None, True),
        (outcome(ONE, failures=(BlobStoreUnavailable(),)), ONE, False),
        (outcome(ONE, failures=(OutcomeUnknown(),)), OTHER, True),
        (outcome(refused=4), None, False),
        (outcome(refused=4), ONE, False),
        (outcome(failures=(OutcomeUnknown(),)), ONE, False),
    ]
    for came, found, wrong in cases:
        assert bool(came.violation(found)) is wrong


def silence() -> Unavailable:
    cause = FailedRequest(Failure.READ_TIMEOUT, "slow")
    failure = failure_of_put(cause)
    failure.__cause__ = cause
    assert isinstance(failure, OutcomeUnknown)
    return failure


def test_silence_is_no_answer() -> None:
    with pytest.raises(OutcomeUnknown):
        outcome(ONE, refused=2, failures=(silence(),)).raise_if_unanswered()


def test_busy_store_has_answered() -> None:
    outcome(failures=(TransientFailure(), OutcomeUnknown())).raise_if_unanswered()


def test_refusal_of_everyone_for_another_reason_is_told() -> None:
    refused = RefusedByStore(403, "AccessDenied", "PutObject")
    with pytest.raises(RefusedByStore):
        outcome(failures=(refused,) * WRITERS).raise_if_unanswered()
    outcome(ONE, failures=(refused,)).raise_if_unanswered()


@table(
    ("came", "definite"),
    [(outcome(ONE), True), (outcome(refused=1), True), (outcome(failures=(OutcomeUnknown(),)), False)],
)
def test_definite_is_what_was_decided_on_the_condition(came: RaceOutcome, *, definite: bool) -> None:
    assert came.is_conclusive is definite


def test_racers_meet_before_they_send() -> None:
    begun, sent = count(), []
    lock = threading.Lock()

    def put(before_sending: Callable[[], None]) -> Revision:
        next(begun)
        before_sending()
        with lock:
            sent.append(next(begun))
        return ONE

    assert race(put) == outcome(*[ONE] * WRITERS)
    assert min(sent) >= WRITERS


def test_racer_that_fails_before_it_sends_does_not_keep_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("obscura_backup.adapters.object_stores.concurrency_probe.START_SECONDS", 0.05)
    turns = iter([True, False, False, False])

    def put(before_sending: Callable[[], None]) -> Revision:
        if next(turns):
            raise BlobStoreUnavailable
        before_sending()
        raise PutRefused

    came = race(put)
    assert (came.refused, len(came.failures)) == (WRITERS - 1, 1)
