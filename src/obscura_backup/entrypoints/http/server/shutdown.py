"""Shutdown with notice, so that load balancers send new requests elsewhere before the port closes.

    SIGTERM             readiness answers 503 and every answer ends its connection; all else goes on as before
    notice is over      connections in the listener's backlog are accepted, and the backlog shrinks to nothing
    a moment later      the listener closes; requests in flight get `drain_seconds` to finish, then an answer

Without the notice, a balancer that polls readiness or keeps connections open would send requests to a closed port.
SIGINT (a person at a terminal) and a second SIGTERM skip the notice. A worker's parent passes the second one on as
SIGINT: supervisors such as systemd send the first SIGTERM to every process, and the parent sends it again.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from types import FrameType

BACKLOG_SECONDS = 0.3
"""Enough to accept a backlog and to read the heads of its requests."""


class StartSignals:
    """What SIGINT and SIGTERM do while uvicorn has no handlers: before it serves, and after that.

    uvicorn raises the signals that it got again at its end, and a supervisor may send more. An exception in the middle
    of the end would be reported as a failure.
    """

    is_over: ClassVar[bool] = False
    """Whether this process has begun to serve."""

    @classmethod
    def handle(cls) -> None:
        """Let both end the start, and do nothing once the process has begun to serve."""
        cls.is_over = False
        signal.signal(signal.SIGINT, cls._on_interrupt)
        signal.signal(signal.SIGTERM, cls._on_terminate)

    @classmethod
    def _on_interrupt(cls, number: int, frame: FrameType | None) -> None:
        if not cls.is_over:
            signal.default_int_handler(number, frame)

    @classmethod
    def _on_terminate(cls, _number: int, _frame: FrameType | None) -> None:
        if not cls.is_over:
            sys.exit(0)


class ShutdownState:
    """Whether this process was told to stop.

    Attributes:
        announced: read by every request; set once.
    """

    def __init__(self) -> None:
        self.announced = False

    def is_announced(self) -> bool:
        """Whether this process was told to stop."""
        return self.announced

    def watch(self, notice_seconds: float, *, has_parent: bool) -> None:
        """Delay SIGTERM by the notice, from now on.

        Call it in the main thread, in the loop that serves, after the server has set its own handlers.

        Args:
            notice_seconds: between SIGTERM and the handler that was set before.
            has_parent: whether this is a worker process, whose parent gets the signals, too.
        """
        StartSignals.is_over = True
        loop = asyncio.get_running_loop()
        stop: Any = signal.getsignal(signal.SIGTERM)

        def announce(number: int, frame: FrameType | None) -> None:
            if self.announced and has_parent:
                return
            if self.announced or notice_seconds == 0:
                self.announced = True
                stop(number, frame)
                return
            self.announced = True

            def last_call() -> None:
                close_backlog(getattr(stop, "__self__", None))
                loop.call_later(BACKLOG_SECONDS, stop, number, frame)

            # A handler runs between any two instructions, so that only the loop may touch the loop.
            loop.call_soon_threadsafe(loop.call_later, notice_seconds, last_call)

        if callable(stop):
            signal.signal(signal.SIGTERM, announce)
            # A closed terminal stops the service, unless nohup prevents it. Of several, only the parent acts on it.
            if not has_parent and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
                signal.signal(signal.SIGHUP, lambda _, frame: announce(signal.SIGTERM, frame))


def close_backlog(server: Any) -> None:
    """Shrink the backlog of the listeners to nothing, since closing a listener resets the connections in it.

    The system ignores clients that connect after that; they try again a second later, and are then refused.
    """
    for listener in getattr(server, "servers", ()):
        for listening in listener.sockets:
            with socket.socket(fileno=os.dup(listening.fileno())) as same:
                same.listen(0)
