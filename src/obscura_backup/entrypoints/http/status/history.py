"""Samples of the last hours, one per minute, kept in memory.

Each worker keeps its own: the metrics are those of all workers, so that all of them keep the same but for the seconds
between their samples. A worker that is replaced begins with an empty history.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING

from obscura_backup.entrypoints.http.background import in_background
from obscura_backup.entrypoints.http.status.samples import read_sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractAsyncContextManager

    from prometheus_client import Metric

    from obscura_backup.entrypoints.http.status.samples import Sample

SAMPLE_SECONDS = 60
KEPT_SECONDS = 6 * 3600


class History:
    """The samples of this worker.

    Args:
        collect: the metrics of all workers.
        clock: seconds since 1970.
    """

    def __init__(self, collect: Callable[[], Iterable[Metric]], clock: Callable[[], float] = time.time) -> None:
        self._collect = collect
        self._clock = clock
        self._samples: deque[Sample] = deque(maxlen=KEPT_SECONDS // SAMPLE_SECONDS + 1)

    def kept_up_to_date(self) -> AbstractAsyncContextManager[None]:
        """Take a sample now and at the beginning of every minute, until the end."""
        return in_background(self._keep_up_to_date())

    async def _keep_up_to_date(self) -> None:
        while True:
            self.take()
            await asyncio.sleep(SAMPLE_SECONDS - self._clock() % SAMPLE_SECONDS)

    def take(self) -> None:
        """Keep a sample of this moment. The oldest one goes after 6 hours."""
        self._samples.append(self._sample())

    def until_now(self) -> list[Sample]:
        """The samples that are kept, oldest first, and one of this moment."""
        return [*self._samples, self._sample()]

    def _sample(self) -> Sample:
        return read_sample(self._collect(), self._clock())
