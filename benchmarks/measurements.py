"""What one run of the generator yields, and the arithmetic on it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GENERATOR = "generator"
MAX_ERROR_SHARE = 0.01
MIB = 1024 * 1024


@dataclass(frozen=True)
class Usage:
    """What a process and its descendants use.

    Attributes:
        processor_seconds: user and system time so far.
        resident_bytes: resident set now, summed over the processes.
    """

    processor_seconds: float
    resident_bytes: int


@dataclass(frozen=True)
class Measurement:
    """One measured interval.

    Attributes:
        calls: that succeeded.
        per_second: successful calls per second.
        p50_ms: median time of a successful call; NaN without calls. In an open loop it counts from when it was due.
        p99_ms: the 99th percentile.
        cpu_ms: processor time per successful call, by the name of the process (with its descendants).
        memory_mib: resident set at the end, by the name of the process.
        errors: failed calls by their message.
    """

    calls: int
    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_ms: Mapping[str, float]
    memory_mib: Mapping[str, float]
    errors: Mapping[str, int]

    @property
    def is_valid(self) -> bool:
        """Whether there were calls, and at most 1 % of them failed."""
        failed = sum(self.errors.values())
        return self.calls > 0 and failed <= MAX_ERROR_SHARE * (self.calls + failed)


def failed(message: str) -> Measurement:
    """A measurement that did not take place."""
    return Measurement(0, 0.0, math.nan, math.nan, {}, {}, {message: 1})


def measurement(
    microseconds: Sequence[int],
    errors: Mapping[str, int],
    *,
    seconds: float,
    before: Mapping[str, Usage],
    after: Mapping[str, Usage],
    between_seconds: float,
) -> Measurement:
    """The measurement of an interval.

    Args:
        microseconds: that each successful call took.
        errors: failed calls by their message.
        seconds: length of the interval, by the generator's clock.
        before: usage at its beginning, by the name of the process.
        after: usage at its end.
        between_seconds: time between the two samples of usage. It differs a little from `seconds`, so that processor
            time is taken as a rate.
    """
    per_second = len(microseconds) / seconds
    ordered = sorted(microseconds)
    spent = {name: after[name].processor_seconds - usage.processor_seconds for name, usage in before.items()}
    return Measurement(
        calls=len(ordered),
        per_second=per_second,
        p50_ms=percentile(ordered, 0.50) / 1000,
        p99_ms=percentile(ordered, 0.99) / 1000,
        cpu_ms={name: 1000 * ratio(used / between_seconds, per_second) for name, used in spent.items()},
        memory_mib={name: usage.resident_bytes / MIB for name, usage in after.items()},
        errors=dict(errors),
    )


def percentile(ordered: Sequence[int], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed; NaN without values."""
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)] if ordered else math.nan


def ratio(value: float, base: float) -> float:
    """One over the other; NaN where the other is 0."""
    return value / base if base else math.nan


def cpu_ratio(one: Measurement, base: Measurement) -> float:
    """Processor time per call of the servers that both measurements have, one over the other; NaN without any."""
    common = (one.cpu_ms.keys() & base.cpu_ms.keys()) - {GENERATOR}
    return ratio(sum(one.cpu_ms[name] for name in common), sum(base.cpu_ms[name] for name in common))


@dataclass(frozen=True)
class Spread:
    """Ratios of several rounds: their median, and the smallest and largest of them."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.3f} ({self.low:.3f} to {self.high:.3f})"


def spread(ratios: Sequence[float]) -> Spread:
    """The spread of ratios; those that are no number are left out."""
    known = [value for value in ratios if not math.isnan(value)]
    if not known:
        return Spread(math.nan, math.nan, math.nan)
    return Spread(median(known), min(known), max(known))
