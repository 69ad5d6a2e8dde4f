"""A limit on concurrent requests, and on those that wait for their turn."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from obscura_backup.domain.errors import BlobStoreUnavailable

if TYPE_CHECKING:
    from types import TracebackType


class ConcurrencyLimit:
    """Like `BoundedExecutor`, for requests without threads: if the store hangs, further callers fail at once.

    A request is sent inside `async with limit`. Entering raises `BlobStoreUnavailable` if too many wait already, the
    caller waited too long, or the store was closed.

    Args:
        count: of concurrent requests.
        waiting_max: callers that may wait for their turn; the next one fails at once.
        wait_seconds: that a caller may wait; then it fails.
    """

    def __init__(self, count: int, *, waiting_max: int, wait_seconds: float) -> None:
        self._count = count
        self._turns = asyncio.Semaphore(count)
        self._callers = 0
        self._callers_max = count + waiting_max
        self._wait_seconds = wait_seconds
        self._closed = False

    async def __aenter__(self) -> None:
        if self._closed:
            raise BlobStoreUnavailable("The blob store was closed.")
        if self._callers >= self._callers_max:
            raise BlobStoreUnavailable("The blob store is too slow: too many requests wait for it.")
        self._callers += 1
        try:
            await self._await_turn()
        except BaseException:
            self._callers -= 1
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._callers -= 1
        self._turns.release()

    async def close(self) -> None:
        """Wait for what is under way; safe to call more than once."""
        self._closed = True
        for _ in range(self._count):
            await self._turns.acquire()
        for _ in range(self._count):
            self._turns.release()

    async def _await_turn(self) -> None:
        if not self._turns.locked():
            await self._turns.acquire()  # at once
            return
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._turns.acquire()
        except TimeoutError as error:
            raise BlobStoreUnavailable("The blob store is too slow: a request waited for its turn too long.") from error
