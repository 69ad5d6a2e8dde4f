"""An end that nobody is surprised by: whoever sends requests here is told to go elsewhere before the door closes.

    SIGTERM             readiness is red, and every answer ends its connection; all else goes on as before
    notice is over      who waits in the listener's queue is let in, and hardly anybody joins it any more
    a moment later      the listener closes; requests in flight get `drain_seconds` to finish, then an answer

A balancer that asks after readiness, or that keeps connections open, would otherwise meet a closed port with a request
in its hands. SIGINT, which is a person at a terminal, and a second SIGTERM skip the notice. A worker's parent passes
the second one on as SIGINT: supervisors such as systemd send the first to every process, and the parent then again.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

    from litestar.types import ASGIApp, Message, Receive, Scope, Send

BACKLOG_SECONDS = 0.3
"""Enough to take in a queue and to read the heads of its requests."""
_CLOSE = (b"connection", b"close")


class ShutdownState:
    """Whether this process was told to stop. `announced` is read by every request and set once."""

    def __init__(self) -> None:
        self.announced = False

    def watch(self, notice_seconds: float, *, has_parent: bool) -> None:
        """From now on, let SIGTERM wait for the notice before it does what it did until now.

        Called in the main thread, by the loop that serves, after the server has set its own handlers.
        """
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

            # The handler runs between any two instructions: what touches the loop is left to the loop.
            loop.call_soon_threadsafe(loop.call_later, notice_seconds, last_call)

        if callable(stop):
            signal.signal(signal.SIGTERM, announce)
            # A terminal that is closed, unless somebody asked to outlive it; of several processes it is the parent's.
            if not has_parent and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
                signal.signal(signal.SIGHUP, lambda _, frame: announce(signal.SIGTERM, frame))


def close_backlog(server: Any) -> None:
    """Shorten the queue of the listeners to nothing: closing one resets whoever waits in it for an answer.

    Who still comes is not answered by the system, tries again a second later, and is then refused.
    """
    for listener in getattr(server, "servers", ()):
        for listening in listener.sockets:
            with socket.socket(fileno=os.dup(listening.fileno())) as same:
                same.listen(0)


class ConnectionCloseMiddleware:
    """Wraps an application: once the end is announced, each answer is the last one on its connection."""

    def __init__(self, app: ASGIApp, stopping: ShutdownState) -> None:
        self._app = app
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on; add `Connection: close` where there is an answer to add it to."""

        async def closing(message: Message) -> None:
            if self._stopping.announced and message["type"] == "http.response.start":
                headers = [*message["headers"]]
                if _CLOSE not in headers:
                    headers.append(_CLOSE)
                message["headers"] = headers
            await send(message)

        await self._app(scope, receive, closing)
