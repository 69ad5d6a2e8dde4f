"""A rate limit per key (user or address), in bounded memory and without locks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

ENTRIES_MAX = 32_768
"""About 6 MiB at most. A client with more addresses than that has as many buckets anyway."""
_MINUTE_SECONDS = 60.0


class RateLimit:
    """So many requests per minute and key; a minute's worth may come at once.

    The generic cell rate algorithm (ITU-T I.371, annex A): a token bucket that needs one number per key, the time at
    which the bucket will be full again. An entry whose time has passed means the same as no entry. If there are too
    many entries, the least recently used one goes.

    Args:
        per_minute: requests; 0 for no limit.
        entries_max: how many keys are kept.
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
        """Count one request: 0 if it is within the limit, else the seconds until the next one may be.

        A refused request costs nothing, so that a client that keeps asking is served at the rate of the limit.
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
        """Undo one `take`: the request was charged to another key."""
        full_at = self._full_at.get(key)
        if full_at is not None:
            self._full_at[key] = full_at - self._interval_seconds
