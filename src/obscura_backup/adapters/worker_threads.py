"""Threads for calls that wait for the disk. Their results wake the event loop once for all that are ready."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

R = TypeVar("R")


class _Call(NamedTuple):
    result: asyncio.Future[Any]
    function: Callable[..., Any]
    args: tuple[Any, ...]


class WorkerThreads:
    """At most `limit` threads, each started when a call finds all others busy. They serve one event loop.

    The executor of the standard library costs twice as much: it has two futures and one wake-up per call.
    """

    def __init__(self, limit: int, *, name: str) -> None:
        self._limit = limit
        self._name = name
        self._threads: list[threading.Thread] = []
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._unfinished = 0
        self._finished: deque[tuple[_Call, Any, Exception | None]] = deque()
        self._is_waking = False
        self._is_closed = False

    def run(self, function: Callable[..., R], *args: Any) -> asyncio.Future[R]:
        """Call `function` in a thread. If the future is cancelled before the call began, it is not made.

        Raises:
            RuntimeError: the threads were closed.
        """
        if self._is_closed:
            raise RuntimeError(f"The threads {self._name!r} are closed.")
        result: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._unfinished += 1
        if len(self._threads) < min(self._unfinished, self._limit):
            thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._threads.append(thread)
            thread.start()
        self._calls.put(_Call(result, function, args))
        return result

    async def close(self) -> None:
        """Finish all calls and end the threads; safe to call more than once."""
        self._is_closed = True
        threads, self._threads = self._threads, []
        for _ in threads:
            self._calls.put(None)
        for thread in threads:
            await asyncio.to_thread(thread.join)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            value, failure = None, None
            try:
                if not call.result.cancelled():
                    value = call.function(*call.args)
            except Exception as error:  # noqa: BLE001  # of any kind: it is the result for the caller
                failure = error
            loop = call.result.get_loop()
            self._finished.append((call, value, failure))
            del call, value, failure  # an idle thread keeps nothing alive
            # Two threads may both see False. Then the loop is woken twice, and finds nothing the second time.
            if not self._is_waking and not loop.is_closed():
                self._is_waking = True
                loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        self._is_waking = False  # first: what is finished from now on wakes the loop again
        while self._finished:
            call, value, failure = self._finished.popleft()
            self._unfinished -= 1
            if call.result.done():  # cancelled meanwhile
                continue
            if failure is None:
                call.result.set_result(value)
            else:
                call.result.set_exception(failure)
