"""How often one user, or one address, may ask: a bucket each, in bounded memory, without locks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

ENTRIES_MAX = 32_768
"""About 6 MiB at most. Whoever has more addresses than that has as many buckets, remembered or not."""
_MINUTE_SECONDS = 60.0


class RateLimit:
    """So many requests a minute for each key; a minute's worth may come at once.

    The generic cell rate algorithm (ITU-T I.371, annex A), which is a token bucket in one number a key: the moment at
    which the bucket will be full again. An entry whose moment has passed says no more than none at all; the least
    recently used one goes first where there are too many.

    Args:
        per_minute: how many; 0 for no limit.
        entries_max: how many keys are remembered.
        clock: seconds that only go forward.
    """

    def __init__(
        self, per_minute: int, *, entries_max: int = ENTRIES_MAX, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._interval_seconds = _MINUTE_SECONDS / per_minute if per_minute else 0.0
        self._tolerance_seconds = _MINUTE_SECONDS - self._interval_seconds
        self._entries_max = entries_max
        self._clock = clock
        # In order of use: Python's dictionaries keep it, and take the oldest out in constant time.
        self._full_at: dict[Hashable, float] = {}

    def take(self, key: Hashable) -> float:
        """Count one request: 0 where it may go on, or the seconds after which the next one may.

        A refused request costs nothing, so that whoever keeps asking is served at the rate of the limit.
        """
        if not self._interval_seconds:
            return 0.0
        now = self._clock()
        full_at = max(self._full_at.pop(key, now), now)
        wait_seconds = full_at - now - self._tolerance_seconds
        if wait_seconds > 0:
            self._full_at[key] = full_at
            return wait_seconds
        if len(self._full_at) >= self._entries_max:
            del self._full_at[next(iter(self._full_at))]
        self._full_at[key] = full_at + self._interval_seconds
        return 0.0

    def refund(self, key: Hashable) -> None:
        """Take back what `take` counted: it turned out to be for somebody else's account."""
        full_at = self._full_at.get(key)
        if full_at is not None:
            self._full_at[key] = full_at - self._interval_seconds
