"""The long exploration: `make model`, or `python -m protocol [STATES]` with `tests` on the path."""

from __future__ import annotations

import sys

from protocol.explorer.catalogue import LARGE, MEDIUM, SMALL
from protocol.explorer.search import explore

STATES = 20_000_000
"""Of each scenario, and some 200 bytes of memory for each of them."""


def main() -> int:
    """Explore scenario by scenario; 1 where an invariant does not hold."""
    limit = int(sys.argv[1]) if len(sys.argv) > 1 else STATES
    for scenario in (*SMALL, *MEDIUM, *LARGE):
        outcome = explore(scenario, limit)
        print(outcome, flush=True)  # noqa: T201  # this is what it is for
        if outcome.trace:
            print(*outcome.trace, sep="\n")  # noqa: T201  # as above
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
