"""Workers that take long to start, as on a slow machine; only the worker processes are slowed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.servers.service import COMMAND, Service, free_port

# Python imports this before anything else. Only workers run a server.
SLOW_START = """
import pathlib, time, uvicorn

def run(server, *given):
    time.sleep(float(pathlib.Path(__file__).with_name("seconds").read_text()))
    started_run(server, *given)

started_run, uvicorn.Server.run = uvicorn.Server.run, run
"""
HEALTH_CHECK_SECONDS = 5
"""After which uvicorn takes an unresponsive worker for dead."""
FOREVER = 3600.0
PATIENCE_SECONDS = 120.0


@dataclass
class Slow:
    """A service of two workers, each of which sleeps before it starts."""

    folder: Path
    service: Service

    def start(self, sleep_seconds: float, **environment: str) -> None:
        """Start it, and wait for nothing."""
        (self.folder / "sitecustomize.py").write_text(SLOW_START)
        self.let_workers_sleep(sleep_seconds)
        self.service.port = free_port()
        self.service.environment = {
            "PYTHONPATH": str(self.folder),
            "OBSCURA_BACKUP_WORKERS": "2",
            "OBSCURA_BACKUP_PORT": str(self.service.port),
            "OBSCURA_BACKUP_DATA_DIR": str(self.folder / "data"),
            **environment,
        }
        with (self.folder / "log").open("w") as log:
            self.service.process = subprocess.Popen(
                [str(COMMAND), "serve"], env=self.service.full_environment(), stdin=subprocess.DEVNULL, stderr=log
            )

    def let_workers_sleep(self, seconds: float) -> None:
        """Slow the workers that start from now on."""
        (self.folder / "seconds").write_text(str(seconds))

    def wait_for(self, words: str, count: int = 1) -> str:
        """The log, once these words are in it so many times."""
        self.wait_until(lambda: (self.folder / "log").read_text().count(words) >= count)
        return (self.folder / "log").read_text()

    def wait_until(self, holds: Callable[[], bool]) -> None:
        """Wait until this holds."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.1)


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Slow]:
    slow = Slow(tmp_path, Service(tmp_path))
    yield slow
    slow.service.kill()


def test_worker_that_starts_slowly_is_not_killed(slow: Slow) -> None:
    slow.start(HEALTH_CHECK_SECONDS + 3)
    assert "ended with code" not in slow.wait_for(" started after ", count=2)
    assert slow.service.request("GET", "/health/live", token=None).status == 200
    assert slow.service.stop() == 0


def test_worker_that_does_not_start_in_its_time_is_replaced_and_the_log_says_why(slow: Slow) -> None:
    slow.start(FOREVER, OBSCURA_BACKUP_START_SECONDS="1")
    slow.wait_for("did not start within 1 s (start_seconds) and is killed", count=3)
    assert slow.service.stop() == 0


def test_worker_that_is_still_starting_does_not_delay_the_end(slow: Slow) -> None:
    slow.start(0)
    slow.wait_for(" started after ", count=2)
    slow.let_workers_sleep(FOREVER)
    os.kill(slow.service.workers()[0], signal.SIGKILL)
    slow.wait_for("ended with code -9")
    assert slow.service.stop() == 0


def test_check_of_the_stores_does_not_outlive_a_killed_supervisor(slow: Slow) -> None:
    """The check is a child that has the port, too; a service that is started again wants it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://127.0.0.1:{silent.getsockname()[1]}/none"
        slow.start(0, OBSCURA_BACKUP_METADATA_URL=url)
        slow.wait_until(lambda: bool(slow.service.workers()))
        slow.service.kill()
        slow.wait_until(lambda: is_free(slow.service.port))


def is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def is_copy_of_supervisor(pid: int) -> bool:
    """Else it is a new process, which imports everything itself."""
    return b"spawn_main" not in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_workers_are_replaced_on_sighup_however_slowly_the_new_ones_start(slow: Slow) -> None:
    slow.start(0)
    slow.wait_for(" started after ", count=2)
    before = slow.service.workers()
    assert [is_copy_of_supervisor(pid) for pid in before] == [True, True]
    slow.let_workers_sleep(HEALTH_CHECK_SECONDS + 1)
    assert slow.service.process is not None
    slow.service.process.send_signal(signal.SIGHUP)
    slow.wait_until(lambda: not set(slow.service.workers()) & set(before))
    assert not any(is_copy_of_supervisor(pid) for pid in slow.service.workers())
    assert slow.service.request("GET", "/health/live", token=None).status == 200
    assert slow.service.stop() == 0
