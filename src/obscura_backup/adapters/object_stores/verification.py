"""The test of a store before its first upload, as a task that outlives the request that began it."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from typing import Any


class Verification:
    """Runs one test at a time. It goes on if its caller is cancelled: a health check may have less time than it takes.

    Args:
        test: tests the store.

    Attributes:
        error: of the last test that ended.
    """

    def __init__(self, test: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._test = test
        self._running: asyncio.Task[None] | None = None
        self._closed = threading.Event()
        self.error: BaseException | None = None

    @property
    def is_running(self) -> bool:
        """Whether a test is under way."""
        return self._running is not None

    def is_closed(self) -> bool:
        """Whether the test has to end. For the thread that sends its requests."""
        return self._closed.is_set()

    def start(self) -> Awaitable[None]:
        """Begin a test, if none is under way; the result waits for its end, and raises what it raises."""
        if self._running is None:
            self._running = asyncio.create_task(self._test())
            self._running.add_done_callback(self._end)
        return asyncio.shield(self._running)

    async def close(self) -> None:
        """End the test that is under way; its thread sends no further request."""
        self._closed.set()
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait((self._running,))

    def _end(self, ended: asyncio.Task[None]) -> None:
        # Its caller may be gone, and asyncio logs errors that nothing retrieves.
        self._running, self.error = None, None if ended.cancelled() else ended.exception()
