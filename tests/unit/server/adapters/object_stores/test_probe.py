"""The probe of a store, over buckets in memory with one fault each."""

from __future__ import annotations

import time
from typing import Any

import pytest

from obscura_backup.adapters.object_stores import concurrency_probe
from obscura_backup.adapters.object_stores.errors import RefusedByStore, TooManyRequests
from obscura_backup.adapters.object_stores.probe import PAUSE_SECONDS, probe
from obscura_backup.adapters.object_stores.probe_report import ProbeReport, Severity, require_usable
from obscura_backup.domain.errors import BlobStoreUnavailable, OutcomeUnknown, StoreUnusable
from support.servers.in_process.bucket_in_memory import BucketInMemory
from support.table import table

ORDER = [
    "creates where there is nothing",
    "refuses to create over an object",
    "refuses a tag where there is nothing",
    "replaces by the current tag",
    "refuses a stale tag",
    "gives back the bytes and their metadata",
    "accepts one of several concurrent creations",
    "accepts one of several concurrent replacements",
    "refuses bytes that do not have the checksum sent with them",
    "lets scratch objects be deleted",
]
RACES = ORDER[6:8]


def probed(bucket: BucketInMemory) -> ProbeReport:
    given: Any = bucket
    return probe(given, with_false_checksum=given)


def test_correct_store_passes_all_checks_and_keeps_no_scratch_object() -> None:
    bucket = BucketInMemory()
    report = probed(bucket)
    assert [result.name for result in report.results] == ORDER
    assert [result.name for result in report.results if not result.passed] == []
    assert {result.name: result.severity for result in report.results} == {
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
    races = 2 * concurrency_probe.ROUNDS * concurrency_probe.WRITERS
    assert bucket.calls.count("put") == 6 + races


def test_each_fault_fails_its_check() -> None:
    cases: list[tuple[str, str, str]] = [
        ("creates over", "refuses to create over an object", "it was written"),
        ("takes a stale tag", "refuses a stale tag", "it was written"),
        ("takes a tag of nothing", "refuses a tag where there is nothing", "it was written"),
        ("drops metadata", "gives back the bytes and their metadata", "it gave back something else"),
        ("loses bytes", "gives back the bytes and their metadata", "it gave back something else"),
        ("checks no checksums", "refuses bytes that do not have the checksum sent with them", "it was written"),
        ("never deletes", "lets scratch objects be deleted", "Deleting is not allowed."),
    ]
    for fault, name, detail in cases:
        report = probed(BucketInMemory(fault))
        failed = {result.name: result.detail for result in report.results if not result.passed}
        assert failed == {name: detail}
        races = [result.name for result in report.results if result.name in RACES]
        assert bool(races) is (fault in ("checks no checksums", "never deletes")), "a race would only repeat the result"


def test_store_that_accepts_concurrent_writers_fails_both_races() -> None:
    report = probed(BucketInMemory("races"))
    failed = {result.name: result.detail for result in report.results if not result.passed}
    assert failed == dict.fromkeys(RACES, "4 of 4 concurrent writers succeeded")


def test_missing_conditions_are_distinguished_from_missing_checksums() -> None:
    (result, _) = probed(BucketInMemory("knows no conditions")).results
    assert (result.name, result.passed, result.severity) == ("supports conditional writes", False, Severity.REQUIRED)
    assert "501 NotImplemented to If-None-Match" in result.detail
    (result, _) = probed(BucketInMemory("knows no conditions", "knows no checksums")).results
    assert result.name == "creates where there is nothing"
    assert "checksums=off" in result.detail


def test_refusal_for_another_reason_is_no_result() -> None:
    bucket = BucketInMemory()
    bucket.failures = [RefusedByStore(403, "AccessDenied", "PutObject")]
    with pytest.raises(RefusedByStore):
        probed(bucket)


def test_scratch_object_of_an_unknown_outcome_is_deleted() -> None:
    bucket = BucketInMemory()
    bucket.failures = [OutcomeUnknown()]
    with pytest.raises(OutcomeUnknown):
        probed(bucket)
    assert bucket.calls == ["put", "delete"]


@table(
    ("fault", "says"), [("creates over", "does not honour conditional writes"), ("drops metadata", "cannot be used")]
)
def test_store_that_fails_a_needed_check_is_refused(fault: str, says: str) -> None:
    report = probed(BucketInMemory(fault))
    with pytest.raises(StoreUnusable, match=says):
        require_usable(report, "a-bucket", allow_unconditional=False)


def test_operator_can_waive_conditions_only(caplog: pytest.LogCaptureFixture) -> None:
    require_usable(probed(BucketInMemory("creates over")), "a-bucket", allow_unconditional=True)
    assert "as allowed" in caplog.text
    with pytest.raises(StoreUnusable):
        require_usable(probed(BucketInMemory("drops metadata")), "a-bucket", allow_unconditional=True)
    require_usable(probed(BucketInMemory("checks no checksums")), "a-bucket", allow_unconditional=False)


def test_second_upload_within_a_second_may_be_put_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Google limits how often one object is replaced."""
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    bucket = BucketInMemory()
    bucket.failures = [TooManyRequests("429")]
    assert [result.name for result in probed(bucket).results if not result.passed] == []
    assert pauses == [PAUSE_SECONDS]
    bucket.failures = [TooManyRequests("429"), TooManyRequests("429")]
    with pytest.raises(TooManyRequests):
        probed(bucket)


@table("requests", [0, 3, 12])
def test_probe_of_a_service_that_stops_sends_nothing_more(requests: int) -> None:
    """After a PUT in sequence, or the first race, and without deleting anything."""
    bucket = BucketInMemory()
    given: Any = bucket
    with pytest.raises(BlobStoreUnavailable, match="The service stops"):
        probe(given, with_false_checksum=given, is_stopping=lambda: bucket.calls.count("put") >= requests)
    assert requests <= bucket.calls.count("put") < requests + concurrency_probe.WRITERS
    assert "delete" not in bucket.calls
