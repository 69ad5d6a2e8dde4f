"""The S3 blob store and its probe over a bucket in memory: what is found out, tried again, refused and let go."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ReadTimeoutError  # type: ignore[import-untyped]  # botocore ships no types
from obscura_backup.domain.spool import Spool

from contracts import samples
from contracts.blob_store import BlobStoreContract
from obscura_backup.adapters.s3 import concurrency_probe as s3_race
from obscura_backup.adapters.s3 import probe as s3_probe
from obscura_backup.adapters.s3 import store as s3
from obscura_backup.adapters.s3.errors import RefusedByStore, TransientFailure, failure_of_put, failure_of_read
from obscura_backup.adapters.s3.probe import Severity
from obscura_backup.adapters.s3.store import S3BlobStore
from obscura_backup.domain.errors import BlobStoreUnavailable, OutcomeUnknown, StoreUnusable
from support.servers.bucket_in_memory import BucketInMemory

if TYPE_CHECKING:
    from obscura_backup.adapters.s3.probe import ProbeReport

USER = samples.user(1)
ORDER = [
    "creates where there is nothing",
    "refuses to create over an object",
    "refuses a tag where there is nothing",
    "replaces by the current tag",
    "refuses a stale tag",
    "gives back the bytes and their metadata",
    "lets one of several creations at once through",
    "lets one of several replacements at once through",
    "refuses bytes that do not have the checksum sent with them",
    "lets scratch objects be deleted",
]
RACES = ORDER[6:8]


def probed(bucket: BucketInMemory) -> ProbeReport:
    given: Any = bucket
    return s3_probe.probe(given)


def test_a_store_that_keeps_its_promises_has_all_behaviours_and_nothing_is_left_in_it() -> None:
    bucket = BucketInMemory()
    report = probed(bucket)
    assert [verdict.name for verdict in report.results] == ORDER
    assert [verdict.name for verdict in report.results if not verdict.passed] == []
    assert {verdict.name: verdict.severity for verdict in report.results} == {
        ORDER[0]: Severity.REQUIRED,
        ORDER[1]: Severity.CONDITION,
        ORDER[2]: Severity.CONDITION,
        ORDER[3]: Severity.REQUIRED,
        ORDER[4]: Severity.CONDITION,
        ORDER[5]: Severity.REQUIRED,
        ORDER[6]: Severity.CONDITION,
        ORDER[7]: Severity.CONDITION,
        ORDER[8]: Severity.ADVISORY,
        ORDER[9]: Severity.ADVISORY,
    }
    assert report.honours_conditions
    assert bucket.objects == {}
    races = 2 * s3_race.ROUNDS * s3_race.WRITERS
    assert bucket.calls.count("put") == 6 + races


@pytest.mark.parametrize(
    ("fault", "name", "detail"),
    [
        ("creates over", "refuses to create over an object", "it was written"),
        ("takes a stale tag", "refuses a stale tag", "it was written"),
        ("takes a tag of nothing", "refuses a tag where there is nothing", "it was written"),
        ("drops metadata", "gives back the bytes and their metadata", "something else came back"),
        ("loses bytes", "gives back the bytes and their metadata", "something else came back"),
        ("checks no checksums", "refuses bytes that do not have the checksum sent with them", "it was written"),
        ("never deletes", "lets scratch objects be deleted", "Deleting is not allowed."),
    ],
)
def test_each_fault_of_a_store_is_found_out(fault: str, name: str, detail: str) -> None:
    report = probed(BucketInMemory(fault))
    failed = {verdict.name: verdict.detail for verdict in report.results if not verdict.passed}
    assert failed == {name: detail}
    races = [verdict.name for verdict in report.results if verdict.name in RACES]
    assert bool(races) is (fault in ("checks no checksums", "never deletes")), "a race would tell the same once more"


def test_a_store_that_lets_two_writers_through_at_once_is_found_out() -> None:
    report = probed(BucketInMemory("races"))
    failed = {verdict.name: verdict.detail for verdict in report.results if not verdict.passed}
    assert failed == dict.fromkeys(RACES, "4 of 4 at once were written")


def test_a_store_that_knows_no_conditions_is_told_from_one_that_knows_no_checksums() -> None:
    (verdict, _) = probed(BucketInMemory("knows no conditions")).results
    assert (verdict.name, verdict.passed, verdict.severity) == ("knows conditional writes", False, Severity.REQUIRED)
    assert "501 NotImplemented to If-None-Match" in verdict.detail
    (verdict, _) = probed(BucketInMemory("knows no conditions", "knows no checksums")).results
    assert verdict.name == "creates where there is nothing"
    assert "checksums=off" in verdict.detail


def test_a_store_that_refuses_for_another_reason_is_not_judged() -> None:
    bucket = BucketInMemory()
    bucket.failures = [RefusedByStore(403, "AccessDenied", "PutObject", "")]
    with pytest.raises(RefusedByStore):
        probed(bucket)


def test_a_scratch_object_whose_upload_has_no_known_end_is_deleted_too() -> None:
    bucket = BucketInMemory()
    bucket.failures = [OutcomeUnknown()]
    with pytest.raises(OutcomeUnknown):
        probed(bucket)
    assert bucket.calls == ["put", "delete"]


@pytest.mark.parametrize(
    ("fault", "says"), [("creates over", "does not honour conditional writes"), ("drops metadata", "cannot be used")]
)
def test_a_store_without_what_is_needed_is_refused(fault: str, says: str) -> None:
    report = probed(BucketInMemory(fault))
    with pytest.raises(StoreUnusable, match=says):
        s3_probe.require_usable(report, "a-bucket", allow_unconditional=False)


def test_only_conditions_can_be_waived(caplog: pytest.LogCaptureFixture) -> None:
    s3_probe.require_usable(probed(BucketInMemory("creates over")), "a-bucket", allow_unconditional=True)
    assert "as allowed" in caplog.text
    with pytest.raises(StoreUnusable):
        s3_probe.require_usable(probed(BucketInMemory("drops metadata")), "a-bucket", allow_unconditional=True)
    s3_probe.require_usable(probed(BucketInMemory("checks no checksums")), "a-bucket", allow_unconditional=False)


def store_over(bucket: BucketInMemory, **given: Any) -> S3BlobStore:
    store = S3BlobStore("a-bucket", **given)
    parts: Any = store
    parts._bucket = parts._probe_client = bucket
    return store


class TestContract(BlobStoreContract):
    """All that a blob store promises, of the part above the driver."""

    @pytest.fixture
    async def blobs(self) -> Any:
        store = store_over(BucketInMemory())
        await store.start()
        yield store
        await store.close()


async def test_a_store_is_tried_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[object] = []

    def probe(bucket: Any) -> Any:
        tried.append(bucket)
        return s3_probe.ProbeReport(())

    monkeypatch.setattr(s3, "probe", probe)
    bucket = BucketInMemory()
    store = store_over(bucket)
    await store.start()
    for number in range(2):
        with samples.blob() as blob:
            await store.put(samples.user(number + 1), blob, samples.draft(blob), replaces=None)
    await store.close()
    assert tried == [bucket]
    assert bucket.calls[-2:] == ["close", "close"]


async def test_a_store_that_is_down_at_the_start_is_tried_out_before_the_first_upload() -> None:
    bucket = BucketInMemory()
    bucket.failures = [BlobStoreUnavailable("down")]
    store = store_over(bucket)
    await store.start()
    assert "put" not in bucket.calls
    with samples.blob() as blob:
        await store.put(USER, blob, samples.draft(blob), replaces=None)
    assert len(bucket.objects) == 1
    await store.close()


async def test_a_store_that_cannot_be_used_does_not_start() -> None:
    store = store_over(BucketInMemory("creates over"))
    with pytest.raises(StoreUnusable, match="does not honour"):
        await store.start()
    await store.close()


async def test_what_only_an_operator_can_change_is_not_told_to_users() -> None:
    bucket = BucketInMemory()
    store = store_over(bucket)
    await store.start()
    bucket.failures = [RefusedByStore(403, "AccessDenied", "HeadObject", "")]
    with pytest.raises(BlobStoreUnavailable, match=r"^The blob store refuses the service's credentials\.$"):
        await store.stat(USER)
    await store.close()


@pytest.mark.parametrize(("stumbles", "is_answered"), [(0, True), (2, True), (3, False)])
async def test_a_read_that_stumbles_is_tried_again_twice(
    monkeypatch: pytest.MonkeyPatch, stumbles: int, *, is_answered: bool
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    bucket = BucketInMemory()
    store = store_over(bucket)
    await store.start()
    bucket.failures = [TransientFailure("it stumbled") for _ in range(stumbles)]
    with monkeypatch.context() as patched:
        patched.setattr(asyncio, "sleep", sleep)
        if is_answered:
            assert await store.stat(USER) is None
        else:
            with pytest.raises(TransientFailure):
                await store.stat(USER)
    assert slept == [0.05, 0.25][:stumbles]
    await store.close()


async def test_an_upload_that_stumbles_is_not_tried_again() -> None:
    bucket = BucketInMemory()
    store = store_over(bucket)
    await store.start()
    puts = bucket.calls.count("put")
    bucket.failures = [OutcomeUnknown()]
    with samples.blob() as blob, pytest.raises(OutcomeUnknown):
        await store.put(USER, blob, samples.draft(blob), replaces=None)
    assert bucket.calls.count("put") == puts + 1
    await store.close()


def silence(of: Any = failure_of_put) -> Exception:
    cause = ReadTimeoutError(endpoint_url="http://store", error="slow")
    failure: Exception = of(cause)
    failure.__cause__ = cause
    return failure


async def test_two_silences_in_a_row_are_an_outage_that_ends_with_an_answer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bucket = BucketInMemory()
    store = store_over(bucket)
    await store.start()
    bucket.failures = [silence(failure_of_read), silence(failure_of_read), silence(failure_of_read)]
    for _ in range(2):
        with pytest.raises(BlobStoreUnavailable):
            await store.stat(USER)
    assert "the blob store is silent" in caplog.text
    calls = len(bucket.calls)
    with pytest.raises(BlobStoreUnavailable):
        await store.stat(USER)  # asks after the store first, in vain
    assert len(bucket.calls) == calls + 1
    with pytest.raises(BlobStoreUnavailable):
        await store.stat(USER)  # asks nothing: the last question is no second old
    assert len(bucket.calls) == calls + 1
    monkeypatch.setattr(time, "monotonic", lambda: 1e12)
    assert await store.stat(USER) is None
    assert "the blob store answers again" in caplog.text
    await store.close()


async def test_keys_that_are_not_ours_are_passed_over_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    bucket = BucketInMemory()
    store = store_over(bucket)
    await store.start()
    for number in (1, 2):
        with samples.blob() as blob:
            await store.put(samples.user(number), blob, samples.draft(blob), replaces=None)
    held = next(iter(bucket.objects.values()))
    bucket.objects |= {"backups/notes": held, f"backups/{str(samples.user(3)).upper()}x": held}
    assert [user async for user in store.scan()] == [samples.user(1), samples.user(2)]
    assert [user async for user in store.scan(samples.user(1))] == [samples.user(2)]
    assert caplog.text.count("are not ours") == 2, "once for each walk"
    await store.close()


async def test_pages_of_keys_follow_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "PAGE_KEYS", 2)
    bucket = BucketInMemory()
    store = store_over(bucket)
    await store.start()
    users = [samples.user(number) for number in range(1, 6)]
    for user in users:
        with samples.blob() as blob:
            await store.put(user, blob, samples.draft(blob), replaces=None)
    assert [user async for user in store.scan()] == users
    await store.close()


async def test_a_blob_that_is_let_go_gives_its_connection_back() -> None:
    bucket = BucketInMemory()
    store = store_over(bucket)
    await store.start()
    with samples.blob() as blob:
        await store.put(USER, blob, samples.draft(blob), replaces=None)
    opened = await store.open(USER)
    assert opened is not None
    await opened.aclose()
    assert opened._download._body.closed  # type: ignore[attr-defined] # of bytes in memory
    await store.close()


async def test_a_blob_that_outlives_its_store_gives_its_connection_back_too() -> None:
    store = store_over(BucketInMemory())
    await store.start()
    with Spool.of(bytes(600_000)) as blob:
        await store.put(USER, blob, samples.draft(blob), replaces=None)
    opened = await store.open(USER)
    assert opened is not None
    assert not opened._download.is_complete
    await store.close()
    await opened.aclose()
    assert opened._download._body.closed  # type: ignore[attr-defined] # of bytes in memory
