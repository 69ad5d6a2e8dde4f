from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from contracts import samples
from contracts.blob_store import content, stored
from obscura_backup.adapters.memory import MemoryMetadataStore
from obscura_backup.adapters.system_clock import SystemClock
from obscura_backup.domain.errors import BlobStoreUnavailable, OutcomeUnknown
from obscura_backup.domain.model import NO_VERSION
from obscura_backup.domain.service import BackupService
from support.servers.proxies.fault_proxy import Fault, FaultProxy
from support.servers.stores.s3_store import (
    LONG_TIMEOUT_SECONDS,
    READ_TIMEOUT_SECONDS,
    hanging_uploads,
    outage,
    recovered,
    started,
    struck,
    through,
)

if TYPE_CHECKING:
    from obscura_backup.adapters.object_stores.store import ObjectBlobStore
    from support.servers.stores.s3_store import MakeStore

PATIENCE_SECONDS = 2 * LONG_TIMEOUT_SECONDS
"""Longer than a stall, which ends when the test ends it, however busy the machine is."""


class TestSlowStore:
    async def test_slow_uploads_keep_no_download_waiting(
        self, proxy: FaultProxy, bucket: str, implementation: MakeStore
    ) -> None:
        blobs = await started(
            implementation(bucket, endpoint=through(proxy), max_writes=2, read_timeout_seconds=PATIENCE_SECONDS)
        )
        user = samples.user()
        await stored(blobs, user)
        slow = await hanging_uploads(blobs, proxy, 2)
        await content(blobs, user)
        assert await blobs.stat(samples.user(9)) is None
        assert not any(upload.done() for upload in slow)
        proxy.end_stalls()
        await asyncio.gather(*slow)
        await blobs.close()

    async def test_slow_downloads_and_uploads_keep_no_health_check_waiting(
        self, proxy: FaultProxy, bucket: str, implementation: MakeStore
    ) -> None:
        blobs = await started(
            implementation(
                bucket, endpoint=through(proxy), max_writes=1, max_reads=1, read_timeout_seconds=PATIENCE_SECONDS
            )
        )
        slow: list[asyncio.Task[Any]] = [*await hanging_uploads(blobs, proxy, 1)]
        proxy.plan(Fault.STALL, method="HEAD", seconds=LONG_TIMEOUT_SECONDS)
        before = proxy.struck
        slow.append(asyncio.create_task(blobs.stat(samples.user())))
        await struck(proxy, before + 1)
        await blobs.check()
        assert not any(each.done() for each in slow)
        proxy.end_stalls()
        await asyncio.gather(*slow)
        await blobs.close()

    async def test_wait_for_a_thread_ends_while_all_of_them_hang(
        self, proxy: FaultProxy, bucket: str, implementation: MakeStore
    ) -> None:
        blobs = implementation(
            bucket, endpoint=through(proxy), max_writes=1, wait_seconds=1.0, read_timeout_seconds=PATIENCE_SECONDS
        )
        await started(blobs)
        slow = await hanging_uploads(blobs, proxy, 1)
        with pytest.raises(BlobStoreUnavailable, match="too long"):
            await stored(blobs, samples.user(2))
        assert not any(upload.done() for upload in slow)
        proxy.end_stalls()
        await asyncio.gather(*slow)
        assert await blobs.stat(samples.user(2)) is None
        await blobs.close()


class TestOutage:
    """A store that takes connections and says nothing, as one does that was stopped."""

    async def test_only_one_request_probes_whether_the_outage_is_over(
        self, shaky: ObjectBlobStore, proxy: FaultProxy
    ) -> None:
        await outage(shaky, proxy)
        proxy.requests.clear()
        asked = [shaky.stat(samples.user(number)) for number in range(1, 9)]
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {BlobStoreUnavailable}
        assert dict(proxy.requests) == {"GET": 1}

    async def test_it_is_over_soon_after_the_store_is_back(self, shaky: ObjectBlobStore, proxy: FaultProxy) -> None:
        await outage(shaky, proxy)
        with pytest.raises(BlobStoreUnavailable):
            await shaky.check()
        proxy.forget()
        began = time.monotonic()
        await recovered(shaky)
        assert time.monotonic() - began < 10
        await stored(shaky, samples.user(5))

    async def test_false_alarm_costs_no_pause(self, shaky: ObjectBlobStore, proxy: FaultProxy) -> None:
        proxy.plan(Fault.STALL, times=2, seconds=READ_TIMEOUT_SECONDS * 2)
        uploads = [stored(shaky, samples.user(number)) for number in (1, 2)]
        outcomes = await asyncio.gather(*uploads, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {OutcomeUnknown}
        assert await shaky.stat(samples.user(1)) is not None

    async def test_upload_that_was_stored_before_it_is_not_denied(
        self, shaky: ObjectBlobStore, proxy: FaultProxy
    ) -> None:
        service = BackupService(MemoryMetadataStore(), shaky, SystemClock())
        for method in ("PUT", "HEAD", "GET"):
            proxy.plan(Fault.STALL, method=method, times=9, seconds=READ_TIMEOUT_SECONDS * 2)
        for _ in range(2):
            blob = samples.blob("kept")
            with pytest.raises((BlobStoreUnavailable, OutcomeUnknown)):
                await service.upload(samples.user(), NO_VERSION, blob)
        proxy.forget()
        await recovered(shaky)
        blob = samples.blob("kept")
        assert (await service.upload(samples.user(), NO_VERSION, blob)).version == 1
