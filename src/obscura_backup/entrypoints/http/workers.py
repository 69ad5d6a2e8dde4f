"""uvicorn's supervisor of workers, with an orderly end."""

from __future__ import annotations

import logging
import os
import signal
import time
from typing import TYPE_CHECKING

from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

if TYPE_CHECKING:
    from socket import socket

    from uvicorn import Config

_POLL_SECONDS = 0.05
_START_AGAIN_SECONDS = 1.0
_HURRY = {signal.SIGINT, signal.SIGTERM}

log = logging.getLogger(__name__)


class Workers(Multiprocess):
    """Several processes behind one socket.

    Args:
        config: uvicorn's.
        sockets: to listen on.
        patience_seconds: that the workers get to end by themselves once they were told to.
    """

    def __init__(self, config: Config, sockets: list[socket], *, patience_seconds: float) -> None:
        super().__init__(config, sockets)
        self._patience_seconds = patience_seconds

    @property
    def could_not_start(self) -> bool:
        """Whether it came to an end because no worker was left and a new one could not start."""
        return any(worker.exitcode == STARTUP_FAILURE for worker in self.processes)

    def keep_subprocess_alive(self) -> None:
        """Replace workers that ended; while others are there, also one that could not start.

        The stores were proved before the first worker, so what keeps a later one from starting passes: a full disk, a
        clock that is off. It is no reason to end those that serve.
        """
        for place, worker in enumerate(self.processes):
            if self.should_exit.is_set():
                return
            if worker.is_alive(timeout=self.config.timeout_worker_healthcheck):
                continue
            worker.kill()  # it may be there and not answer
            worker.join()
            log.warning("worker %s ended with code %s", worker.pid, worker.exitcode)
            if worker.exitcode == STARTUP_FAILURE:
                if not any(other.exitcode is None for other in self.processes):
                    self.should_exit.set()
                    return
                self.should_exit.wait(_START_AGAIN_SECONDS)
            self.processes[place] = Process(self.config, self.sockets)
            self.processes[place].start()

    def terminate_all(self) -> None:
        """Tell them, and let go of the socket: held here, it would take connections that nobody accepts any more."""
        super().terminate_all()
        for listening in self.sockets:
            listening.close()

    def join_all(self) -> None:
        """Wait for them; whoever asks again does not want to wait for the notice. One that is stuck is killed."""
        deadline = time.monotonic() + self._patience_seconds
        for worker in self.processes:
            while worker.process.is_alive():
                worker.process.join(_POLL_SECONDS)
                if time.monotonic() > deadline:
                    log.error("worker %s did not end in time and is killed", worker.pid)
                    worker.process.kill()
                    worker.process.join()
                if _HURRY & set(self.signal_queue):
                    self.signal_queue.clear()
                    self._hurry()

    def _hurry(self) -> None:
        for worker in self.processes:
            if worker.process.exitcode is None and worker.process.pid is not None:
                os.kill(worker.process.pid, signal.SIGINT)
