from __future__ import annotations

import asyncio
import gc
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

import pytest

from obscura_backup.adapters.object_stores.bounded_executor import BoundedExecutor, _result
from obscura_backup.domain.errors import BlobStoreUnavailable
from support.table import table


async def test_work_and_its_failures_come_through() -> None:
    threads = BoundedExecutor(1, waiting_max=0, wait_seconds=1)
    assert await threads.run(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda: 1 // 0)
    assert await threads.run(lambda: 8) == 8
    threads.close()


async def test_one_more_than_may_wait_is_refused_at_once() -> None:
    threads = BoundedExecutor(1, waiting_max=1, wait_seconds=10)
    go_on = threading.Event()
    accepted = [asyncio.create_task(threads.run(go_on.wait)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(BlobStoreUnavailable, match="too many"):
        await threads.run(lambda: None)
    go_on.set()
    assert await asyncio.gather(*accepted) == [True, True]
    await threads.run(lambda: None)
    threads.close()


async def test_call_that_waited_too_long_fails_while_all_threads_hang_and_is_not_run_later() -> None:
    threads = BoundedExecutor(1, waiting_max=1, wait_seconds=0.02)
    go_on = threading.Event()
    first = asyncio.create_task(threads.run(go_on.wait))
    ran: list[str] = []
    await asyncio.sleep(0)
    with pytest.raises(BlobStoreUnavailable, match="too long"):
        await threads.run(lambda: ran.append("late"))
    assert not first.done()
    go_on.set()
    await first
    threads.close()
    assert ran == []


async def test_call_that_waited_too_long_makes_room_for_another() -> None:
    threads = BoundedExecutor(1, waiting_max=1, wait_seconds=0.02)
    go_on = threading.Event()
    first = asyncio.create_task(threads.run(go_on.wait))
    await asyncio.sleep(0)
    for _ in range(3):
        with pytest.raises(BlobStoreUnavailable, match="too long"):
            await threads.run(lambda: None)
    go_on.set()
    await first
    threads.close()


async def test_work_that_has_begun_may_take_longer_than_the_wait() -> None:
    threads = BoundedExecutor(1, waiting_max=0, wait_seconds=0.02)
    assert await threads.run(lambda: threading.Event().wait(0.1)) is False
    threads.close()


async def test_result_of_a_cancelled_caller_is_let_go() -> None:
    threads = BoundedExecutor(1, waiting_max=0, wait_seconds=1)
    go_on, let_go = threading.Event(), threading.Event()
    caller = asyncio.create_task(threads.run(go_on.wait, discard=lambda _: let_go.set()))
    await asyncio.sleep(0.01)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    go_on.set()
    assert await asyncio.to_thread(let_go.wait, 5)
    threads.close()


async def test_after_closing_no_thread_runs() -> None:
    threads = BoundedExecutor(1, waiting_max=0, wait_seconds=1)
    threads.close()
    threads.close()
    for _ in range(3):
        with pytest.raises(BlobStoreUnavailable, match="closed"):
            await threads.run(lambda: None)


@table("steps", range(6))
async def test_a_failure_in_the_moment_of_a_cancellation_is_not_reported(steps: int) -> None:
    """However far the failure has come on its way to the caller when the caller is cancelled."""
    loop, complaints = asyncio.get_running_loop(), list[dict[str, Any]]()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    work: Future[None] = Future()
    work.set_running_or_notify_cancel()
    caller = asyncio.create_task(_result(work, None, None))
    await asyncio.sleep(0)
    work.set_exception(ZeroDivisionError())
    for _ in range(steps):
        await asyncio.sleep(0)
    caller.cancel()
    with suppress(asyncio.CancelledError, ZeroDivisionError):
        await caller
    del caller, work
    await asyncio.sleep(0)
    gc.collect()
    await asyncio.sleep(0)
    assert complaints == []
