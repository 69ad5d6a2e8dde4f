"""One worker as its parent sees it: whether it has started, by messages through a pipe."""

from __future__ import annotations

import itertools
import time
from types import SimpleNamespace
from typing import Any

import pytest
from uvicorn.supervisors.multiprocess import Process

from obscura_backup.entrypoints.http.server.workers import Worker


class Pipe:
    """The parent's end of the pipe to a worker."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.answers: list[bool] = []
        self.is_broken = False

    def send(self, data: bytes) -> None:
        if self.is_broken:
            raise BrokenPipeError
        self.sent.append(data)

    def poll(self) -> bool:
        return bool(self.answers)

    def recv(self) -> bool:
        return self.answers.pop(0)


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> tuple[Worker, Pipe]:
    started: list[str] = []

    def prepared(worker: Any, _config: Any, _sockets: Any) -> None:
        worker.parent_conn = Pipe()
        worker.process = SimpleNamespace(start=lambda: started.append("start"))

    monkeypatch.setattr(Process, "__init__", prepared)
    config: Any = None
    worker: Any = Worker(config, [], fork=False)
    worker.started = started
    return worker, worker.parent_conn


def test_one_ping_is_under_way_at_a_time(piped: tuple[Worker, Pipe]) -> None:
    worker, pipe = piped
    assert [worker.poll_started() for _ in range(3)] == [False, False, False]
    assert pipe.sent == [b"ping"]


def test_worker_that_answers_true_has_started(piped: tuple[Worker, Pipe]) -> None:
    worker, pipe = piped
    worker.poll_started()
    pipe.answers.append(True)
    assert worker.poll_started()
    assert worker.has_started
    assert worker.poll_started()
    assert pipe.sent == [b"ping"]


def test_worker_that_answers_false_gets_another_ping(piped: tuple[Worker, Pipe]) -> None:
    worker, pipe = piped
    worker.poll_started()
    pipe.answers.append(False)
    assert not worker.poll_started()
    assert pipe.sent == [b"ping", b"ping"]


def test_answer_without_a_ping_is_not_read(piped: tuple[Worker, Pipe]) -> None:
    worker, pipe = piped
    pipe.answers.append(True)
    assert not worker.poll_started()


def test_ended_worker_has_not_started(piped: tuple[Worker, Pipe]) -> None:
    worker, pipe = piped
    pipe.is_broken = True
    assert not worker.poll_started()


def test_age_of_a_worker_is_counted_from_its_start(piped: tuple[Worker, Pipe], monkeypatch: pytest.MonkeyPatch) -> None:
    worker, _ = piped
    monkeypatch.setattr(time, "monotonic", itertools.count(1).__next__)
    worker.start()
    assert worker.age_seconds == 1
    assert worker.age_seconds == 2
    started: Any = worker
    assert started.started == ["start"]
