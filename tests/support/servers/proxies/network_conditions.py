"""Conditions of a network between two programs: delay, limited bandwidth, or silence."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_LOOK_SECONDS = 0.02


@dataclass(frozen=True)
class NetworkConditions:
    """What happens to bytes in either direction.

    Attributes:
        delay_seconds: added to each piece.
        bytes_per_second: bandwidth of each direction of a connection; 0: unlimited.
        silent: nothing is delivered, and no connection is closed, until the conditions change.
    """

    delay_seconds: float = 0.0
    bytes_per_second: int = 0
    silent: bool = False


UNIMPAIRED = NetworkConditions()


async def pass_through(conditions: Callable[[], NetworkConditions], size: int) -> None:
    """Wait as long as a piece of this size takes under the current conditions."""
    if conditions() is UNIMPAIRED:
        return
    while conditions().silent:  # noqa: ASYNC110  # other threads change it, and they cannot set an event of this loop
        await asyncio.sleep(_LOOK_SECONDS)
    now = conditions()
    seconds = now.delay_seconds + (size / now.bytes_per_second if now.bytes_per_second else 0.0)
    if seconds:
        await asyncio.sleep(seconds)
