"""`WorkerThreads`: results and errors, the number of threads, cancellation, and the end."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from obscura_backup.adapters.worker_threads import WorkerThreads

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LIMIT = 3
LONG_SECONDS = 10


@pytest.fixture
async def threads() -> AsyncIterator[WorkerThreads]:
    threads = WorkerThreads(LIMIT, name="tested")
    yield threads
    await threads.close()


def running() -> int:
    return sum(thread.name == "tested" for thread in threading.enumerate())


async def test_a_call_gives_its_result(threads: WorkerThreads) -> None:
    assert await threads.run(divmod, 17, 5) == (3, 2)


async def test_a_call_that_fails_gives_its_error_and_disturbs_no_other(threads: WorkerThreads) -> None:
    failed, done = threads.run(divmod, 1, 0), threads.run(divmod, 1, 1)
    with pytest.raises(ZeroDivisionError):
        await failed
    assert await done == (1, 0)


async def test_calls_one_after_the_other_share_a_thread(threads: WorkerThreads) -> None:
    names = {await threads.run(threading.get_ident) for _ in range(5)}
    assert len(names) == running() == 1


async def test_calls_at_the_same_time_have_threads_of_their_own_up_to_the_limit(threads: WorkerThreads) -> None:
    together = threading.Barrier(LIMIT)
    await asyncio.gather(*(threads.run(together.wait, LONG_SECONDS) for _ in range(2 * LIMIT)))
    assert running() == LIMIT


async def test_a_cancelled_call_keeps_its_thread_until_it_ends(threads: WorkerThreads) -> None:
    """So the next call gets another thread instead of waiting behind it."""
    go = threading.Event()
    cancelled = threads.run(go.wait, LONG_SECONDS)
    await asyncio.sleep(0)
    cancelled.cancel()
    assert await threads.run(divmod, 7, 2) == (3, 1)
    go.set()


async def test_a_call_that_is_cancelled_before_it_began_is_not_made(threads: WorkerThreads) -> None:
    go, called = threading.Event(), threading.Event()
    busy = [threads.run(go.wait, LONG_SECONDS) for _ in range(LIMIT)]
    threads.run(called.set).cancel()
    go.set()
    await asyncio.gather(*busy)
    await threads.close()
    assert not called.is_set()


async def test_results_that_are_ready_together_wake_the_loop_once(
    threads: WorkerThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    wake, wakes = loop.call_soon_threadsafe, list[object]()

    def counted(callback: object, *args: object) -> object:
        wakes.append(callback)
        return wake(callback, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
    results = [threads.run(divmod, number, 2) for number in range(8)]
    while threads._calls.qsize() or len(threads._finished) < len(results):
        pass  # the loop is kept busy meanwhile
    assert [(await result) for result in results] == [divmod(number, 2) for number in range(8)]
    assert wakes == [threads._deliver]


async def test_closing_finishes_the_calls_and_ends_the_threads(threads: WorkerThreads) -> None:
    results = [threads.run(divmod, number, 2) for number in range(20)]
    await threads.close()
    await threads.close()
    assert [(await result) for result in results] == [divmod(number, 2) for number in range(20)]
    assert running() == 0


async def test_a_call_after_closing_is_refused(threads: WorkerThreads) -> None:
    await threads.close()
    with pytest.raises(RuntimeError, match="closed"):
        threads.run(divmod, 1, 1)
