"""A circuit breaker: calls to a store that does not answer fail at once, and one at a time tests whether it is back.

Closed: calls go to the store. Open: no call does. Half-open: one caller tests the store, and the others are refused.
"""

from __future__ import annotations

import logging
import threading
import time
from enum import Enum, auto

PAUSE_SECONDS = 1.0
"""After a failed test, until the next one."""

_log = logging.getLogger("obscura_backup")


class State(Enum):
    """The state of a circuit breaker."""

    CLOSED = auto()
    OPEN = auto()
    HALF_OPEN = auto()


class CircuitBreaker:
    """Counts consecutive failures of one store. Any number of threads may use it, and none waits.

    Args:
        store: its name, for the log.
        threshold: consecutive failures that open the breaker.
        test_seconds: another caller may test the store after this time if the last test reported nothing.
    """

    def __init__(self, store: str, *, threshold: int, test_seconds: float) -> None:
        self._store = store
        self._threshold = threshold
        self._test_seconds = test_seconds
        self._lock = threading.Lock()
        self._failures = 0
        self._test_at = 0.0
        self._state = State.CLOSED
        self._opened_at = 0.0
        self._refused = 0

    @property
    def state(self) -> State:
        """The state now."""
        return self._state

    def try_half_open(self) -> bool:
        """Whether the caller is to test the store now; the result goes to `record_success` or `record_failure`."""
        with self._lock:
            now = time.monotonic()
            if self._state is State.CLOSED or now < self._test_at:
                self._refused += self._state is not State.CLOSED
                return False
            self._state = State.HALF_OPEN
            self._test_at = now + self._test_seconds
            return True

    def record_success(self) -> None:
        """The store answered, if only with an error."""
        with self._lock:
            self._failures = 0
            was_closed, self._state = self._state is State.CLOSED, State.CLOSED
            refused, self._refused = self._refused, 0
        if not was_closed:
            seconds = time.monotonic() - self._opened_at
            _log.warning(
                "the %s is available again after %.0f s; %d calls to it failed at once", self._store, seconds, refused
            )

    def record_failure(self, error: BaseException, *, is_certain: bool = False) -> bool:
        """The store did not answer. Logged once per outage.

        Args:
            error: the reason, in words that hold no secret.
            is_certain: one such failure is enough. The first test then waits for `PAUSE_SECONDS`; else it is due at
                once, since a few calls may have failed by chance.

        Returns:
            Whether the breaker is open now.
        """
        with self._lock:
            self._failures += 1
            before = self._state
            if before is State.CLOSED and not is_certain and self._failures < self._threshold:
                return False
            self._state = State.OPEN
            if is_certain or before is State.HALF_OPEN:
                self._test_at = time.monotonic() + PAUSE_SECONDS
            elif before is State.CLOSED:
                self._test_at = 0.0
        if before is State.CLOSED:
            self._opened_at = time.monotonic()
            reason = str(error).strip() or type(error).__name__
            _log.warning("the %s is not available; calls fail at once until it is: %s", self._store, reason)
        return True
