"""The metrics, reduced to samples."""

from __future__ import annotations

import asyncio
import math
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from obscura_backup.entrypoints.http.status.history import History
from obscura_backup.entrypoints.http.status.samples import SIZES, Sample, Totals, added, quantile, read_sample
from support.table import table


class Metrics:
    """A registry with the metrics that a sample is read from."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        given: dict[str, Any] = {"registry": self.registry}
        self.requests = Counter("obscura_backup_requests", "x", ("method", "route", "status"), **given)
        self.limited = Counter("obscura_backup_rate_limited", "x", ("account",), **given)
        self.events = Counter("obscura_backup_events", "x", ("event",), **given)
        self.seconds = Histogram("obscura_backup_request_seconds", "x", ("method", "route"), buckets=(1, 2), **given)
        self.sizes = Histogram("obscura_backup_blob_bytes", "x", ("direction",), buckets=(10, 20), **given)
        self.up = Gauge("obscura_backup_store_up", "x", ("store",), **given)
        self.key_set_age = Gauge("obscura_backup_key_set_age_seconds", "x", **given)

    def request(self, method: str, status: str, route: str = "/v1/backup", times: int = 1) -> None:
        self.requests.labels(method, route, status).inc(times)

    def sample(self, at: float = 0.0) -> Sample:
        return read_sample(self.registry.collect(), at)


def test_call_for_a_backup_counts_as() -> None:
    cases: list[tuple[str, str, set[str]]] = [
        ("POST", "200", {"requests", "uploads"}),
        ("GET", "200", {"requests", "downloads"}),
        ("GET", "206", {"requests", "downloads"}),
        ("GET", "304", {"requests"}),
        ("HEAD", "200", {"requests"}),
        ("POST", "409", {"requests", "conflicts"}),
        ("DELETE", "409", {"requests", "conflicts"}),
        ("DELETE", "204", {"requests", "deletions"}),
        ("POST", "503", {"requests", "unavailable"}),
        ("GET", "500", {"requests", "failed"}),
        ("POST", "aborted", {"requests"}),
    ]
    for method, status, names in cases:
        metrics = Metrics()
        metrics.request(method, status, times=3)
        assert metrics.sample().totals.counts == dict.fromkeys(names, 3)


@table(("status", "names"), [("200", set()), ("503", set()), ("500", {"failed"})])
def test_other_path_counts_only_if_the_server_failed(status: str, names: set[str]) -> None:
    metrics = Metrics()
    metrics.request("GET", status, route="/health/ready")
    assert set(metrics.sample().totals.counts) == names


def test_other_counts() -> None:
    metrics = Metrics()
    metrics.limited.labels("user").inc(2)
    metrics.limited.labels("address").inc(3)
    metrics.events.labels("row-repaired").inc(4)
    metrics.events.labels("retry-recognised").inc(5)
    metrics.sizes.labels("stored").observe(15)
    metrics.sizes.labels("read").observe(1000)
    found = metrics.sample().totals
    assert found.counts == {"refused": 5, "repaired_rows": 4, "stored_bytes": 15}
    assert found.buckets == {SIZES: {10: 0, 20: 1, math.inf: 1}}


def test_durations_are_those_of_calls_for_backups_by_method() -> None:
    metrics = Metrics()
    metrics.seconds.labels("POST", "/v1/backup").observe(1.5)
    metrics.seconds.labels("GET", "/metrics").observe(1.5)
    assert metrics.sample().totals.buckets == {"POST": {1: 0, 2: 1, math.inf: 1}}


def test_gauges_of_stores_and_keys() -> None:
    metrics = Metrics()
    assert (metrics.sample().up, metrics.sample().key_set_age_seconds) == ({}, None)
    metrics.up.labels("metadata").set(1)
    metrics.up.labels("blobs").set(0)
    metrics.key_set_age.set(7)
    found = metrics.sample()
    assert (found.up, found.key_set_age_seconds) == ({"metadata": True, "blobs": False}, 7)


def test_difference_of_two_moments_is_never_negative() -> None:
    earlier = Totals({"uploads": 5, "failed": 3}, {"GET": {1: 2, math.inf: 4}})
    later = Totals({"uploads": 7, "failed": 1, "conflicts": 1}, {"GET": {1: 2, math.inf: 5}, "POST": {1: 1}})
    assert later.since(earlier) == Totals(
        {"uploads": 2, "failed": 0, "conflicts": 1}, {"GET": {1: 0, math.inf: 1}, "POST": {1: 1}}
    )


def test_consecutive_differences_add_up() -> None:
    parts = [
        Totals({"uploads": 2}, {"GET": {1: 1}}),
        Totals({"uploads": 3, "failed": 1}, {"GET": {1: 4}, "POST": {1: 1}}),
    ]
    assert added(parts) == Totals({"uploads": 5, "failed": 1}, {"GET": {1: 5}, "POST": {1: 1}})


def test_quantile() -> None:
    cases: list[tuple[dict[float, float], float, float | None]] = [
        ({}, 0.5, None),
        ({1.0: 0, math.inf: 0}, 0.5, None),
        ({1.0: 10, math.inf: 10}, 0.5, 0.5),
        ({1.0: 0, 2.0: 4, math.inf: 4}, 0.25, 1.25),
        ({1.0: 5, 2.0: 5, 4.0: 10, math.inf: 10}, 0.75, 3.0),
        ({1.0: 5, 2.0: 5, 4.0: 10, math.inf: 10}, 0.5, 1.0),
        ({1.0: 1, 2.0: 2, math.inf: 10}, 0.9, 2.0),
    ]
    for buckets, share, expected in cases:
        assert quantile(buckets, share) == expected


def test_history_keeps_a_sample_per_minute_for_six_hours() -> None:
    metrics = Metrics()
    now = [0.0]
    history = History(metrics.registry.collect, lambda: now[0])
    for minute in range(400):
        now[0] = minute * 60.0
        history.take()
    now[0] += 30
    found = history.until_now()
    assert [sample.at for sample in found] == [*(minute * 60.0 for minute in range(39, 400)), 399 * 60 + 30.0]


async def test_history_samples_at_its_start_and_is_stopped() -> None:
    metrics = Metrics()
    history = History(metrics.registry.collect, lambda: 90.0)
    async with history.kept_up_to_date():
        await asyncio.sleep(0)
        assert len(history.until_now()) == 2
