"""Processor time and memory of processes, from the kernel's clocks and /proc (Linux)."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measurements import Usage

if TYPE_CHECKING:
    from collections.abc import Callable

PROC = Path("/proc")
_CPUCLOCK_SCHED = 2


def usage(pid: int, *, proc: Path = PROC, clock: Callable[[int], float] | None = None) -> Usage:
    """What a process, its descendants and its ended children use.

    Args:
        pid: of the process.
        proc: where /proc is.
        clock: the processor time of a process in seconds; None: the kernel's clock.
    """
    seconds, pages = 0.0, 0
    waiting = [pid]
    while waiting:
        process = waiting.pop()
        folder = proc / str(process)
        try:
            stat = (folder / "stat").read_text()
            children = [path.read_text() for path in folder.glob("task/*/children")]
            own_seconds = (clock or processor_clock)(process)
        except OSError:  # it ended; its parent has its time
            continue
        seconds += own_seconds + ticks_of_ended_children(stat) / os.sysconf("SC_CLK_TCK")
        pages += pages_of(stat)
        waiting += [int(child) for text in children for child in text.split()]
    return Usage(seconds, pages * os.sysconf("SC_PAGE_SIZE"))


def processor_clock(pid: int) -> float:
    """User and system time of all threads of a process, in seconds.

    `stat` has it, too, but rounded down to 10 ms per process: with a process per connection, too coarse.

    Raises:
        OSError: there is no such process.
    """
    return time.clock_gettime(~pid << 3 | _CPUCLOCK_SCHED)  # as clock_getcpuclockid(3) does


def ticks_of_ended_children(stat: str) -> int:
    """User and system time of a process's ended children, in clock ticks, from its `stat` file."""
    return sum(int(field) for field in _fields(stat)[13:15])


def pages_of(stat: str) -> int:
    """Its resident set, in pages."""
    return int(_fields(stat)[21])


def _fields(stat: str) -> list[str]:
    # From the third field on. The second one, the name of the program, may hold blanks and parentheses.
    return stat.rpartition(")")[2].split()
