"""The metrics of several workers, whichever of them is asked."""

from __future__ import annotations

import http.client
import os
import signal
import socket
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import pytest

from support.servers.in_process.bounded_protocol import eventually
from support.servers.service import Person, Service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONNECTIONS = 12


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    started = Service(tmp_path / "data", arguments=("--workers", "2"), has_management=True)
    started.start()
    yield started
    started.stop()


def total(service: Service, name: str) -> float:
    """The sum of all samples that begin with this name."""
    lines = service.request_management("/metrics").body.decode().splitlines()
    return sum(float(line.split()[1]) for line in lines if line.startswith(f"obscura_backup_{name}"))


def comes_true(service: Service, name: str, expected: float) -> bool:
    """Whether the metrics come to show this value. Between two workers there may be no answer."""

    def holds() -> bool:
        with suppress(OSError, http.client.HTTPException):
            return total(service, name) == expected
        return False

    return eventually(holds, seconds=60)


def test_counts_and_gauges_are_those_of_all_workers_and_survive_them(service: Service) -> None:
    person = Person.of(service)
    assert person.upload(os.urandom(1000)).status == 200
    assert person.upload(os.urandom(1000), if_match="1").status == 200
    stored = 'blob_bytes_count{direction="stored"}'
    assert comes_true(service, stored, 2)
    assert comes_true(service, 'store_up{store="blobs"}', 1)
    with ExitStack() as held:
        for _ in range(CONNECTIONS):
            held.enter_context(socket.create_connection(("127.0.0.1", service.port)))
        assert comes_true(service, 'in_use{resource="connections"}', CONNECTIONS)
        for worker in service.workers():
            os.kill(worker, signal.SIGKILL)
        assert comes_true(service, 'in_use{resource="connections"}', 0)
    assert comes_true(service, stored, 2)
