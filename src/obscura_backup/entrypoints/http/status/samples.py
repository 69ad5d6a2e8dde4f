"""The metrics of all workers at one moment, reduced to what the status page shows."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import msgspec

from obscura_backup.entrypoints.http.route_table import BACKUP

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from prometheus_client import Metric

_Key = TypeVar("_Key")
_PREFIX = "obscura_backup_"
_UNAVAILABLE = "503"
_BY_METHOD_AND_STATUS = {
    ("POST", "200"): "uploads",
    ("GET", "200"): "downloads",
    ("GET", "206"): "downloads",
    ("POST", "409"): "conflicts",
    ("DELETE", "409"): "conflicts",
    ("DELETE", "204"): "deletions",
}
_STORED = "stored"
SIZES = "sizes"
"""The buckets of the sizes of stored blobs. The other buckets are the durations of requests, by method."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts since the start of the service, or between two moments.

    Attributes:
        counts: by name, as in `Interval` of the report.
        buckets: histograms by name. Each maps an upper bound to the number of observations up to it.
    """

    counts: Mapping[str, float] = field(default_factory=dict)
    buckets: Mapping[str, Mapping[float, float]] = field(default_factory=dict)

    def since(self, earlier: Totals) -> Totals:
        """What was counted after an earlier moment."""
        return Totals(
            _difference(self.counts, earlier.counts),
            {name: _difference(found, earlier.buckets.get(name, {})) for name, found in self.buckets.items()},
        )


@dataclass(frozen=True, slots=True)
class Sample:
    """One moment.

    Attributes:
        at: seconds since 1970.
        totals: since the start of the service.
        up: whether each store answered all workers.
        key_set_age_seconds: None without a key set.
    """

    at: float
    totals: Totals
    up: Mapping[str, bool]
    key_set_age_seconds: float | None = None


class StoreState(msgspec.Struct, frozen=True):
    """One store.

    Attributes:
        name: `metadata` or `blobs`.
        kind: as in its URL.
        status: `ok` or `unavailable`, by the last check of the worker that answers.
        error: what the store answered, if it is unavailable.
        since: when its status last changed, in seconds since 1970.
    """

    name: str
    kind: str
    status: str
    error: str | None = None
    since: float | None = None


def read_sample(metrics: Iterable[Metric], at: float) -> Sample:
    """Reduce metrics to a sample, taken at this time (seconds since 1970)."""
    counts: defaultdict[str, float] = defaultdict(float)
    buckets: defaultdict[str, defaultdict[float, float]] = defaultdict(lambda: defaultdict(float))
    up: dict[str, bool] = {}
    age = None
    for found in (found for metric in metrics for found in metric.samples):
        name, labels = found.name.removeprefix(_PREFIX), found.labels
        for counted in _counted(name, labels):
            counts[counted] += found.value
        histogram = _histogram(name, labels)
        if histogram is not None:
            buckets[histogram][float(labels["le"])] += found.value
        if name == "store_up":
            up[labels["store"]] = found.value > 0
        if name == "key_set_age_seconds" and found.value > 0:
            age = found.value
    return Sample(at, Totals(counts, buckets), up, age)


def added(parts: Iterable[Totals]) -> Totals:
    """The sum of consecutive differences."""
    counts: defaultdict[str, float] = defaultdict(float)
    buckets: defaultdict[str, defaultdict[float, float]] = defaultdict(lambda: defaultdict(float))
    for part in parts:
        for name, value in part.counts.items():
            counts[name] += value
        for name, found in part.buckets.items():
            for bound, value in found.items():
                buckets[name][bound] += value
    return Totals(counts, buckets)


def quantile(buckets: Mapping[float, float], share: float) -> float | None:
    """The value below which this share of the observations lies, or None without any.

    Values are taken as evenly spread within their bucket, as Prometheus does. Beyond the last finite bound, that bound
    is returned.
    """
    bounds: Sequence[float] = sorted(buckets)
    count = buckets[bounds[-1]] if bounds else 0
    if not count:
        return None
    rank = share * count
    lower, below = 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= rank and buckets[bound] > below:
            if math.isinf(bound):
                return lower
            return lower + (bound - lower) * (rank - below) / (buckets[bound] - below)
        lower, below = bound, buckets[bound]
    return lower


def _counted(name: str, labels: Mapping[str, str]) -> Iterable[str]:
    """The counts that a metric is part of."""
    match name:
        case "requests_total":
            yield from _counted_request(labels)
        case "rate_limited_total":
            yield "refused"
        case "events_total" if labels["event"] == "row-repaired":
            yield "repaired_rows"
        case "blob_bytes_sum" if labels["direction"] == _STORED:
            yield "stored_bytes"
        case _:
            pass


def _counted_request(labels: Mapping[str, str]) -> Iterable[str]:
    method, status = labels["method"], labels["status"]
    if labels["route"] == BACKUP.metrics_label:
        yield "requests"
        if (method, status) in _BY_METHOD_AND_STATUS:
            yield _BY_METHOD_AND_STATUS[method, status]
        if status == _UNAVAILABLE:
            yield "unavailable"
    if status.startswith("5") and status != _UNAVAILABLE:
        yield "failed"


def _histogram(name: str, labels: Mapping[str, str]) -> str | None:
    """The histogram that a metric is a bucket of."""
    if name == "blob_bytes_bucket" and labels["direction"] == _STORED:
        return SIZES
    if name == "request_seconds_bucket" and labels["route"] == BACKUP.metrics_label:
        return labels["method"]
    return None


def _difference(later: Mapping[_Key, float], earlier: Mapping[_Key, float]) -> dict[_Key, float]:
    return {key: max(0.0, value - earlier.get(key, 0.0)) for key, value in later.items()}
