"""Clocks that stand still until a test moves them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class MovableClock:
    """A clock for the time of day.

    Args:
        moment: what it shows; by default the time when it is made.
    """

    def __init__(self, moment: datetime | None = None) -> None:
        self.moment = moment or datetime.now(UTC)

    def now(self) -> datetime:
        """The time that it shows."""
        return self.moment

    def after(self, seconds: float) -> int:
        """A time stamp so many seconds later."""
        return int((self.moment + timedelta(seconds=seconds)).timestamp())


class MovableSeconds:
    """A clock that counts seconds, as `time.monotonic` does."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds
