from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING

import pytest

from contracts import samples
from contracts.blob_store import content, stored
from contracts.object_store_faults import ObjectStoreFaultContract
from obscura_backup.adapters.object_stores.obstore_driver import bucket as obstore_bucket
from obscura_backup.adapters.object_stores.obstore_driver.store import ObstoreBlobStore
from obscura_backup.domain.errors import BlobStoreUnavailable
from obscura_backup.domain.model import ByteRange
from support.servers.in_process.bounded_protocol import eventually
from support.servers.proxies.fault_proxy import Fault, FaultProxy

if TYPE_CHECKING:
    from obscura_backup.adapters.object_stores.store import ObjectBlobStore
    from support.servers.stores.s3_server import S3Server
    from support.servers.stores.s3_store import MakeStore

from support.servers.stores.s3_store import (
    LONG_TIMEOUT_SECONDS,
    READ_TIMEOUT_SECONDS,
    hanging_uploads,
    recovered,
    started,
    stored_bytes,
    through,
)


class TestFaults(ObjectStoreFaultContract):
    async def test_long_body_has_more_time_than_silence(
        self, shaky: ObjectBlobStore, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """boto3 waits for each piece to be sent; obstore does not tell, and so waits for longer with the whole."""
        monkeypatch.setattr(obstore_bucket, "BODY_BYTES_PER_TIMEOUT", 1)
        if isinstance(shaky, ObstoreBlobStore):
            proxy.plan(Fault.STALL, seconds=READ_TIMEOUT_SECONDS * 3)
        await stored(shaky, samples.user(), "a body of some bytes")

    async def test_download_that_breaks_off_is_told(self, patient: ObjectBlobStore, proxy: FaultProxy) -> None:
        user, _ = await stored_bytes(patient, secrets.token_bytes(24 * 1024 * 1024))
        opened = await patient.open(user)
        assert opened is not None
        pieces = opened.chunks()
        await anext(pieces)
        proxy.reset()
        with pytest.raises(BlobStoreUnavailable):
            async for _ in pieces:
                pass
        await opened.aclose()

    async def test_abandoned_download_is_not_read_to_its_end(self, patient: ObjectBlobStore, proxy: FaultProxy) -> None:
        user, _ = await stored_bytes(patient, secrets.token_bytes(24 * 1024 * 1024))
        opened = await patient.open(user)
        assert opened is not None
        before = proxy.open_connections
        await opened.aclose()
        assert await asyncio.to_thread(eventually, lambda: proxy.open_connections < before)
        assert proxy.answered_bytes < 16 * 1024 * 1024
        assert (await content(patient, user, ByteRange(0, 9))) != b""

    async def test_reader_that_was_cancelled_leaves_nothing_behind(
        self, shaky: ObjectBlobStore, proxy: FaultProxy
    ) -> None:
        user, _ = await stored_bytes(shaky, secrets.token_bytes(600_000))
        proxy.plan(Fault.STALL, method="GET", seconds=READ_TIMEOUT_SECONDS / 2)
        opening = asyncio.create_task(shaky.open(user))
        await asyncio.sleep(READ_TIMEOUT_SECONDS / 4)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        assert len(await content(shaky, user)) == 600_000

    async def test_callers_do_not_pile_up_before_a_store_that_hangs(
        self, proxy: FaultProxy, bucket: str, implementation: MakeStore
    ) -> None:
        patience = 2 * LONG_TIMEOUT_SECONDS
        blobs = implementation(
            bucket, endpoint=through(proxy), read_timeout_seconds=patience, max_writes=2, waiting_max=3
        )
        await started(blobs)
        hanging = await hanging_uploads(blobs, proxy, 2)
        hanging += [asyncio.create_task(stored(blobs, samples.user(number))) for number in (11, 12, 13)]
        for _ in range(9):
            await asyncio.sleep(0)  # these three wait for their turn now
        with pytest.raises(BlobStoreUnavailable, match="too many"):
            await stored(blobs, samples.user())
        assert not any(upload.done() for upload in hanging)
        proxy.end_stalls()
        await asyncio.gather(*hanging)
        await blobs.close()

    async def test_store_that_died_and_came_back(
        self, server: S3Server, blobs: ObjectBlobStore, caplog: pytest.LogCaptureFixture
    ) -> None:
        user = samples.user()
        revision = await stored(blobs, user, "kept")
        server.kill()
        try:
            with pytest.raises(BlobStoreUnavailable):
                await blobs.stat(user)
            with pytest.raises(BlobStoreUnavailable):
                await stored(blobs, user, "lost", replaces=revision.tag)
        finally:
            server.start()
        await recovered(blobs)
        assert await blobs.stat(user) == revision
        assert (await content(blobs, user)).startswith(b"kept")
