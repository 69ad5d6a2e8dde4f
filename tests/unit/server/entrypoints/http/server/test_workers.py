"""The supervisor of workers: which ones it replaces, when, and how it ends them."""

from __future__ import annotations

import itertools
import os
import signal
import time
from typing import TYPE_CHECKING

import pytest
from uvicorn.config import STARTUP_FAILURE

from support.servers.in_process.scripted_workers import HEALTH_CHECK_SECONDS, START_SECONDS, Scripted, Supervised, well

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def supervised(monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervised]:
    """A scripted supervisor. The handlers of signals are restored at the end."""
    names = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGTTIN", "SIGTTOU")]
    before = {each: signal.getsignal(each) for each in names}
    yield Supervised(monkeypatch)
    for each, handler in before.items():
        signal.signal(each, handler)


def test_configured_number_of_workers_is_started(supervised: Supervised) -> None:
    supervised.them.init_processes()
    assert [worker.done for worker in supervised.made] == [["start"], ["start"]]
    assert len(supervised.them.processes) == 2


def test_sigttin_starts_one_more_worker(supervised: Supervised) -> None:
    supervised.hold(well(1), well(2))
    supervised.them.handle_ttin()
    assert supervised.forked == [True]
    assert supervised.pids == [1, 2, 100]
    assert supervised.them.processes_num == 3
    assert supervised.made[0].done == ["start"]


def test_restart_replaces_each_worker_once_the_new_one_serves(supervised: Supervised) -> None:
    old = well(1), well(2)
    supervised.hold(*old)
    supervised.prepared.extend([Scripted(11, takes=3), Scripted(12)])
    supervised.them.restart_all()
    assert supervised.pids == [11, 12]
    assert [worker.done for worker in old] == [["terminate", "join"], ["terminate", "join"]]
    assert [worker.done for worker in supervised.made] == [["start"], ["start"]]
    assert supervised.slept == [0.05] * 3
    assert supervised.ended == [1, 2]
    assert supervised.forked == [False, False]


def test_workers_are_new_processes_from_a_restart_on(supervised: Supervised) -> None:
    """The code may have changed, and the supervisor has imported the old one."""
    supervised.hold(well(1))
    supervised.them.restart_all()
    supervised.them.handle_ttin()
    assert supervised.forked == [False, False]


def test_new_worker_that_does_not_start_in_time_is_killed_and_the_old_ones_stay(supervised: Supervised) -> None:
    supervised.hold(well(1), well(2))
    stuck = Scripted(11, takes=10_000)
    supervised.prepared.append(stuck)
    supervised.them.restart_all()
    assert supervised.pids == [1, 2]
    assert stuck.done == ["start", "kill", "join"]
    assert stuck.age_seconds == START_SECONDS + 1
    assert supervised.made == [stuck]


def test_new_worker_that_starts_at_the_last_moment_replaces_the_old_one(supervised: Supervised) -> None:
    supervised.hold(well(1))
    supervised.prepared.append(Scripted(11, takes=int(START_SECONDS)))
    supervised.them.restart_all()
    assert supervised.pids == [11]


def test_restart_does_not_wait_for_a_new_worker_that_ended(supervised: Supervised) -> None:
    supervised.hold(well(1))
    supervised.prepared.append(Scripted(11, exitcode=1, takes=10_000))
    supervised.them.restart_all()
    assert supervised.pids == [1]
    assert supervised.slept == []


@pytest.mark.parametrize(("number", "waits"), [(signal.SIGTERM, False), (signal.SIGINT, False), (signal.SIGHUP, True)])
def test_stop_signal_ends_a_restart(supervised: Supervised, number: signal.Signals, *, waits: bool) -> None:
    supervised.hold(well(1))
    supervised.prepared.append(Scripted(11, takes=5))
    supervised.them.signal_queue.append(number)
    supervised.them.restart_all()
    assert supervised.pids == ([11] if waits else [1])
    assert len(supervised.slept) == (5 if waits else 0)


def test_healthy_workers_are_not_replaced(supervised: Supervised) -> None:
    held = well(1), well(2)
    supervised.hold(*held)
    supervised.them.keep_subprocess_alive()
    assert supervised.pids == [1, 2]
    assert [worker.done for worker in held] == [[], []]
    assert held[0].given_seconds == [HEALTH_CHECK_SECONDS]


def test_starting_worker_is_polled_and_given_time(supervised: Supervised) -> None:
    starting = Scripted(1, takes=2)
    supervised.hold(starting)
    for _ in range(3):
        supervised.them.keep_subprocess_alive()
    assert starting.has_started
    assert starting.given_seconds == [], "it is not held to the time of one that has started"
    supervised.them.keep_subprocess_alive()
    assert starting.given_seconds == [HEALTH_CHECK_SECONDS]
    assert supervised.pids == [1]


@pytest.mark.parametrize(("age", "pids"), [(START_SECONDS - 1, [1]), (START_SECONDS, [100])])
def test_worker_that_starts_too_slowly_is_replaced(supervised: Supervised, age: float, pids: list[int]) -> None:
    starting = Scripted(1, takes=10)
    starting.age_seconds = age
    supervised.hold(starting)
    supervised.them.keep_subprocess_alive()
    assert supervised.pids == pids
    assert starting.done == ([] if pids == [1] else ["kill", "join"])


def test_ended_worker_is_replaced(supervised: Supervised) -> None:
    ended = Scripted(1, exitcode=1)
    supervised.hold(ended, well(2))
    supervised.them.keep_subprocess_alive()
    assert supervised.pids == [100, 2]
    assert ended.done == ["kill", "join"]
    assert supervised.made[0].done == ["start"]
    assert supervised.ended == [1]


def test_silent_worker_is_killed_and_replaced(supervised: Supervised) -> None:
    stuck = well(1)
    stuck.answers = False
    supervised.hold(stuck)
    supervised.them.keep_subprocess_alive()
    assert supervised.pids == [100]
    assert stuck.done == ["kill", "join"]


def waits(supervised: Supervised, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waited: list[float] = []
    monkeypatch.setattr(supervised.them.should_exit, "wait", waited.append)
    return waited


def test_failed_start_is_tried_again_after_a_second_while_others_serve(
    supervised: Supervised, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited = waits(supervised, monkeypatch)
    supervised.hold(Scripted(1, exitcode=STARTUP_FAILURE), well(2))
    supervised.them.keep_subprocess_alive()
    assert supervised.pids == [100, 2]
    assert waited == [1.0]
    assert not supervised.them.should_exit.is_set()


def test_failed_start_ends_the_service_if_no_other_worker_runs(
    supervised: Supervised, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited = waits(supervised, monkeypatch)
    supervised.hold(Scripted(1, exitcode=STARTUP_FAILURE), Scripted(2, exitcode=1))
    supervised.them.keep_subprocess_alive()
    assert supervised.them.should_exit.is_set()
    assert supervised.pids == [1, 2]
    assert (waited, supervised.made) == ([], [])
    assert supervised.them.failed_to_start


def test_worker_that_ended_after_its_start_is_replaced_at_once(
    supervised: Supervised, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited = waits(supervised, monkeypatch)
    supervised.hold(Scripted(1, exitcode=1), Scripted(2, exitcode=-9))
    supervised.them.keep_subprocess_alive()
    assert supervised.pids == [100, 101]
    assert waited == []
    assert not supervised.them.failed_to_start


def test_no_worker_is_replaced_after_the_stop(supervised: Supervised) -> None:
    supervised.hold(Scripted(1, exitcode=1))
    supervised.them.should_exit.set()
    supervised.them.keep_subprocess_alive()
    assert supervised.pids == [1]


def test_stop_terminates_all_workers_and_closes_the_sockets(supervised: Supervised) -> None:
    held = well(1), well(2)
    supervised.hold(*held)
    supervised.them.terminate_all()
    assert [worker.done for worker in held] == [["terminate"], ["terminate"]]
    assert [each.closed for each in supervised.sockets] == [True, True]


class Ending(Scripted):
    """A worker that ends after so many waits, or at once when it is killed."""

    def __init__(self, pid: int, waits: int) -> None:
        super().__init__(pid)
        self._waits = waits

    def join(self, seconds: float | None = None) -> None:
        super().join(seconds)
        if seconds is not None:
            self.given_seconds.append(seconds)
        self._waits -= 1
        if self._waits < 0 and self.exitcode is None:
            self.exitcode = 0


def ending(supervised: Supervised, monkeypatch: pytest.MonkeyPatch, stop_seconds: float, *them: Ending) -> None:
    monkeypatch.setattr(time, "monotonic", itertools.count(1).__next__)
    supervised.them._stop_seconds = stop_seconds
    supervised.hold(*them)
    supervised.them.join_all()


def test_stop_waits_for_all_workers(supervised: Supervised, monkeypatch: pytest.MonkeyPatch) -> None:
    slow, quick = Ending(1, waits=3), Ending(2, waits=0)
    ending(supervised, monkeypatch, 100, slow, quick)
    assert (slow.exitcode, quick.exitcode) == (0, 0)
    assert slow.given_seconds == [0.05] * 4


def test_stuck_worker_is_killed_after_the_stop_time(supervised: Supervised, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = Ending(1, waits=1000)
    ending(supervised, monkeypatch, 10, stuck)
    assert stuck.exitcode == -9
    assert stuck.done[-2:] == ["kill", "join"]
    assert stuck.done.count("join") == 12, "eleven seconds by this clock, and once after the kill"


@pytest.mark.parametrize(("number", "told"), [(signal.SIGTERM, True), (signal.SIGINT, True), (signal.SIGHUP, False)])
def test_second_stop_signal_interrupts_the_workers(
    supervised: Supervised, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, *, told: bool
) -> None:
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, which: sent.append((pid, which)))
    supervised.them.signal_queue.append(number)
    ended = Ending(3, waits=0)
    ended.exitcode = 0
    ending(supervised, monkeypatch, 100, Ending(1, waits=2), Ending(2, waits=2), ended)
    assert sent == ([(1, signal.SIGINT), (2, signal.SIGINT)] if told else [])
    assert (supervised.them.signal_queue == []) is told
