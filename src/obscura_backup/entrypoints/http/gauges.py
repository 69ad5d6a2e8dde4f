"""Gauges of a worker, set once a second: what is in use, and which store answers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from prometheus_client import Gauge

from obscura_backup.adapters.tokens.jwks import JwksKeySource
from obscura_backup.adapters.tokens.secret_file import CombinedKeySource
from obscura_backup.entrypoints.http.background import in_background
from obscura_backup.entrypoints.http.middleware.metrics import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from obscura_backup.adapters.tokens.jwks import KeySource
    from obscura_backup.entrypoints.http.routes.service import ReadinessCheck

INTERVAL_SECONDS = 1.0
STORE_CHECK_EVERY = 5
"""Intervals between two checks of the stores. A readiness probe in between is answered from its own check."""

_STORE_UP = Gauge(
    "obscura_backup_store_up",
    "1 if the store answered the last check of every worker, else 0.",
    ("store",),
    registry=REGISTRY,
    multiprocess_mode="livemin",
)
_IN_USE = Gauge(
    "obscura_backup_in_use",
    "How much of a limited resource is in use: connections, upload_memory_bytes.",
    ("resource",),
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
_KEYS_AGE = Gauge(
    "obscura_backup_key_set_age_seconds",
    "Seconds since the key set was last read; the oldest of all workers.",
    registry=REGISTRY,
    multiprocess_mode="livemax",
)


class Gauges:
    """Sets the gauges of this worker.

    Args:
        readiness_check: of the stores.
        in_use: by the name of the resource, how much of it is in use.
        keys: of the tokens.
    """

    def __init__(
        self,
        readiness_check: ReadinessCheck,
        in_use: Mapping[str, Callable[[], float]],
        keys: KeySource,
    ) -> None:
        self._readiness_check = readiness_check
        self._in_use = in_use
        self._key_set = keys.key_set if isinstance(keys, CombinedKeySource) else keys

    def kept_up_to_date(self) -> AbstractAsyncContextManager[None]:
        """Set them again and again, until the end."""
        return in_background(self._keep_up_to_date())

    async def _keep_up_to_date(self) -> None:
        while True:
            await self.check_stores()
            for _ in range(STORE_CHECK_EVERY):
                self.measure()
                await asyncio.sleep(INTERVAL_SECONDS)

    async def check_stores(self) -> None:
        """Set the gauge of each store."""
        for store, health in zip(("metadata", "blobs"), await self._readiness_check.store_health(), strict=True):
            _STORE_UP.labels(store).set(health.error is None)

    def measure(self) -> None:
        """Set the other gauges."""
        for resource, amount in self._in_use.items():
            _IN_USE.labels(resource).set(amount())
        if isinstance(self._key_set, JwksKeySource):
            _KEYS_AGE.set(self._key_set.age_seconds())
