"""uvicorn's supervisor of workers, with an orderly end."""

from __future__ import annotations

import os
import signal

from uvicorn.supervisors import Multiprocess

_POLL_SECONDS = 0.05
_HURRY = {signal.SIGINT, signal.SIGTERM}


class Workers(Multiprocess):
    """Several processes behind one socket."""

    def terminate_all(self) -> None:
        """Tell them, and let go of the socket: held here, it would take connections that nobody accepts any more."""
        super().terminate_all()
        for listening in self.sockets:
            listening.close()

    def join_all(self) -> None:
        """Wait for them; whoever asks again does not want to wait for the notice."""
        for worker in self.processes:
            while worker.process.is_alive():
                worker.process.join(_POLL_SECONDS)
                if _HURRY & set(self.signal_queue):
                    self.signal_queue.clear()
                    self._hurry()

    def _hurry(self) -> None:
        for worker in self.processes:
            if worker.process.exitcode is None and worker.process.pid is not None:
                os.kill(worker.process.pid, signal.SIGINT)
