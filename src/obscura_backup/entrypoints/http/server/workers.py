"""uvicorn's supervisor of workers, with a bound of its own for their start, and an orderly end."""

from __future__ import annotations

import logging
import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

if TYPE_CHECKING:
    from socket import socket

    from uvicorn import Config

_POLL_SECONDS = 0.05
_START_AGAIN_SECONDS = 1.0
_STOP_SIGNALS = {signal.SIGINT, signal.SIGTERM}

log = logging.getLogger(__name__)


class Worker(Process):
    """One process that serves, from its start on.

    Attributes:
        has_started: whether it has said that it serves.
    """

    def __init__(self, config: Config, sockets: list[socket]) -> None:
        super().__init__(config, sockets)
        self.has_started = False
        self._started_at = time.monotonic()
        self._asked = False

    def start(self) -> None:
        """Start the process."""
        self._started_at = time.monotonic()
        super().start()

    @property
    def age_seconds(self) -> float:
        """Since its process was started."""
        return time.monotonic() - self._started_at

    def ask(self) -> bool:
        """Whether it has started, without waiting for its answer. One question is under way at a time."""
        with suppress(OSError, EOFError):  # it has ended
            if self._asked and self.parent_conn.poll():
                self.has_started = self.parent_conn.recv()
                self._asked = False
            if not self.has_started and not self._asked:
                self.parent_conn.send(b"ping")
                self._asked = True
        return self.has_started


class Workers(Multiprocess):
    """Several processes behind one socket.

    Args:
        config: uvicorn's; its `timeout_worker_healthcheck` is for workers that have started.
        sockets: to listen on.
        start_seconds: that a worker gets to start; then it is killed, and another one started.
        stop_seconds: that the workers get to end by themselves once they were told to.
    """

    processes: list[Worker]  # type: ignore[assignment]  # all are made here

    def __init__(self, config: Config, sockets: list[socket], *, start_seconds: float, stop_seconds: float) -> None:
        super().__init__(config, sockets)
        self._start_seconds = start_seconds
        self._stop_seconds = stop_seconds

    @property
    def failed_to_start(self) -> bool:
        """Whether it came to an end because no worker was left and a new one could not start."""
        return any(worker.exitcode == STARTUP_FAILURE for worker in self.processes)

    def init_processes(self) -> None:
        """Start all of them."""
        self.processes.extend(self._new_worker() for _ in range(self.processes_num))

    def handle_ttin(self) -> None:
        """One more."""
        self.processes_num += 1
        self.processes.append(self._new_worker())

    def restart_all(self) -> None:
        """Replace each worker once the new one has started; where one does not start in time, the old ones stay."""
        for place, old in enumerate(self.processes):
            new = self._new_worker()
            while new.process.is_alive() and not new.ask() and new.age_seconds <= self._start_seconds:
                if _STOP_SIGNALS & set(self.signal_queue):
                    break
                time.sleep(_POLL_SECONDS)
            if not new.has_started:
                new.kill()
                new.join()
                log.error("worker %s did not start; worker %s stays", new.pid, old.pid)
                return
            old.terminate()
            old.join()
            self.processes[place] = new

    def keep_subprocess_alive(self) -> None:
        """Replace workers that ended; while others are there, also one that could not start.

        The stores were proved before the first worker, so what keeps a later one from starting passes: a full disk, a
        clock that is off. It is no reason to end those that serve.
        """
        for place, worker in enumerate(self.processes):
            if self.should_exit.is_set():
                return
            if self._is_healthy(worker):
                continue
            worker.kill()  # it may be there and not answer
            worker.join()
            log.warning("worker %s ended with code %s", worker.pid, worker.exitcode)
            if worker.exitcode == STARTUP_FAILURE:
                if not any(other.exitcode is None for other in self.processes):
                    self.should_exit.set()
                    return
                self.should_exit.wait(_START_AGAIN_SECONDS)
            self.processes[place] = self._new_worker()

    def _new_worker(self) -> Worker:
        worker = Worker(self.config, self.sockets)
        worker.start()
        return worker

    def _is_healthy(self, worker: Worker) -> bool:
        if worker.has_started:
            return worker.is_alive(timeout=self.config.timeout_worker_healthcheck)
        if not worker.process.is_alive():
            return False
        if worker.ask():
            log.info("worker %s started after %.1f s", worker.pid, worker.age_seconds)
        elif worker.age_seconds > self._start_seconds:
            log.error(
                "worker %s did not start within %g s (start_seconds) and is killed", worker.pid, self._start_seconds
            )
            return False
        return True

    def terminate_all(self) -> None:
        """Tell them, and let go of the socket: held here, it would take connections that nobody accepts any more."""
        super().terminate_all()
        for listening in self.sockets:
            listening.close()

    def join_all(self) -> None:
        """Wait for them; whoever asks again does not want to wait for the notice. One that is stuck is killed."""
        deadline = time.monotonic() + self._stop_seconds
        for worker in self.processes:
            while worker.process.is_alive():
                worker.process.join(_POLL_SECONDS)
                if time.monotonic() > deadline:
                    log.error("worker %s did not end in time and is killed", worker.pid)
                    worker.process.kill()
                    worker.process.join()
                if _STOP_SIGNALS & set(self.signal_queue):
                    self.signal_queue.clear()
                    self._interrupt_workers()

    def _interrupt_workers(self) -> None:
        for worker in self.processes:
            if worker.process.exitcode is None and worker.process.pid is not None:
                os.kill(worker.process.pid, signal.SIGINT)
