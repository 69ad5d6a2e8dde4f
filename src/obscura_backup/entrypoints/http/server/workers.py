"""uvicorn's supervisor of worker processes, with a time limit for their start and an orderly end."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import SIGNALS, Process

from obscura_backup.entrypoints.http.server.shutdown import StartSignals

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.process import BaseProcess
    from socket import socket

    from uvicorn import Config

_POLL_SECONDS = 0.05
_START_AGAIN_SECONDS = 1.0
_STOP_SIGNALS = {signal.SIGINT, signal.SIGTERM}

log = logging.getLogger(__name__)


class Worker(Process):
    """One worker process.

    Args:
        config: uvicorn's.
        sockets: to listen on.
        fork: start it as a copy of this process, which has no thread but this one, and has imported everything; not as
            a new process, which imports everything again.

    Attributes:
        has_started: whether it has answered that it serves.
    """

    process: BaseProcess  # type: ignore[assignment]  # uvicorn annotates SpawnProcess, which a forked process is not

    def __init__(self, config: Config, sockets: list[socket], *, fork: bool) -> None:
        super().__init__(config, sockets)
        self._is_forked = fork
        if fork:
            self.process = multiprocessing.get_context("fork").Process(target=_run_forked, args=(self.target, sockets))
        self.has_started = False
        self._started_at = time.monotonic()
        self._is_pinged = False

    def start(self) -> None:
        """Start the process."""
        self._started_at = time.monotonic()
        if not self._is_forked:
            super().start()
            return
        # A signal to a copy that still has this process's handlers would be lost. A new process would keep the mask.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    @property
    def age_seconds(self) -> float:
        """Since the process was started."""
        return time.monotonic() - self._started_at

    def poll_started(self) -> bool:
        """Whether the worker has started, without waiting for its answer. One ping is under way at a time."""
        with suppress(OSError, EOFError):  # the process has ended
            if self._is_pinged and self.parent_conn.poll():
                self.has_started = self.parent_conn.recv()
                self._is_pinged = False
            if not self.has_started and not self._is_pinged:
                self.parent_conn.send(b"ping")
                self._is_pinged = True
        return self.has_started


class Workers(Multiprocess):
    """Several processes behind one socket.

    Args:
        config: uvicorn's; its `timeout_worker_healthcheck` is for workers that have started.
        sockets: to listen on.
        start_seconds: for the start of a worker; after that it is killed and replaced.
        stop_seconds: for the end of all workers after the signal; after that they are killed.
        on_end: told the process id of each worker that was replaced.
        fork: see `Worker`. From SIGHUP on, workers are new processes, in which new code runs.
    """

    processes: list[Worker]  # type: ignore[assignment]  # all are made in this class

    def __init__(
        self,
        config: Config,
        sockets: list[socket],
        *,
        start_seconds: float,
        stop_seconds: float,
        on_end: Callable[[int | None], None],
        fork: bool,
    ) -> None:
        super().__init__(config, sockets)
        self._start_seconds = start_seconds
        self._stop_seconds = stop_seconds
        self._on_end = on_end
        self._fork = fork

    @property
    def failed_to_start(self) -> bool:
        """Whether the supervisor ended because no worker was left and a new one failed to start."""
        return any(worker.exitcode == STARTUP_FAILURE for worker in self.processes)

    def init_processes(self) -> None:
        """Start all workers."""
        self.processes.extend(self._new_worker() for _ in range(self.processes_num))

    def handle_ttin(self) -> None:
        """Start one more worker."""
        self.processes_num += 1
        self.processes.append(self._new_worker())

    def restart_all(self) -> None:
        """Replace each worker once the new one has started; if one does not start in time, the old ones stay."""
        self._fork = False
        for place, old in enumerate(self.processes):
            new = self._new_worker()
            while new.process.is_alive() and not new.poll_started() and new.age_seconds <= self._start_seconds:
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
            self._on_end(old.pid)
            self.processes[place] = new

    def keep_subprocess_alive(self) -> None:
        """Replace workers that ended; while other workers run, also one that failed to start.

        The stores were checked before the first worker started. So the cause of a later failure is temporary, such as
        a full disk or a wrong clock, and no reason to end the workers that serve.
        """
        for place, worker in enumerate(self.processes):
            if self.should_exit.is_set():
                return
            if self._is_healthy(worker):
                continue
            worker.kill()  # it may run and not answer
            worker.join()
            self._on_end(worker.pid)
            log.warning("worker %s ended with code %s", worker.pid, worker.exitcode)
            if worker.exitcode == STARTUP_FAILURE:
                if not any(other.exitcode is None for other in self.processes):
                    self.should_exit.set()
                    return
                self.should_exit.wait(_START_AGAIN_SECONDS)
            self.processes[place] = self._new_worker()

    def _new_worker(self) -> Worker:
        worker = Worker(self.config, self.sockets, fork=self._fork)
        worker.start()
        return worker

    def _is_healthy(self, worker: Worker) -> bool:
        if worker.has_started:
            return worker.is_alive(timeout=self.config.timeout_worker_healthcheck)
        if not worker.process.is_alive():
            return False
        if worker.poll_started():
            log.info("worker %s started after %.1f s", worker.pid, worker.age_seconds)
        elif worker.age_seconds > self._start_seconds:
            log.error(
                "worker %s did not start within %g s (start_seconds) and is killed", worker.pid, self._start_seconds
            )
            return False
        return True

    def terminate_all(self) -> None:
        """Signal all workers, and close the socket: the system would put connections into its backlog, unaccepted."""
        super().terminate_all()
        for listening in self.sockets:
            listening.close()

    def join_all(self) -> None:
        """Wait for all workers. A second signal skips their notice; a stuck worker is killed."""
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


def _run_forked(target: Callable[[list[socket]], None], sockets: list[socket]) -> None:
    """Run `target` in a copy of the supervisor, with the signal handlers of a new process, or those of a start."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    StartSignals.handle()
    with suppress(KeyboardInterrupt):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        target(sockets)
