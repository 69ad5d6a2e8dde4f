from __future__ import annotations

import logging
import time
import traceback
from typing import TYPE_CHECKING

import pytest

from contracts import samples
from contracts.blob_store import stored
from obscura_backup.domain.errors import BlobStoreUnavailable, StoreUnusable
from support.servers.proxies.fault_proxy import Fault, FaultProxy
from support.servers.stores import s3_server

if TYPE_CHECKING:
    from obscura_backup.adapters.object_stores.store import ObjectBlobStore
    from support.servers.stores.s3_server import S3Server
    from support.servers.stores.s3_store import MakeStore

from support.servers.stores.s3_store import LONG_TIMEOUT_SECONDS, recovered, through


class TestWhatUsersAreTold:
    async def test_credentials_that_are_refused_while_serving(
        self, server: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch, implementation: MakeStore
    ) -> None:
        """The answer names no setting; its cause, which is logged, does."""
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-wrong-secret")
        blobs = implementation(bucket, endpoint=server.endpoint)
        with pytest.raises(StoreUnusable):
            await blobs.start()
        for asked in (blobs.open(samples.user()), blobs.check(), stored(blobs, samples.user())):
            with pytest.raises(BlobStoreUnavailable) as refused:
                await asked
            assert str(refused.value) == "The blob store refuses the service's credentials."
            assert "AWS_ACCESS_KEY_ID" in str(refused.value.__cause__)
        await blobs.close()

    async def test_bucket_that_is_missing_while_serving(self, server: S3Server, implementation: MakeStore) -> None:
        blobs = implementation("no-such-bucket", endpoint=server.endpoint)
        with pytest.raises(StoreUnusable):
            await blobs.start()
        with pytest.raises(BlobStoreUnavailable) as refused:
            await stored(blobs, samples.user())
        assert str(refused.value) == "The blob store refuses what the service asks of it."
        await blobs.close()


class TestStart:
    async def test_store_that_hangs_is_not_waited_for(
        self, proxy: FaultProxy, bucket: str, caplog: pytest.LogCaptureFixture, implementation: MakeStore
    ) -> None:
        proxy.plan(Fault.STALL, method="GET", times=9, seconds=LONG_TIMEOUT_SECONDS)
        blobs = implementation(bucket, endpoint=through(proxy), read_timeout_seconds=2 * LONG_TIMEOUT_SECONDS)
        began = time.monotonic()
        await blobs.start()
        assert time.monotonic() - began < LONG_TIMEOUT_SECONDS / 2
        assert "uploads are refused" in caplog.text
        proxy.forget()
        proxy.end_stalls()
        await recovered(blobs)
        await stored(blobs, samples.user())
        await blobs.close()

    async def test_store_that_hangs_in_the_middle_of_being_tried_out_is_not_waited_for(
        self, proxy: FaultProxy, bucket: str, caplog: pytest.LogCaptureFixture, implementation: MakeStore
    ) -> None:
        proxy.plan(Fault.STALL, method="PUT", seconds=LONG_TIMEOUT_SECONDS)
        blobs = implementation(
            bucket, endpoint=through(proxy), start_seconds=0.3, read_timeout_seconds=2 * LONG_TIMEOUT_SECONDS
        )
        began = time.monotonic()
        await blobs.start()
        assert time.monotonic() - began < LONG_TIMEOUT_SECONDS / 2
        assert "uploads are refused" in caplog.text
        proxy.end_stalls()
        await recovered(blobs)
        await blobs.close()

    async def test_store_that_is_down_is_waited_for(
        self, proxy: FaultProxy, bucket: str, caplog: pytest.LogCaptureFixture, implementation: MakeStore
    ) -> None:
        """The probe is made up for before the first upload, not skipped."""
        proxy.refuse()
        blobs = implementation(bucket, endpoint=f"http://127.0.0.1:{proxy.port}")
        await blobs.start()
        assert "uploads are refused until it has been tested" in caplog.text
        with pytest.raises(BlobStoreUnavailable):
            await blobs.check()
        with pytest.raises(BlobStoreUnavailable):
            await stored(blobs, samples.user())
        proxy.listen()
        await recovered(blobs)
        assert proxy.requests["PUT"] > 3
        await stored(blobs, samples.user())
        await blobs.close()

    async def test_missing_bucket_is_refused_with_the_way_out(
        self, server: S3Server, implementation: MakeStore
    ) -> None:
        blobs = implementation("no-such-bucket", endpoint=server.endpoint)
        with pytest.raises(StoreUnusable, match="obscura-backup init-bucket"):
            await blobs.start()
        await blobs.close()

    async def test_missing_credentials_are_told_at_once(
        self, server: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch, implementation: MakeStore
    ) -> None:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        blobs = implementation(bucket, endpoint=server.endpoint)
        began = time.monotonic()
        with pytest.raises(StoreUnusable, match="AWS_ACCESS_KEY_ID"):
            await blobs.start()
        assert time.monotonic() - began < 2
        await blobs.close()

    async def test_wrong_secret_is_told_and_not_quoted(
        self, server: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch, implementation: MakeStore
    ) -> None:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-wrong-secret-that-stays-here")
        blobs = implementation(bucket, endpoint=server.endpoint)
        with pytest.raises(StoreUnusable, match="AWS_SECRET_ACCESS_KEY") as refused:
            await blobs.start()
        told = "".join(traceback.format_exception(refused.value)) + repr(vars(blobs)) + repr(blobs)
        assert "a-wrong-secret" not in told
        await blobs.close()

    async def test_no_secret_in_the_log(
        self,
        server: S3Server,
        bucket: str,
        proxy: FaultProxy,
        caplog: pytest.LogCaptureFixture,
        implementation: MakeStore,
    ) -> None:
        caplog.set_level(logging.INFO)
        proxy.refuse()
        blobs = implementation(bucket, endpoint=f"http://127.0.0.1:{proxy.port}")
        await blobs.start()
        await blobs.close()
        assert s3_server.SECRET_KEY not in caplog.text
        assert s3_server.ACCESS_KEY not in caplog.text

    async def test_clocks_agree(self, blobs: ObjectBlobStore) -> None:
        skew = await blobs.clock_skew_seconds()
        assert skew is not None
        assert abs(skew) < 2
