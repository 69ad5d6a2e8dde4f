"""What every object store does when its server fails. The S3 adapter has more tests of its own.

The fixtures are those of `support.servers.stores.object_stores`.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from contracts import samples
from contracts.blob_store import content, stored
from obscura_backup.adapters.memory import MemoryMetadataStore
from obscura_backup.adapters.object_stores import store as object_stores
from obscura_backup.adapters.system_clock import SystemClock
from obscura_backup.domain.blob import Blob
from obscura_backup.domain.errors import BlobStoreUnavailable, OutcomeUnknown, PutRefused
from obscura_backup.domain.model import NO_VERSION, ByteRange, Version
from obscura_backup.domain.service import BackupService
from support.servers.proxies.fault_proxy import Fault, FaultProxy
from support.servers.stores.s3_store import LONG_TIMEOUT_SECONDS, recovered

if TYPE_CHECKING:
    from collections.abc import Callable

    from obscura_backup.adapters.object_stores.store import ObjectBlobStore


class ObjectStoreFaultContract:
    async def test_each_call_is_one_request(self, shaky: ObjectBlobStore, proxy: FaultProxy) -> None:
        """The metadata travel with the bytes, and a refusal is an answer like any other."""
        user = samples.user()
        await stored(shaky, user)
        with pytest.raises(PutRefused):
            await stored(shaky, user, "again")
        await content(shaky, user)
        await content(shaky, user, ByteRange(4, 9))
        await shaky.stat(user)
        assert dict(proxy.requests) == {"PUT": 2, "GET": 2, "HEAD": 1}

    async def test_lost_answer_of_a_put_is_an_unknown_outcome(self, shaky: ObjectBlobStore, proxy: FaultProxy) -> None:
        """It was stored; the upload id tells whose it is, and it was sent once only."""
        user, blob = samples.user(), samples.blob()
        draft = samples.draft(blob)
        proxy.plan(Fault.LOSE_ANSWER)
        with pytest.raises(OutcomeUnknown):
            await shaky.put(user, blob, draft, replaces=None)
        assert proxy.requests["PUT"] == 1
        found = await shaky.stat(user)
        assert found is not None
        assert found.upload_id == draft.upload_id
        with pytest.raises(PutRefused):
            await stored(shaky, user, "another")

    async def test_service_settles_a_lost_answer_by_itself(self, shaky: ObjectBlobStore, proxy: FaultProxy) -> None:
        service = BackupService(MemoryMetadataStore(), shaky, SystemClock())
        user = samples.user()
        proxy.plan(Fault.LOSE_ANSWER)
        assert (await service.upload(user, NO_VERSION, samples.blob("first"))).version == 1
        proxy.plan(Fault.LOSE_ANSWER)
        await service.delete(user, Version(1))
        assert proxy.requests["PUT"] == 2
        assert (await service.upload(user, NO_VERSION, samples.blob("second"))).version == 3

    async def test_put_cut_in_the_middle_is_an_unknown_outcome(self, shaky: ObjectBlobStore, proxy: FaultProxy) -> None:
        user, blob = samples.user(), Blob.of(secrets.token_bytes(2_000_000))
        proxy.plan(Fault.CUT_REQUEST)
        with pytest.raises(OutcomeUnknown):
            await shaky.put(user, blob, samples.draft(blob), replaces=None)
        assert proxy.requests["PUT"] == 1
        assert await shaky.stat(user) is None

    async def test_silence_after_a_put_is_an_unknown_outcome(self, shaky: ObjectBlobStore, proxy: FaultProxy) -> None:
        user = samples.user()
        proxy.plan(Fault.STALL, seconds=LONG_TIMEOUT_SECONDS)
        with pytest.raises(OutcomeUnknown):
            await stored(shaky, user)
        assert proxy.requests["PUT"] == 1
        assert await shaky.stat(user) is not None

    async def test_refused_connection_is_known_not_to_have_stored(
        self, shaky: ObjectBlobStore, proxy: FaultProxy
    ) -> None:
        user = samples.user()
        proxy.refuse()
        with pytest.raises(BlobStoreUnavailable):
            await stored(shaky, user)
        with pytest.raises(BlobStoreUnavailable):
            await shaky.check()
        proxy.listen()
        await recovered(shaky)
        assert await shaky.stat(user) is None

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    async def test_read_that_is_reset_is_tried_again(
        self, shaky: ObjectBlobStore, proxy: FaultProxy, method: str
    ) -> None:
        user = samples.user()
        revision = await stored(shaky, user)
        proxy.plan(Fault.CUT_ANSWER, method=method)
        found = await shaky.stat(user) if method == "HEAD" else revision
        assert found == revision
        assert (await content(shaky, user)).startswith(b"sealed")
        assert proxy.requests[method] == 2

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    async def test_read_is_not_tried_for_ever(self, shaky: ObjectBlobStore, proxy: FaultProxy, method: str) -> None:
        user = samples.user()
        await stored(shaky, user)
        proxy.plan(Fault.LOSE_ANSWER, method=method, times=9)
        with pytest.raises(BlobStoreUnavailable):
            await (shaky.stat(user) if method == "HEAD" else shaky.open(user))
        assert proxy.requests[method] == 1 + len(object_stores.RETRY_AFTER_SECONDS)

    async def test_listing_goes_on_after_a_failure(self, shaky: ObjectBlobStore, proxy: FaultProxy) -> None:
        users = [samples.user(number << 56) for number in (1, 2, 3)]
        for user in users:
            await stored(shaky, user)
        proxy.plan(Fault.CUT_ANSWER, method="GET")
        assert [user async for user in shaky.scan()] == users

    async def test_in_an_outage_calls_fail_without_a_request(self, shaky: ObjectBlobStore, proxy: FaultProxy) -> None:
        user = samples.user()
        for method in ("PUT", "HEAD", "GET"):
            proxy.plan(Fault.STALL, method=method, times=99, seconds=LONG_TIMEOUT_SECONDS)
        for _ in range(object_stores.FAILED_CALLS + 1):  # the last of them tests whether the outage is over
            with pytest.raises(BlobStoreUnavailable):
                await shaky.stat(user)
        proxy.requests.clear()
        for asked in (shaky.stat(user), shaky.open(user), shaky.check(), stored(shaky, user)):
            with pytest.raises(BlobStoreUnavailable):
                await asked
        assert dict(proxy.requests) == {}
        proxy.forget()
        await recovered(shaky)

    async def test_bucket_that_was_lost_is_not_an_empty_slot(
        self, blobs: ObjectBlobStore, remove_bucket: Callable[[], None]
    ) -> None:
        remove_bucket()
        for asked in (blobs.stat(samples.user()), blobs.open(samples.user()), stored(blobs, samples.user())):
            with pytest.raises(BlobStoreUnavailable) as refused:
                await asked
            assert "make the" in str(refused.value.__cause__)
