"""The supervisor of workers over worker processes that are scripted."""

from __future__ import annotations

import time
from collections import deque
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from obscura_backup.entrypoints.http.server import workers
from obscura_backup.entrypoints.http.server.workers import Workers

if TYPE_CHECKING:
    import pytest

START_SECONDS = 100.0
HEALTH_CHECK_SECONDS = 5


class Scripted:
    """A scripted worker. It has started after `takes` polls that found it starting."""

    def __init__(self, pid: int, *, takes: int = 0, exitcode: int | None = None) -> None:
        self.pid = pid
        self.exitcode = exitcode
        self.has_started = False
        self.age_seconds = 0.0
        self.answers = True
        self.done: list[str] = []
        self.given_seconds: list[float] = []
        self._takes = takes
        self.process = self

    def is_alive(self, timeout: float | None = None) -> bool:
        if timeout is not None:
            self.given_seconds.append(timeout)
            return self.exitcode is None and self.answers
        return self.exitcode is None

    def start(self) -> None:
        self.done.append("start")

    def poll_started(self) -> bool:
        self.age_seconds += 1
        self._takes -= 1
        self.has_started = self.has_started or self._takes < 0
        return self.has_started

    def terminate(self) -> None:
        self.done.append("terminate")

    def kill(self) -> None:
        self.done.append("kill")
        if self.exitcode is None:
            self.exitcode = -9

    def join(self, seconds: float | None = None) -> None:
        self.done.append("join")


class Supervised:
    """A supervisor and the workers that it makes: first the prepared ones, then workers that start at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, count: int = 2) -> None:
        self.prepared: deque[Scripted] = deque()
        self.made: list[Scripted] = []
        self.slept: list[float] = []
        self.ended: list[int | None] = []
        self.forked: list[bool] = []
        monkeypatch.setattr(workers, "Worker", self._make)
        monkeypatch.setattr(time, "sleep", self.slept.append)
        config: Any = SimpleNamespace(workers=count, timeout_worker_healthcheck=HEALTH_CHECK_SECONDS)
        self.sockets = [Listening(), Listening()]
        sockets: Any = self.sockets
        self.them = Workers(
            config, sockets, start_seconds=START_SECONDS, stop_seconds=0.0, on_end=self.ended.append, fork=True
        )

    def _make(self, config: Any, sockets: Any, *, fork: bool) -> Scripted:
        assert (config, sockets) == (self.them.config, self.them.sockets)
        self.forked.append(fork)
        worker = self.prepared.popleft() if self.prepared else Scripted(100 + len(self.made))
        self.made.append(worker)
        return worker

    def hold(self, *scripted: Scripted) -> None:
        """Begin with these workers."""
        given: Any = list(scripted)
        self.them.processes = given

    @property
    def pids(self) -> list[int | None]:
        return [worker.pid for worker in self.them.processes]


class Listening:
    closed = False

    def close(self) -> None:
        self.closed = True


def well(pid: int) -> Scripted:
    """A worker that has started."""
    worker = Scripted(pid)
    worker.has_started = True
    return worker
