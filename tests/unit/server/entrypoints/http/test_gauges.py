"""The gauges of a worker."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from obscura_backup.adapters.tokens.jwks import JwksKeySource, SecretKeySource
from obscura_backup.adapters.tokens.secret_file import CombinedKeySource
from obscura_backup.entrypoints.http import gauges
from obscura_backup.entrypoints.http.gauges import Gauges
from obscura_backup.entrypoints.http.middleware.metrics import REGISTRY
from obscura_backup.entrypoints.http.routes.service import StoreHealth

if TYPE_CHECKING:
    import pytest


class Check:
    """Readiness with a blob store that fails until it is mended."""

    def __init__(self) -> None:
        self.blobs = StoreHealth("unavailable", OSError())

    async def store_health(self) -> tuple[StoreHealth, StoreHealth]:
        return StoreHealth(), self.blobs


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"obscura_backup_{name}", labels)


async def test_gauges_follow_what_they_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gauges, "INTERVAL_SECONDS", 0.001)
    check: Any = Check()
    open_connections = 3
    measured = asyncio.Event()

    def connections() -> int:
        measured.set()
        return open_connections

    read_at, now = 100.0, 112.5
    keys = JwksKeySource(bytes, "a test", clock=lambda: now)
    keys._read_at = read_at
    combined = CombinedKeySource(keys, SecretKeySource("secret"))
    async with Gauges(check, {"connections": connections}, combined).kept_up_to_date():
        await measured.wait()
        assert (value("store_up", store="metadata"), value("store_up", store="blobs")) == (1, 0)
        assert value("key_set_age_seconds") == 12.5
        assert value("in_use", resource="connections") == 3
        check.blobs, open_connections = StoreHealth(), 4
        for _ in range(2 * gauges.STORE_CHECK_EVERY):
            measured.clear()
            await measured.wait()
        assert (value("store_up", store="blobs"), value("in_use", resource="connections")) == (1, 4)
