"""What can be observed of a worker: calls to its stores, gauges, and traces."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import pytest

from contracts import samples
from contracts.blob_store import BlobStoreContract
from contracts.metadata_store import LOCK_TIMEOUT_SECONDS, SHORT_LOCK_TIMEOUT_SECONDS, MetadataStoreContract
from obscura_backup.adapters.memory import MemoryBlobStore, MemoryMetadataStore
from obscura_backup.adapters.system_clock import SystemClock
from obscura_backup.adapters.tokens.jwks import JwksKeySource, SecretKeySource
from obscura_backup.adapters.tokens.secret_file import CombinedKeySource
from obscura_backup.domain.errors import BlobStoreUnavailable, MetadataUnavailable
from obscura_backup.domain.model import NO_VERSION, Version
from obscura_backup.entrypoints.http import gauges, tracing
from obscura_backup.entrypoints.http.gauges import Gauges
from obscura_backup.entrypoints.http.middleware.metrics import REGISTRY
from obscura_backup.entrypoints.http.observed_stores import (
    ObservedBlobStore,
    ObservedMetadataStore,
    StoreCalls,
    observed_service,
)
from obscura_backup.entrypoints.http.routes.service import StoreHealth
from support.servers.in_process.app import fail_with

if TYPE_CHECKING:
    from collections.abc import Callable

USER = samples.user(1)


class TestObservedMetadataStore(MetadataStoreContract):
    @pytest.fixture
    def store(self) -> ObservedMetadataStore:
        return ObservedMetadataStore(MemoryMetadataStore(lock_timeout_seconds=LOCK_TIMEOUT_SECONDS))

    @pytest.fixture
    def impatient(self) -> ObservedMetadataStore:
        return ObservedMetadataStore(MemoryMetadataStore(lock_timeout_seconds=SHORT_LOCK_TIMEOUT_SECONDS))


class TestObservedBlobStore(BlobStoreContract):
    @pytest.fixture
    def blobs(self) -> ObservedBlobStore:
        return ObservedBlobStore(MemoryBlobStore())


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"obscura_backup_{name}", labels) or 0.0


@pytest.fixture
def growth() -> Callable[..., float]:
    """By how much a sample has grown since it was asked for the first time."""
    first: dict[tuple[str, ...], float] = {}

    def grown(name: str, **labels: str) -> float:
        now = sample(name, **labels)
        return now - first.setdefault((name, *labels.values()), now)

    return grown


async def test_each_call_to_a_store_is_timed(growth: Callable[..., float]) -> None:
    calls = [("metadata", "lock"), ("metadata", "save"), ("metadata", "get"), ("blobs", "put"), ("blobs", "get")]
    for store, call in calls:
        growth("store_seconds_count", store=store, call=call)
    service = observed_service(MemoryMetadataStore(), MemoryBlobStore(), SystemClock())
    await service.upload(USER, NO_VERSION, samples.blob())
    await service.refuse_early(USER, Version(1))
    await (await service.download(USER)).aclose()
    counts = {growth("store_seconds_count", store=store, call=call) for store, call in calls}
    assert counts == {1}
    assert sample("locked_slots") == 0


async def test_sizes_of_stored_and_read_blobs_are_counted(growth: Callable[..., float]) -> None:
    for direction in ("stored", "read"):
        growth("blob_bytes_sum", direction=direction)
    service = observed_service(MemoryMetadataStore(), MemoryBlobStore(), SystemClock())
    blob = samples.blob()
    await service.upload(USER, NO_VERSION, blob)
    await (await service.download(USER)).aclose()
    await service.delete(USER, Version(1))
    assert growth("blob_bytes_sum", direction="stored") == growth("blob_bytes_sum", direction="read") == blob.size


async def test_retry_and_repaired_row_are_events(growth: Callable[..., float]) -> None:
    for event in ("retry-recognised", "row-repaired"):
        growth("events_total", event=event)
    blobs = MemoryBlobStore()
    service = observed_service(MemoryMetadataStore(), blobs, SystemClock())
    blob = samples.blob()
    await service.upload(USER, NO_VERSION, blob)
    await service.upload(USER, NO_VERSION, blob)
    assert (growth("events_total", event="retry-recognised"), growth("events_total", event="row-repaired")) == (1, 0)
    await observed_service(MemoryMetadataStore(), blobs, SystemClock()).upload(USER, NO_VERSION, blob)
    assert (growth("events_total", event="retry-recognised"), growth("events_total", event="row-repaired")) == (2, 1)


async def test_failures_are_counted_by_store_call_and_code(
    growth: Callable[..., float], monkeypatch: pytest.MonkeyPatch
) -> None:
    put = {"store": "blobs", "call": "put", "code": "blob-store-unavailable"}
    get = {"store": "metadata", "call": "get", "code": "metadata-unavailable"}
    growth("store_errors_total", **put)
    growth("store_errors_total", **get)
    fail_with(monkeypatch, MemoryBlobStore, "put", BlobStoreUnavailable())
    fail_with(monkeypatch, MemoryMetadataStore, "get", MetadataUnavailable())
    service = observed_service(MemoryMetadataStore(), MemoryBlobStore(), SystemClock())
    with pytest.raises(BlobStoreUnavailable):
        await service.upload(USER, NO_VERSION, samples.blob())
    with pytest.raises(MetadataUnavailable):
        await service.download(USER)
    assert (growth("store_errors_total", **put), growth("store_errors_total", **get)) == (1, 1)
    assert sample("locked_slots") == 0


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


ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


def test_standard_variables_turn_traces_on() -> None:
    cases: list[tuple[dict[str, str], bool]] = [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "backup"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        (ENDPOINT, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "false"}, True),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "True"}, False),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"}, False),
    ]
    for environ, wanted in cases:
        assert tracing.are_wanted(environ) is wanted


def test_missing_extra_is_a_warning(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.instrumentation.asgi", None)
    app: Any = object()
    assert tracing.traced(app, {}) is app
    assert "install obscura-backup[otel]" in caplog.text
    assert StoreCalls.span is None
