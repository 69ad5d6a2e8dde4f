from __future__ import annotations

import asyncio

import pytest

from obscura_backup.adapters.object_stores.obstore_driver.concurrency_limit import ConcurrencyLimit
from obscura_backup.domain.errors import BlobStoreUnavailable


class Work:
    """Requests that go on until they are let go."""

    def __init__(self, limit: ConcurrencyLimit) -> None:
        self.limit = limit
        self.running = 0
        self.most = 0
        self.go = asyncio.Event()

    async def request(self) -> None:
        async with self.limit:
            self.running += 1
            self.most = max(self.most, self.running)
            await self.go.wait()
            self.running -= 1


async def started(work: Work, count: int) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(work.request()) for _ in range(count)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


async def test_no_more_run_at_once_than_allowed_and_all_get_their_turn() -> None:
    work = Work(ConcurrencyLimit(2, waiting_max=3, wait_seconds=60))
    tasks = await started(work, 5)
    assert work.running == 2
    work.go.set()
    await asyncio.gather(*tasks)
    assert work.most == 2


async def test_one_too_many_fails_at_once_and_takes_no_place() -> None:
    work = Work(ConcurrencyLimit(1, waiting_max=1, wait_seconds=60))
    tasks = await started(work, 2)
    for _ in range(3):
        with pytest.raises(BlobStoreUnavailable, match="too many"):
            await work.request()
    work.go.set()
    await asyncio.gather(*tasks)
    await work.request()


async def test_wait_ends_and_takes_no_place() -> None:
    work = Work(ConcurrencyLimit(1, waiting_max=1, wait_seconds=0.01))
    tasks = await started(work, 1)
    for _ in range(3):
        with pytest.raises(BlobStoreUnavailable, match="too long"):
            await work.request()
    work.go.set()
    await asyncio.gather(*tasks)


async def test_cancelled_request_gives_its_turn_back() -> None:
    work = Work(ConcurrencyLimit(1, waiting_max=1, wait_seconds=60))
    running, waiting = await started(work, 2)
    for task in (waiting, running):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    work.go.set()
    await work.request()


async def test_close_waits_for_what_is_under_way_and_admits_nothing_more() -> None:
    work = Work(ConcurrencyLimit(2, waiting_max=1, wait_seconds=60))
    tasks = await started(work, 1)
    closing = asyncio.create_task(work.limit.close())
    await asyncio.sleep(0.01)
    assert not closing.done()
    with pytest.raises(BlobStoreUnavailable, match="closed"):
        await work.request()
    work.go.set()
    await asyncio.gather(closing, *tasks)
    await work.limit.close()
