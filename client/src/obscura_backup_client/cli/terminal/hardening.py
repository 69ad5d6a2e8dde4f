"""Keeping this process's memory, which holds passwords and keys, from being written to disk or read by others."""

from __future__ import annotations

import contextlib
import resource
import sys

PR_SET_DUMPABLE = 4


def harden() -> None:
    """Forbid core dumps, and on Linux reading this process's memory by another one of the same user.

    Best effort: where the system refuses, the command still works. Memory that Python freed is not erased, and none
    of it is kept from being swapped out; only an encrypted swap helps there.
    """
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        # Imported here because it takes time to load and other systems have no use for it.
        import ctypes

        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
