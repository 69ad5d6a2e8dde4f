"""How long a computation took, and whether something else kept the machine from it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

# Of the wall-clock time of one thread that computes and never waits. On a quiet machine it is 0.98 and more.
LEAST_PROCESSOR_SHARE: Final = 0.9
# Programs that want to compute, per processor. An idle desktop has 0.1.
MOST_LOAD: Final = 0.7


@dataclass(frozen=True, slots=True)
class Timing:
    """How many seconds a computation took by the clock on the wall, and how many its thread had the processor."""

    seconds: float
    processor_seconds: float


def time_call(computation: Callable[[], object]) -> Timing:
    """Run the computation, which has to stay in this thread, and time it."""
    processor, wall = time.thread_time(), time.perf_counter()
    computation()
    return Timing(time.perf_counter() - wall, time.thread_time() - processor)


def load_per_processor() -> float:
    """How many programs wanted to compute over the last minute, per processor; 0 where the system does not say."""
    try:
        processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        return os.getloadavg()[0] / (processors or 1)
    except OSError:
        return 0.0


def busy_reason(timings: list[Timing], load: float) -> str:
    """Why these timings may be longer than on a quiet machine, in words; empty where nothing speaks for it.

    Args:
        timings: of computations in one thread.
        load: of the machine before them, per processor.
    """
    wall = sum(each.seconds for each in timings)
    share = sum(each.processor_seconds for each in timings) / wall if wall > 0 else 1.0
    if share < LEAST_PROCESSOR_SHARE:
        return f"the derivations had a processor for {share:.0%} of their time"
    return f"{load:.1f} other programs per processor wanted to compute" if load > MOST_LOAD else ""
