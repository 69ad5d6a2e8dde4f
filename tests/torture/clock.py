"""A clock that jumps: the C library's answers to a process, altered by libfaketime while the process runs.

The wall clock alone: what measures durations (`CLOCK_MONOTONIC`) and the times of files stay as they are. A time
namespace would not do, since it has no wall clock of its own.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from support.servers.programs import native

CACHE_SECONDS = 1
JUMPS_SECONDS = (-86_400 * 365 * 3, -3_600, -300, -2, 2, 300, 3_600, 86_400 * 365 * 10)
"""Object stores refuse signatures that are more than 15 minutes off; the shorter jumps go on working."""


@dataclass
class Clock:
    """Of one service and its workers.

    Attributes:
        library: libfaketime's.
        file: where the library finds how far off the clock is.
    """

    library: Path
    file: Path

    def __post_init__(self) -> None:
        self.file.write_text("+0\n")

    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(self.library),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_CACHE_DURATION": str(CACHE_SECONDS),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",  # its name before version 0.9.10
            "NO_FAKE_STAT": "1",
        }

    def jump_to(self, seconds: int) -> None:
        """Be this far off from now on; returns when the processes have noticed."""
        beside = self.file.with_suffix(".new")
        beside.write_text(f"{seconds:+d}\n")
        beside.rename(self.file)
        time.sleep(CACHE_SECONDS)


def library() -> Path | None:
    """Libfaketime's, found or (where tests may install) installed; None where it is not to be had."""
    found = _installed()
    if found is None and native.MAY_INSTALL and native.install_with_apt("libfaketime"):
        found = _installed()
    return found


def _installed() -> Path | None:
    return next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)
