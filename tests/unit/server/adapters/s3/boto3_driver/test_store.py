"""The S3 blob store over a bucket in memory: when it is tested, what is retried, refused and released."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from contracts import samples
from contracts.blob_store import BlobStoreContract
from obscura_backup.adapters.object_stores.errors import (
    RefusedByStore,
    TransientFailure,
    failure_of_put,
    failure_of_read,
)
from obscura_backup.adapters.object_stores.failed_request import FailedRequest, Failure
from obscura_backup.adapters.object_stores.probe_report import ProbeReport
from obscura_backup.adapters.s3.boto3_driver import store as s3
from obscura_backup.adapters.s3.boto3_driver.store import Boto3BlobStore
from obscura_backup.adapters.s3.location import S3Location
from obscura_backup.domain.blob import Blob
from obscura_backup.domain.errors import BlobStoreUnavailable, OutcomeUnknown, StoreUnusable
from support.servers.in_process.bucket_in_memory import BucketInMemory

USER = samples.user(1)


def store_over(bucket: BucketInMemory, **given: Any) -> Boto3BlobStore:
    store = Boto3BlobStore(S3Location("a-bucket"), **given)
    parts: Any = store
    parts._bucket = parts._probe_client = bucket
    return store


class TestContract(BlobStoreContract):
    """The contract of a blob store, without the driver."""

    @pytest.fixture
    async def blobs(self, monkeypatch: pytest.MonkeyPatch) -> Any:
        monkeypatch.setattr(s3, "probe", lambda *_, **__: ProbeReport(()))  # which has tests of its own
        store = store_over(BucketInMemory())
        await store.start()
        yield store
        await store.close()


async def test_store_is_probed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    probed_buckets: list[object] = []

    def probe(bucket: Any, *, with_false_checksum: Any, is_stopping: Any) -> Any:
        assert not is_stopping()
        probed_buckets.append(bucket)
        return ProbeReport(())

    monkeypatch.setattr(s3, "probe", probe)
    bucket = BucketInMemory()
    store = store_over(bucket)
    await store.start()
    for number in range(2):
        blob = samples.blob()
        await store.put(samples.user(number + 1), blob, samples.draft(blob), replaces=None)
    await store.close()
    assert probed_buckets == [bucket]
    assert bucket.calls[-2:] == ["close", "close"]


async def test_store_that_was_down_at_the_start_is_probed_before_the_first_upload() -> None:
    bucket = BucketInMemory()
    bucket.failures = [BlobStoreUnavailable("down")]
    store = store_over(bucket)
    await store.start()
    assert "put" not in bucket.calls
    blob = samples.blob()
    await store.put(USER, blob, samples.draft(blob), replaces=None)
    assert len(bucket.objects) == 1
    await store.close()


async def test_unusable_store_does_not_start() -> None:
    store = store_over(BucketInMemory("creates over"))
    with pytest.raises(StoreUnusable, match="does not honour"):
        await store.start()
    await store.close()


async def test_users_do_not_get_messages_for_operators() -> None:
    bucket = BucketInMemory()
    store = store_over(bucket)
    await store.start()
    bucket.failures = [RefusedByStore(403, "AccessDenied", "HeadObject", bucket.advice)]
    with pytest.raises(BlobStoreUnavailable, match=r"^The blob store refuses the service's credentials\.$"):
        await store.stat(USER)
    await store.close()


@pytest.mark.parametrize(("failures", "is_answered"), [(0, True), (2, True), (3, False)])
async def test_read_is_retried_twice_after_a_transient_failure(
    monkeypatch: pytest.MonkeyPatch, failures: int, *, is_answered: bool
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    bucket = BucketInMemory()
    store = store_over(bucket)
    await store.start()
    bucket.failures = [TransientFailure("a transient failure") for _ in range(failures)]
    with monkeypatch.context() as patched:
        patched.setattr(asyncio, "sleep", sleep)
        if is_answered:
            assert await store.stat(USER) is None
        else:
            with pytest.raises(TransientFailure):
                await store.stat(USER)
    assert slept == [0.05, 0.25][:failures]
    await store.close()


async def test_upload_is_not_retried() -> None:
    bucket = BucketInMemory()
    store = store_over(bucket)
    await store.start()
    puts = bucket.calls.count("put")
    bucket.failures = [OutcomeUnknown()]
    blob = samples.blob()
    with pytest.raises(OutcomeUnknown):
        await store.put(USER, blob, samples.draft(blob), replaces=None)
    assert bucket.calls.count("put") == puts + 1
    await store.close()


def timeout(of: Any = failure_of_put) -> Exception:
    cause = FailedRequest(Failure.READ_TIMEOUT, "ReadTimeoutError")
    failure: Exception = of(cause)
    failure.__cause__ = cause
    return failure


async def test_two_timeouts_in_a_row_are_an_outage_that_ends_with_an_answer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bucket = BucketInMemory()
    store = store_over(bucket)
    await store.start()
    bucket.failures = [timeout(failure_of_read), timeout(failure_of_read), timeout(failure_of_read)]
    for _ in range(2):
        with pytest.raises(BlobStoreUnavailable):
            await store.stat(USER)
    assert "the blob store is not available" in caplog.text
    calls = len(bucket.calls)
    with pytest.raises(BlobStoreUnavailable):
        await store.stat(USER)  # tests the store first, in vain
    assert len(bucket.calls) == calls + 1
    with pytest.raises(BlobStoreUnavailable):
        await store.stat(USER)  # sends nothing: the last test was less than a second ago
    assert len(bucket.calls) == calls + 1
    monkeypatch.setattr(time, "monotonic", lambda: 1e12)
    assert await store.stat(USER) is None
    assert "the blob store is available again" in caplog.text
    await store.close()


async def test_foreign_keys_are_skipped_with_one_warning_per_scan(caplog: pytest.LogCaptureFixture) -> None:
    bucket = BucketInMemory()
    store = store_over(bucket)
    await store.start()
    for number in (1, 2):
        blob = samples.blob()
        await store.put(samples.user(number), blob, samples.draft(blob), replaces=None)
    held = next(iter(bucket.objects.values()))
    bucket.objects |= {"backups/notes": held, f"backups/{str(samples.user(3)).upper()}x": held}
    assert [user async for user in store.scan()] == [samples.user(1), samples.user(2)]
    assert [user async for user in store.scan(samples.user(1))] == [samples.user(2)]
    assert caplog.text.count("are not ours") == 2, "once per scan"
    await store.close()


async def test_scan_reads_page_after_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "PAGE_KEYS", 2)
    bucket = BucketInMemory()
    store = store_over(bucket)
    await store.start()
    users = [samples.user(number) for number in range(1, 6)]
    for user in users:
        blob = samples.blob()
        await store.put(user, blob, samples.draft(blob), replaces=None)
    assert [user async for user in store.scan()] == users
    await store.close()


async def test_closed_blob_returns_its_connection() -> None:
    bucket = BucketInMemory()
    store = store_over(bucket)
    await store.start()
    blob = samples.blob()
    await store.put(USER, blob, samples.draft(blob), replaces=None)
    opened: Any = await store.open(USER)
    await opened.aclose()
    assert opened._download._body.closed
    await store.close()


async def test_blob_closed_after_its_store_returns_its_connection() -> None:
    store = store_over(BucketInMemory())
    await store.start()
    blob = Blob.of(bytes(600_000))
    await store.put(USER, blob, samples.draft(blob), replaces=None)
    opened: Any = await store.open(USER)
    assert not opened._download.is_complete
    await store.close()
    await opened.aclose()
    assert opened._download._body.closed
