from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obscura_backup.entrypoints.http.limits.rate_limiter import RateLimit
from support.clocks import MovableSeconds


@pytest.fixture
def clock() -> MovableSeconds:
    return MovableSeconds()


def taken(limit: RateLimit, key: str, times: int) -> int:
    return sum(limit.take(key) == 0 for _ in range(times))


def test_minutes_worth_at_once_and_no_more(clock: MovableSeconds) -> None:
    assert taken(RateLimit(60, clock=clock), "a", 100) == 60


def test_each_has_a_bucket_of_their_own(clock: MovableSeconds) -> None:
    limit = RateLimit(10, clock=clock)
    assert taken(limit, "a", 100) == 10
    assert taken(limit, "b", 100) == 10


def test_wait_is_told_and_is_enough(clock: MovableSeconds) -> None:
    limit = RateLimit(60, clock=clock)
    taken(limit, "a", 60)
    wait_seconds = limit.take("a")
    assert wait_seconds == pytest.approx(1)
    clock.seconds += wait_seconds + 1e-6
    assert taken(limit, "a", 5) == 1


def test_next_request_is_taken_at_exactly_the_moment_that_was_told(clock: MovableSeconds) -> None:
    limit = RateLimit(60, clock=clock)  # one a second, a number that is exact
    taken(limit, "a", 60)
    assert limit.take("a") == 1
    clock.seconds += 0.5
    assert limit.take("a") == 0.5
    clock.seconds += 0.5
    assert limit.take("a") == 0
    assert limit.take("a") == 1


def test_exactly_as_many_keys_are_remembered_as_may_be(clock: MovableSeconds) -> None:
    limit = RateLimit(1, entries_max=3, clock=clock)
    for key in "abc":
        limit.take(key)
    assert [limit.take(key) > 0 for key in "abc"] == [True] * 3, "none was forgotten"
    limit.take("d")
    assert limit.take("a") == 0, "the least recently used one was"


def test_key_that_comes_again_takes_no_second_place(clock: MovableSeconds) -> None:
    limit = RateLimit(2, entries_max=2, clock=clock)
    limit.take("a")
    limit.take("b")
    assert [limit.take("b"), limit.take("b") > 0, limit.take("a"), limit.take("a") > 0] == [0, True, 0, True]


def test_refused_requests_cost_nothing(clock: MovableSeconds) -> None:
    limit = RateLimit(60, clock=clock)
    taken(limit, "a", 10_000)
    clock.seconds += 10.001
    assert taken(limit, "a", 100) == 10


def test_bucket_is_full_again_after_a_minute_and_never_fuller(clock: MovableSeconds) -> None:
    limit = RateLimit(30, clock=clock)
    taken(limit, "a", 30)
    clock.seconds += 3600
    assert taken(limit, "a", 100) == 30


def test_one_a_minute(clock: MovableSeconds) -> None:
    limit = RateLimit(1, clock=clock)
    assert taken(limit, "a", 5) == 1
    clock.seconds += 60.001
    assert taken(limit, "a", 5) == 1


def test_zero_is_no_limit_and_keeps_no_entry(clock: MovableSeconds) -> None:
    limit = RateLimit(0, clock=clock)
    assert taken(limit, "a", 1000) == 1000
    assert not limit._full_at


def test_what_was_given_back_can_be_taken_again(clock: MovableSeconds) -> None:
    limit = RateLimit(5, clock=clock)
    for _ in range(100):
        assert limit.take("a") == 0
        limit.refund("a")
    assert taken(limit, "a", 10) == 5


def test_nothing_to_give_back(clock: MovableSeconds) -> None:
    limit = RateLimit(5, clock=clock)
    limit.refund("a")
    assert taken(limit, "a", 10) == 5


def test_memory_is_bounded_and_the_least_recent_goes_first(clock: MovableSeconds) -> None:
    limit = RateLimit(2, entries_max=3, clock=clock)
    taken(limit, "regular", 2)
    for number in range(1000):
        limit.take(f"stranger {number}")
        assert limit.take("regular") > 0, "forgotten while they kept asking"
    assert len(limit._full_at) == 3


@given(st.integers(1, 100), st.lists(st.floats(0, 30), max_size=60))
def test_never_more_than_the_rate_and_a_minutes_worth(per_minute: int, pauses_seconds: list[float]) -> None:
    clock = MovableSeconds()
    limit = RateLimit(per_minute, clock=clock)
    began = clock.seconds
    admitted = taken(limit, "a", per_minute + 5)
    for pause in pauses_seconds:
        clock.seconds += pause
        admitted += taken(limit, "a", 3)
    assert admitted <= per_minute + (clock.seconds - began) * per_minute / 60 + 1e-6
