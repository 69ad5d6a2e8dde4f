"""Numbers, durations and times as text for people."""

from __future__ import annotations

from datetime import UTC, datetime

_STEP = 1024
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_TENS = 10
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def size(count: float) -> str:
    """Bytes, with a binary unit."""
    power = 0
    while count >= _STEP and power < len(_UNITS) - 1:
        count /= _STEP
        power += 1
    return f"{_short(count)} {_UNITS[power]}"


def duration(seconds: float) -> str:
    """A measured duration, in milliseconds or seconds."""
    return f"{_short(seconds)} s" if seconds >= 1 else f"{_short(seconds * 1000)} ms"


def age(seconds: float) -> str:
    """A span of time, in its largest unit."""
    for length, unit in ((_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute")):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "less than a minute"


def clock_time(at: float) -> str:
    """Hours and minutes, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M")


def date_and_time(at: float) -> str:
    """The date, hours and minutes, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= _TENS or value == int(value) else f"{value:.1f}"
