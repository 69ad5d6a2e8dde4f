"""What the status page says about samples."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

from obscura_backup.entrypoints.http.status.findings import findings
from obscura_backup.entrypoints.http.status.hours import by_hour, verdict
from obscura_backup.entrypoints.http.status.report import report_on
from obscura_backup.entrypoints.http.status.samples import SIZES, Sample, StoreState, Totals
from support.status_reports import BROKEN, NOW, WELL, quiet_report, report_of_outage, samples_of_hours
from support.table import table

UP = {"metadata": True, "blobs": True}


def sample(minutes_ago: float, /, **counts: float) -> Sample:
    return Sample(NOW - minutes_ago * 60, Totals(counts), UP)


def levels(samples: list[Sample], stores: tuple[StoreState, ...] = WELL) -> list[tuple[str, str]]:
    return [(finding.level, finding.what) for finding in findings(samples, stores)]


def test_six_hours_in_intervals_of_five_minutes() -> None:
    report = quiet_report()
    starts = [interval.at for interval in report.intervals]
    assert len(starts) == 72
    assert {later - earlier for earlier, later in pairwise(starts)} == {300}
    assert starts[-1] <= NOW < starts[-1] + 300
    assert all(interval.is_known for interval in report.intervals)
    assert (report.status, report.findings) == ("ok", ())


def test_counts_belong_to_the_interval_that_ends_with_or_after_their_sample() -> None:
    boundary = NOW - NOW % 300
    moments = [(boundary - 600, 0), (boundary - 300, 1), (boundary - 60, 3), (boundary, 6), (boundary + 60, 10)]
    samples = [Sample(at, Totals({"uploads": uploads}), UP) for at, uploads in moments]
    report = report_on(samples, WELL, version="1", pid=1)
    assert [interval.uploads for interval in report.intervals[-3:]] == [1, 5, 4]
    assert [interval.at for interval in report.intervals[-3:]] == [boundary - 600, boundary - 300, boundary]
    assert not any(interval.is_known for interval in report.intervals[:-3])


def test_times_and_sizes_of_an_interval() -> None:
    buckets = {"POST": {1.0: 10.0, math.inf: 10.0}, "GET": {1.0: 0.0, 2.0: 10.0, math.inf: 10.0}}
    sizes = {1024.0: 2.0, 4096.0: 5.0, math.inf: 6.0}
    later = Sample(NOW, Totals({"stored_bytes": 9000}, {**buckets, SIZES: sizes}), UP)
    report = report_on([Sample(NOW - 60, Totals(), UP), later], WELL, version="1", pid=1)
    last = report.intervals[-1]
    assert (last.upload_seconds, last.slow_upload_seconds) == (0.5, 0.95)
    assert (last.download_seconds, last.slow_download_seconds) == (1.5, 1.95)
    assert last.stored_bytes == 9000
    assert [(one.up_to_bytes, one.uploads) for one in report.sizes] == [(1024, 2), (4096, 3), (None, 1)]


def test_store_was_down_in_an_interval_if_one_sample_says_so() -> None:
    down = replace(sample(0.8), up={"metadata": True, "blobs": False})
    report = report_on([sample(2), down, sample(0.5)], WELL, version="1", pid=1)
    assert report.intervals[-1].up == {"metadata": True, "blobs": False}


def test_single_sample_makes_an_empty_report() -> None:
    report = report_on([sample(0)], WELL, version="1", pid=1)
    assert (report.status, report.sizes, by_hour(report)) == ("ok", (), [])


def test_store_that_is_down_comes_first_with_what_to_do() -> None:
    report = report_of_outage()
    assert report.status == "critical"
    first, second = report.findings
    assert first.what == "The blob store (s3) does not answer."
    assert "OBSCURA_BACKUP_BLOBS_URL" in first.advice
    assert (second.level, second.what) == (
        "warning",
        "100 % of the calls for backups answered 503 in the last 5 minutes.",
    )
    assert verdict(report) == "1 problem and 1 warning: see what to do."
    assert verdict(quiet_report()).startswith("All is well")


@table("kind", ["postgresql", "sqlite", "memory"])
def test_metadata_store_that_is_down_leaves_downloads(kind: str) -> None:
    (found,) = findings([sample(0)], (StoreState("metadata", kind, "unavailable", "No answer.", NOW), WELL[1]))
    assert found.advice.startswith("Uploads and deletions answer 503; downloads work.")
    assert "obscura-backup doctor" in found.advice


def test_store_that_does_not_answer_another_worker_is_critical() -> None:
    now = replace(sample(0), up={"metadata": False, "blobs": True})
    assert levels([now]) == [
        ("critical", "The metadata store (postgresql) did not answer the last check of at least one worker.")
    ]


def test_limits_are_those_of_the_alerts() -> None:
    cases: list[tuple[float, dict[str, float], dict[str, float], tuple[str, str] | None]] = [
        (59, {}, {"failed": 1}, ("critical", "1 request failed with a server error in the last hour.")),
        (59, {"failed": 3}, {"failed": 3}, None),
        (4, {}, {"requests": 100, "unavailable": 5}, None),
        (
            4,
            {},
            {"requests": 100, "unavailable": 6},
            ("warning", "6 % of the calls for backups answered 503 in the last 5 minutes."),
        ),
        (59, {}, {"repaired_rows": 100}, None),
        (
            59,
            {},
            {"repaired_rows": 101},
            ("warning", "101 rows lagged behind their objects in the last hour, and were repaired."),
        ),
        (9, {}, {"refused": 6000}, None),
        (9, {}, {"refused": 6001}, ("warning", "6001 requests were refused by a rate limit in the last 10 minutes.")),
    ]
    for minutes_ago, before, now, expected in cases:
        found = levels([sample(minutes_ago, **before), sample(0, **now)])
        assert found == ([] if expected is None else [expected])


@table(("minutes", "counts"), [(60, {"failed": 1}), (10, {"refused": 6001}), (5, {"requests": 100, "unavailable": 6})])
def test_finding_looks_back_as_far_as_it_says(minutes: float, counts: dict[str, float]) -> None:
    assert len(levels([sample(minutes), sample(minutes - 0.5, **counts), sample(0, **counts)])) == 1
    assert levels([sample(minutes + 0.5), sample(minutes, **counts), sample(0, **counts)]) == []


@table("minutes_ago", [61, 100])
def test_what_happened_before_the_last_hour_is_no_finding(minutes_ago: float) -> None:
    samples = [sample(minutes_ago), sample(minutes_ago - 1, failed=9), sample(59, failed=9), sample(0, failed=9)]
    assert levels(samples) == []


@table(("method", "name"), [("POST", "uploads"), ("GET", "downloads")])
def test_slow_requests_are_a_warning(method: str, name: str) -> None:
    def after(fast: float) -> list[Sample]:
        buckets = {method: {5.0: fast, 10.0: 1000.0, math.inf: 1000.0}}
        return [sample(9), Sample(NOW, Totals({}, buckets), UP)]

    assert levels(after(990)) == []
    assert levels(after(900)) == [("warning", f"1 % of the {name} took longer than 10 s in the last 10 minutes.")]


@table(("hours", "is_told"), [(None, False), (6, False), (7, True)])
def test_old_key_set_is_a_warning(hours: float | None, *, is_told: bool) -> None:
    now = replace(sample(0), key_set_age_seconds=None if hours is None else hours * 3600)
    assert levels([now]) == ([("warning", "The key set was last read 7 hours ago.")] if is_told else [])


def test_hours_are_summed_from_intervals_the_newest_first() -> None:
    report = quiet_report()
    hours = by_hour(report)
    assert len(hours) == 7
    assert hours[0].at > hours[1].at
    for name in ("uploads", "downloads", "conflicts", "deletions", "unavailable", "failed", "stored_bytes"):
        total: Any = sum(getattr(interval, name) for interval in report.intervals)
        assert sum(getattr(hour, name) for hour in hours) == total
    assert hours[1].uploads > 0


def test_history_that_begins_later_is_not_taken_for_zero() -> None:
    report = report_on(samples_of_hours(30), BROKEN, version="1", pid=1)
    known = [interval.is_known for interval in report.intervals]
    assert known == [False] * (72 - sum(known)) + [True] * sum(known)
    assert 6 <= sum(known) <= 8
