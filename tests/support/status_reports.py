"""Reports of the status page over six made-up hours."""

from __future__ import annotations

import functools
import math
import random
from typing import TYPE_CHECKING

from obscura_backup.entrypoints.http.status.report import report_on
from obscura_backup.entrypoints.http.status.samples import SIZES, Sample, StoreState, Totals

if TYPE_CHECKING:
    from obscura_backup.entrypoints.http.status.report import Report

NOW = 1_800_000_000.0 - 1_800_000_000 % 3600 + 36 * 60
MINUTE = 60
BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, math.inf)
SIZE_BOUNDS = (*(1024.0 * 4**power for power in range(7)), math.inf)
WELL = (
    StoreState("metadata", "postgresql", "ok", since=NOW - 90_000),
    StoreState("blobs", "s3", "ok", since=NOW - 90_000),
)
BROKEN = (
    WELL[0],
    StoreState("blobs", "s3", "unavailable", "The blob store does not answer. (<refused>)", NOW - 900),
)


def samples_of_hours(minutes: int = 360, *, down_for: int = 0) -> list[Sample]:
    """One sample per minute until now. In the last `down_for` minutes, the blob store does not answer."""
    dice = random.Random(7)
    counts = dict.fromkeys(("uploads", "downloads", "conflicts", "deletions", "unavailable", "failed", "requests"), 0.0)
    counts["stored_bytes"] = 0.0
    buckets = {name: dict.fromkeys(BOUNDS, 0.0) for name in ("POST", "GET")} | {SIZES: dict.fromkeys(SIZE_BOUNDS, 0.0)}
    found = []
    for minute in range(minutes + 1):
        is_up = minute <= minutes - down_for
        busy = 20 + 12 * math.sin(minute / 60)
        uploads, downloads = (int(busy + dice.random() * 9), int(busy / 3 + dice.random() * 4)) if is_up else (0, 0)
        counts["uploads"] += uploads
        counts["downloads"] += downloads
        counts["conflicts"] += dice.random() < 0.1
        counts["deletions"] += dice.random() < 0.02
        counts["unavailable"] += 0 if is_up else int(busy)
        counts["requests"] += uploads + downloads + (0 if is_up else int(busy))
        counts["stored_bytes"] += uploads * 20_000
        for name, count, typical in (("POST", uploads, 0.04), ("GET", downloads, 0.012)):
            for _ in range(count):
                took = dice.lognormvariate(math.log(typical), 0.7)
                for bound in BOUNDS:
                    buckets[name][bound] += took <= bound
        for _ in range(uploads):
            size = dice.lognormvariate(math.log(20_000), 1.2)
            for bound in SIZE_BOUNDS:
                buckets[SIZES][bound] += size <= bound
        totals = Totals(dict(counts), {name: dict(values) for name, values in buckets.items()})
        at = NOW - (minutes - minute) * MINUTE
        found.append(Sample(at, totals, {"metadata": True, "blobs": is_up}))
    return found


@functools.cache
def quiet_report() -> Report:
    """Six hours without trouble."""
    return report_on(samples_of_hours(), WELL, version="1.2.3", pid=42)


@functools.cache
def report_of_outage(minutes: int = 250) -> Report:
    """The blob store has been down for 15 minutes; the history begins after a restart."""
    return report_on(samples_of_hours(minutes, down_for=15), BROKEN, version="1.2.3", pid=42)
