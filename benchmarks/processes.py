"""Processor time and memory of processes, from /proc (Linux)."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.measurements import Usage

PROC = Path("/proc")


def usage(pid: int, *, proc: Path = PROC) -> Usage:
    """What a process, its descendants and its ended children use. The resolution of the time is 10 ms."""
    ticks = pages = 0
    waiting = [pid]
    while waiting:
        folder = proc / str(waiting.pop())
        try:
            stat = (folder / "stat").read_text()
            children = [path.read_text() for path in folder.glob("task/*/children")]
        except (FileNotFoundError, ProcessLookupError):  # it ended; its parent has its time
            continue
        ticks += ticks_of(stat)
        pages += pages_of(stat)
        waiting += [int(child) for text in children for child in text.split()]
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE"))


def ticks_of(stat: str) -> int:
    """User and system time of a process and of its ended children, in clock ticks, from its `stat` file."""
    return sum(int(field) for field in _fields(stat)[11:15])


def pages_of(stat: str) -> int:
    """Its resident set, in pages."""
    return int(_fields(stat)[21])


def _fields(stat: str) -> list[str]:
    # From the third field on. The second one, the name of the program, may hold blanks and parentheses.
    return stat.rpartition(")")[2].split()
