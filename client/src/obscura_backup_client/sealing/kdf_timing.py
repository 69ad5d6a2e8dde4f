"""Timing a computation, and detecting whether other programs slowed it down."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

# Processor time as a share of wall-clock time, for a thread that never waits. A quiet machine gives at least 0.98.
LEAST_PROCESSOR_SHARE: Final = 0.9
# Runnable programs per processor. An idle desktop has 0.1.
MOST_LOAD: Final = 0.7


@dataclass(frozen=True, slots=True)
class Timing:
    """The wall-clock seconds and the processor seconds of a computation."""

    seconds: float
    processor_seconds: float


def time_call(computation: Callable[[], object]) -> Timing:
    """Run and time the computation, which must stay in this thread."""
    processor, wall = time.thread_time(), time.perf_counter()
    computation()
    return Timing(time.perf_counter() - wall, time.thread_time() - processor)


def load_per_processor() -> float:
    """The load average of the last minute, per processor; 0 if the system does not provide it."""
    try:
        processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        return os.getloadavg()[0] / (processors or 1)
    except OSError:
        return 0.0


def busy_reason(timings: list[Timing], load: float) -> str:
    """Why these timings may be longer than on a quiet machine; empty if there is no sign of that.

    Args:
        timings: of computations in one thread.
        load: of the machine before them, per processor.
    """
    wall = sum(each.seconds for each in timings)
    share = sum(each.processor_seconds for each in timings) / wall if wall > 0 else 1.0
    if share < LEAST_PROCESSOR_SHARE:
        return f"the derivations had a processor for only {share:.0%} of their time"
    return f"{load:.1f} other programs per processor were running" if load > MOST_LOAD else ""
