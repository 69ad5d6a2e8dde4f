from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from obscura_backup.adapters.circuit_breaker import PAUSE_SECONDS, CircuitBreaker, State

TEST_SECONDS = 4.0
FAILURE = OSError("no answer")


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be moved by a test."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def breaker() -> CircuitBreaker:
    return CircuitBreaker("blob store", threshold=2, test_seconds=TEST_SECONDS)


@pytest.fixture
def open_breaker(breaker: CircuitBreaker) -> CircuitBreaker:
    for _ in range(2):
        breaker.record_failure(FAILURE)
    return breaker


def test_one_failure_below_the_threshold_leaves_it_closed(breaker: CircuitBreaker) -> None:
    assert not breaker.record_failure(FAILURE)
    assert breaker.state is State.CLOSED
    assert not breaker.try_half_open()


def test_failures_in_a_row_open_it(breaker: CircuitBreaker) -> None:
    assert [breaker.record_failure(FAILURE), breaker.record_failure(FAILURE)] == [False, True]
    assert breaker.state is State.OPEN


def test_success_in_between_starts_the_count_again(breaker: CircuitBreaker) -> None:
    breaker.record_failure(FAILURE)
    breaker.record_success()
    assert not breaker.record_failure(FAILURE)


def test_certain_failure_opens_it_at_once_and_is_followed_by_a_pause(breaker: CircuitBreaker, now: list[float]) -> None:
    assert breaker.record_failure(FAILURE, is_certain=True)
    assert not breaker.try_half_open()
    now[0] += PAUSE_SECONDS
    assert breaker.try_half_open()


def test_first_test_after_uncertain_failures_is_due_at_once(open_breaker: CircuitBreaker) -> None:
    assert open_breaker.try_half_open()
    assert open_breaker.state is State.HALF_OPEN


def test_failed_test_is_repeated_when_the_pause_is_over_and_not_before(
    now: list[float], open_breaker: CircuitBreaker
) -> None:
    assert open_breaker.try_half_open()
    open_breaker.record_failure(FAILURE)
    now[0] = 100.0 + PAUSE_SECONDS - 0.001
    assert not open_breaker.try_half_open()
    now[0] = 100.0 + PAUSE_SECONDS
    assert open_breaker.try_half_open()


def test_late_failures_of_earlier_calls_do_not_put_off_the_test(now: list[float], open_breaker: CircuitBreaker) -> None:
    open_breaker.record_failure(FAILURE)
    assert open_breaker.try_half_open()


def test_test_that_reports_nothing_gives_way_to_another(now: list[float], open_breaker: CircuitBreaker) -> None:
    assert open_breaker.try_half_open()
    now[0] = 100.0 + TEST_SECONDS - 0.001
    assert not open_breaker.try_half_open()
    now[0] = 100.0 + TEST_SECONDS
    assert open_breaker.try_half_open()


def test_success_closes_it(open_breaker: CircuitBreaker) -> None:
    open_breaker.try_half_open()
    open_breaker.record_success()
    assert open_breaker.state is State.CLOSED
    assert not open_breaker.try_half_open()


def test_one_of_many_threads_tests_the_store(open_breaker: CircuitBreaker) -> None:
    together = threading.Barrier(8)

    def ask(_: int) -> bool:
        together.wait(10)
        return open_breaker.try_half_open()

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(ask, range(8))) == 1


def test_outage_is_logged_once_at_each_end(breaker: CircuitBreaker, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(5):
        breaker.record_failure(FAILURE)
    assert breaker.try_half_open()
    assert [breaker.try_half_open() for _ in range(3)] == [False] * 3
    breaker.record_success()
    breaker.record_success()
    assert [record.getMessage() for record in caplog.records] == [
        "the blob store is not available; calls fail at once until it is: no answer",
        "the blob store is available again after 0 s; 3 calls to it failed at once",
    ]


def test_failure_without_a_message_is_logged_by_its_class(
    breaker: CircuitBreaker, caplog: pytest.LogCaptureFixture
) -> None:
    breaker.record_failure(OSError(" "), is_certain=True)
    assert caplog.messages == ["the blob store is not available; calls fail at once until it is: OSError"]
