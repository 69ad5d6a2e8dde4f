"""The test of a store before its first upload: it outlives the requests that begin it, and ends with the store."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

import pytest

from contracts import samples
from contracts.blob_store import stored
from obscura_backup.adapters.memory import MemoryMetadataStore
from obscura_backup.adapters.object_stores.errors import RefusedByStore
from obscura_backup.adapters.object_stores.probe_report import ProbeReport
from obscura_backup.adapters.object_stores.store import ObjectBlobStore
from obscura_backup.domain.errors import BlobStoreUnavailable
from obscura_backup.entrypoints.http.routes.service import ReadinessCheck

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class SlowStore(ObjectBlobStore):
    """A bucket whose test ends when the store answers, or with its error."""

    MAX_WRITES = MAX_READS = 1

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__("a-bucket", start_seconds=0.01)
        self.answers = asyncio.Event()
        self.began = asyncio.Event()
        self.error = error
        self.tests = 0

    async def _probe(self) -> ProbeReport:
        self.tests += 1
        self.began.set()
        await self.answers.wait()
        if self.error is not None:
            raise self.error
        return ProbeReport(())

    async def probe_conditional_writes(self) -> ProbeReport:
        return await self._probe()

    async def _connect(self) -> None: ...

    async def _ping(self) -> None: ...

    async def _test(self) -> None: ...

    async def _put(self, *_: Any) -> Any:
        return samples.revision(1)

    async def _get(self, *_: Any, **__: Any) -> Any: ...

    async def _head(self, *_: Any, **__: Any) -> Any: ...

    async def _pages(self, after: str) -> AsyncIterator[list[str]]:
        yield [after]


async def ended(store: SlowStore) -> None:
    """The test that is under way has ended."""
    running = store._verification._running
    assert running is not None
    await asyncio.wait((running,), timeout=5)
    await asyncio.sleep(0)


async def test_health_checks_alone_finish_the_test_of_a_store_that_is_slower_than_they_are() -> None:
    store = SlowStore()
    await store.start()
    seconds = itertools.count(0, 10)
    checks = ReadinessCheck(
        MemoryMetadataStore(), store, lambda: False, timeout_seconds=0.01, clock=lambda: next(seconds)
    )
    assert [(await checks.readiness()).blobs for _ in range(3)] == ["unavailable"] * 3
    store.answers.set()
    await ended(store)
    assert (await checks.readiness()).status == "ok"
    assert store.tests == 1
    await store.close()


async def test_health_check_that_begins_the_test_does_not_end_it_by_its_own_time_limit() -> None:
    store = SlowStore()
    checks = ReadinessCheck(MemoryMetadataStore(), store, lambda: False, timeout_seconds=0.01)
    assert (await checks.readiness()).blobs == "unavailable"
    store.answers.set()
    await ended(store)
    await store.check()
    assert store.tests == 1
    await store.close()


async def test_checks_of_operators_wait_for_the_test_that_is_under_way() -> None:
    store = SlowStore()
    await store.start()
    checks = [asyncio.create_task(store.check()) for _ in range(2)]
    await asyncio.sleep(0)
    assert not any(check.done() for check in checks)
    store.answers.set()
    await asyncio.gather(*checks)
    assert store.tests == 1
    await store.close()


async def test_upload_during_a_test_fails_at_once_with_the_error_of_the_test_before() -> None:
    store = SlowStore(RefusedByStore(404, "NoSuchBucket", "a PUT"))
    store.answers.set()
    with pytest.raises(BlobStoreUnavailable, match="refuses what the service asks"):
        await store.check()
    store.answers.clear()
    store.began.clear()
    running = asyncio.create_task(store.check())
    await store.began.wait()
    with pytest.raises(BlobStoreUnavailable) as refused:
        await stored(store, samples.user())
    assert (
        refused.value.with_cause
        == "The blob store is being tested. (The blob store answered 404 NoSuchBucket to a PUT.)"
    )
    store.error = None
    store.answers.set()
    await running
    await stored(store, samples.user())
    assert store.tests == 2
    await store.close()


async def test_closing_ends_the_test() -> None:
    store = SlowStore()
    await store.start()
    assert store._verification.is_running
    await store.close()
    assert store._verification.is_closed()
    assert not store._verification.is_running
