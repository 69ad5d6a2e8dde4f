"""A few threads for a blocking driver, with a limit on waiting calls."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from obscura_backup.domain.errors import BlobStoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

R = TypeVar("R")


class BoundedExecutor:
    """Runs blocking work in `count` threads. When the store hangs, calls fail instead of piling up.

    Args:
        count: of threads.
        waiting_max: calls that may wait for a thread; the next one fails at once.
        wait_seconds: how long a call may wait for a thread; then it fails without having run.
        name: of the threads.
    """

    def __init__(self, count: int, *, waiting_max: int, wait_seconds: float, name: str = "blobs") -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix=name)
        self._permits = threading.BoundedSemaphore(count + waiting_max)
        self._wait_seconds = wait_seconds

    async def run(self, work: Callable[[], R], *, discard: Callable[[R], None] | None = None) -> R:
        """Run `work` in a thread.

        Args:
            work: what to run.
            discard: receives the result if the caller was cancelled meanwhile, to release it.

        Raises:
            BlobStoreUnavailable: too many calls wait, or this one waited too long; `work` was not run.
        """
        if not self._permits.acquire(blocking=False):
            raise BlobStoreUnavailable("The blob store is too slow: too many requests wait for it.")
        try:
            future = self._submit(work)
        except BaseException:
            self._permits.release()
            raise
        future.add_done_callback(lambda _: self._permits.release())
        return await _result(future, discard, self._wait_seconds)

    async def run_unbounded(self, work: Callable[[], R]) -> R:
        """Run a further step of a stream, without limits: the number of streams is limited elsewhere.

        Raises:
            BlobStoreUnavailable: the store was closed.
        """
        return await _result(self._submit(work), None, None)

    def close(self) -> None:
        """Wait for running work; safe to call more than once."""
        self._pool.shutdown()

    def _submit(self, work: Callable[[], R]) -> Future[R]:
        try:
            return self._pool.submit(work)
        except RuntimeError as error:
            raise BlobStoreUnavailable("The blob store was closed.") from error


async def _result(future: Future[R], discard: Callable[[R], None] | None, wait_seconds: float | None) -> R:
    awaited = asyncio.wrap_future(future)
    try:
        done, _ = await asyncio.wait((awaited,), timeout=wait_seconds)
        if not done and future.cancel():  # running work cannot be cancelled, and may take its time
            raise BlobStoreUnavailable("The blob store is too slow: a request waited too long for a thread.")
        return await awaited
    except asyncio.CancelledError:
        if not awaited.cancel() and not awaited.cancelled():
            awaited.exception()  # it ended at the same moment; asyncio logs exceptions that are never retrieved
        if discard is not None:
            future.add_done_callback(lambda done: _discard(done, discard))
        raise


def _discard(done: Future[R], discard: Callable[[R], None]) -> None:
    if not done.cancelled() and done.exception() is None:
        discard(done.result())
