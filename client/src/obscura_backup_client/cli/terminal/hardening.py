"""Protection of this process's memory, which holds passwords and keys, against core dumps and other processes."""

from __future__ import annotations

import contextlib
import resource
import sys

PR_SET_DUMPABLE = 4


def harden() -> None:
    """Forbid core dumps, and on Linux access to this process's memory by other processes of the same user.

    Best effort: if the system refuses, the command still works. Python does not erase freed memory, and memory may be
    swapped out; only encrypted swap protects against that.
    """
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        # Imported here because it loads slowly and other systems do not need it.
        import ctypes

        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
