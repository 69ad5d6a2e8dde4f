"""What a network between two programs may be like for a while: slow, narrow, or silent."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_LOOK_SECONDS = 0.02


@dataclass(frozen=True)
class Weather:
    """How bytes fare in either direction.

    Attributes:
        delay_seconds: that each piece takes longer.
        bytes_per_second: that each direction of a connection lets through; 0: as many as come.
        silent: nothing is delivered and nobody hangs up, until the weather changes.
    """

    delay_seconds: float = 0.0
    bytes_per_second: int = 0
    silent: bool = False


FINE = Weather()


async def pass_through(weather: Callable[[], Weather], size: int) -> None:
    """Wait as long as a piece of this size takes to come through, by the weather there is when it does."""
    if weather() is FINE:
        return
    while weather().silent:  # noqa: ASYNC110  # other threads change it, and they cannot set an event of this loop
        await asyncio.sleep(_LOOK_SECONDS)
    now = weather()
    seconds = now.delay_seconds + (size / now.bytes_per_second if now.bytes_per_second else 0.0)
    if seconds:
        await asyncio.sleep(seconds)
