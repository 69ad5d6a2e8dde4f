"""What the status page says, as data: the JSON of `/status`."""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec

from obscura_backup.entrypoints.http.status.findings import Finding, findings
from obscura_backup.entrypoints.http.status.history import KEPT_SECONDS
from obscura_backup.entrypoints.http.status.samples import SIZES, StoreState, added, quantile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from obscura_backup.entrypoints.http.status.samples import Sample, Totals

INTERVAL_SECONDS = 300
INTERVALS = KEPT_SECONDS // INTERVAL_SECONDS
MEDIAN, SLOWEST = 0.5, 0.95


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """Five minutes. Durations are in seconds: the median, and the one that 5 % of the requests exceed.

    Attributes:
        at: its beginning, in seconds since 1970.
        is_known: whether samples were taken in it.
        uploads: answered with 200.
        downloads: of whole blobs and of parts.
        conflicts: uploads and deletions of another version than the current one.
        deletions: carried out.
        unavailable: calls for backups that were answered with 503.
        failed: requests that were answered with another error of the server.
        stored_bytes: sum of the sizes of the uploads.
        upload_seconds: None without uploads.
        slow_upload_seconds: None without uploads.
        download_seconds: None without downloads.
        slow_download_seconds: None without downloads.
        up: by store, whether it answered all workers in every sample.
    """

    at: int
    is_known: bool
    uploads: int = 0
    downloads: int = 0
    conflicts: int = 0
    deletions: int = 0
    unavailable: int = 0
    failed: int = 0
    stored_bytes: int = 0
    upload_seconds: float | None = None
    slow_upload_seconds: float | None = None
    download_seconds: float | None = None
    slow_download_seconds: float | None = None
    up: dict[str, bool] = {}


class SizeClass(msgspec.Struct, frozen=True):
    """How many stored blobs had at most so many bytes, and more than the class before; None: any number."""

    up_to_bytes: int | None
    uploads: int


class Report(msgspec.Struct, frozen=True):
    """The state of the service.

    Attributes:
        status: `ok`, `warning` or `critical`: the worst finding.
        at: the time of the report, in seconds since 1970.
        version: of the service.
        pid: of the worker that answers.
        stores: metadata, then blobs.
        findings: what needs attention, the worst first.
        intervals: the last 6 hours, oldest first.
        sizes: of the blobs stored in these hours.
    """

    status: str
    at: float
    version: str
    pid: int
    stores: tuple[StoreState, ...]
    findings: tuple[Finding, ...]
    intervals: tuple[Interval, ...]
    sizes: tuple[SizeClass, ...]


def report_on(samples: Sequence[Sample], stores: tuple[StoreState, ...], *, version: str, pid: int) -> Report:
    """The report.

    Args:
        samples: oldest first; the last one is of this moment.
        stores: as they are now.
        version: of the service.
        pid: of this worker.
    """
    now = samples[-1]
    found = findings(samples, stores)
    last = int(now.at) // INTERVAL_SECONDS * INTERVAL_SECONDS
    starts = range(last - (INTERVALS - 1) * INTERVAL_SECONDS, last + 1, INTERVAL_SECONDS)
    changes = _changes_by_interval(samples)
    sizes = added(change for at in starts for _, change in changes[at]).buckets.get(SIZES, {})
    return Report(
        found[0].level if found else "ok",
        now.at,
        version,
        pid,
        stores,
        found,
        tuple(_interval(at, changes[at]) for at in starts),
        tuple(_size_classes(sizes)),
    )


def _changes_by_interval(samples: Sequence[Sample]) -> defaultdict[int, list[tuple[Sample, Totals]]]:
    """By the beginning of each interval: its samples, each with what was counted since the one before."""
    found: defaultdict[int, list[tuple[Sample, Totals]]] = defaultdict(list)
    for earlier, later in pairwise(samples):
        # A sample at the end of an interval counts what happened in it.
        at = (math.ceil(later.at / INTERVAL_SECONDS) - 1) * INTERVAL_SECONDS
        found[at].append((later, later.totals.since(earlier.totals)))
    return found


def _interval(at: int, found: Sequence[tuple[Sample, Totals]]) -> Interval:
    if not found:
        return Interval(at=at, is_known=False)
    sums = added(change for _, change in found)
    counts = {
        name: int(sums.counts.get(name, 0))
        for name in ("uploads", "downloads", "conflicts", "deletions", "unavailable", "failed", "stored_bytes")
    }
    uploads, downloads = sums.buckets.get("POST", {}), sums.buckets.get("GET", {})
    return Interval(
        at=at,
        is_known=True,
        upload_seconds=quantile(uploads, MEDIAN),
        slow_upload_seconds=quantile(uploads, SLOWEST),
        download_seconds=quantile(downloads, MEDIAN),
        slow_download_seconds=quantile(downloads, SLOWEST),
        up={
            store: all(sample.up.get(store, True) for sample, _ in found)
            for store in sorted({store for sample, _ in found for store in sample.up})
        },
        **counts,
    )


def _size_classes(buckets: Mapping[float, float]) -> Iterable[SizeClass]:
    below = 0.0
    for bound in sorted(buckets):
        yield SizeClass(None if math.isinf(bound) else int(bound), int(buckets[bound] - below))
        below = buckets[bound]
