"""SIGKILL in the middle of uploads, many times: every acknowledged backup is still there, whole."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.http_people import blob
from contracts.kills import run_kills
from support.servers.in_process.bounded_protocol import eventually
from support.servers.service import Person, Service


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = Service(tmp_path / "data")
    service.start()
    yield service
    service.kill()


def test_killed_service_keeps_every_acknowledged_upload(service: Service) -> None:
    def kill_and_restart(_: int) -> None:
        service.kill()
        service.start()

    writers = run_kills(service, kill_and_restart, rounds=12, writers=6, pause_seconds=0.25)
    assert sum(writer.uploads for writer in writers) > 50
    assert sum(writer.unanswered for writer in writers) > 6  # the kills did come in the middle


def test_killed_workers_are_replaced_and_nothing_is_lost(tmp_path: Path) -> None:
    """Several workers on the embedded stores are safe: flock and SQLite's own locks exclude processes too."""
    service = Service(tmp_path / "data", arguments=("--workers", "2"))
    service.start()
    killed: list[int] = []

    def kill_one_worker(_: int) -> None:
        worker = _some_worker(service)
        os.kill(worker, signal.SIGKILL)
        killed.append(worker)

    try:
        writers = run_kills(service, kill_one_worker, rounds=4, writers=6, pause_seconds=0.5)
        assert sum(writer.uploads for writer in writers) > 50
        assert len(set(killed)) == 4
        assert service.stop() == 0
    finally:
        service.kill()


def _some_worker(service: Service) -> int:
    deadline = time.monotonic() + 60
    while not (workers := service.workers()):
        assert time.monotonic() < deadline, "no worker was started again"
        time.sleep(0.01)
    return workers[0]


def test_second_process_on_the_same_data_is_safe(service: Service) -> None:
    other = Service(service.data_dir)
    other.start()

    def swap(_: int) -> None:
        service.port, other.port = other.port, service.port  # the writers go on with the other process

    writers = run_kills(service, swap, rounds=8, writers=6, pause_seconds=0.15)
    assert sum(writer.uploads for writer in writers) > 50
    assert other.stop() == 0


def test_killing_the_parent_of_workers_frees_the_port(tmp_path: Path) -> None:
    service = Service(tmp_path / "data", arguments=("--workers", "2"))
    service.start()
    service.kill()
    service.start()
    assert service.stop() == 0


def test_worker_that_cannot_start_is_tried_again_while_the_other_one_serves(tmp_path: Path) -> None:
    service = Service(tmp_path / "data", arguments=("--workers", "2"))
    service.start()
    incoming, aside = tmp_path / "data" / "blobs" / "incoming", tmp_path / "aside"
    person, body = Person.of(service), blob()
    try:
        assert person.upload(body).status == 200
        assert eventually(lambda: len(list(incoming.iterdir())) == 2, 60)  # both have started
        first, folders = set(service.workers()), set(incoming.iterdir())
        incoming.rename(aside)
        incoming.touch()  # a new worker finds no folder to write to
        os.kill(min(first), signal.SIGKILL)
        tried: set[int] = set()

        def tried_twice() -> bool:
            tried.update(set(service.workers()) - first)
            return len(tried) >= 2

        assert eventually(tried_twice, 60)
        assert person.download().body == body
        incoming.unlink()
        aside.rename(incoming)
        assert eventually(lambda: bool(set(incoming.iterdir()) - folders), 60)  # the new one has made its own
        assert len(service.workers()) == 2
        assert person.upload(blob(), if_match="1").status == 200
        assert service.stop() == 0
    finally:
        service.kill()
