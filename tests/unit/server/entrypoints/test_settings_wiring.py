"""Every limit and time-out that is a setting reaches the part that it is named after."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from prometheus_client.multiprocess import mark_process_dead

from contracts import samples
from obscura_backup.adapters.memory import MemoryMetadataStore
from obscura_backup.adapters.object_stores.obstore_driver import store as obstore_store
from obscura_backup.adapters.postgres import pool as postgres_pool
from obscura_backup.adapters.postgres import store as postgres
from obscura_backup.adapters.postgres.store import PostgresMetadataStore
from obscura_backup.adapters.s3 import store as s3_store
from obscura_backup.adapters.sqlite import SqliteMetadataStore
from obscura_backup.adapters.tokens.jwks import JwksKeySource
from obscura_backup.adapters.tokens.verifier import JwtVerifier
from obscura_backup.entrypoints.container import Container
from obscura_backup.entrypoints.http import app
from obscura_backup.entrypoints.http.middleware.request_pipeline import RequestPipeline
from obscura_backup.entrypoints.http.routes import service as service_routes
from obscura_backup.entrypoints.http.server import run as server
from obscura_backup.entrypoints.http.server.protocol import BoundedProtocol
from obscura_backup.entrypoints.http.server.shutdown import ShutdownState
from obscura_backup.entrypoints.settings import Settings, load_settings
from support.table import table

if TYPE_CHECKING:
    from pathlib import Path

POSTGRES = "postgresql://someone@localhost/db"


class Calls:
    """Records calls and their arguments."""

    def __init__(self) -> None:
        self.arguments: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.arguments.append((args, kwargs))
        return self

    @property
    def named(self) -> dict[str, Any]:
        (_, named) = self.arguments[-1]
        return named

    @property
    def first(self) -> tuple[Any, ...]:
        return tuple(args[0] if args else None for args, _ in self.arguments)


def settings(**values: Any) -> Settings:
    return load_settings(values, {})


def test_settings_of_postgres_reach_the_store_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Calls()
    monkeypatch.setattr(postgres, "PostgresMetadataStore", made)
    Container(
        settings=settings(
            metadata_url=POSTGRES,
            postgres_pool=21,
            lock_seconds=22.5,
            postgres_hold_seconds=23.5,
            postgres_wait_seconds=24.5,
            postgres_connect_seconds=25,
            postgres_answer_seconds=26.5,
        )
    ).metadata()
    assert made.first == (POSTGRES,)
    assert made.named == {
        "pool_size": 21,
        "lock_timeout_seconds": 22.5,
        "idle_in_transaction_seconds": 23.5,
        "pool_wait_seconds": 24.5,
        "connect_timeout_seconds": 25,
        "answer_timeout_seconds": 26.5,
    }


async def test_times_of_the_postgres_store_reach_its_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    pools: list[dict[str, Any]] = []

    class Pool:
        def __init__(self, **named: Any) -> None:
            pools.append(named)

        async def open(self) -> None:
            """Connect to nothing."""

    monkeypatch.setattr(postgres_pool, "AsyncConnectionPool", Pool)
    store = PostgresMetadataStore(
        POSTGRES,
        pool_size=21,
        pool_waiting=27,
        lock_timeout_seconds=22.5,
        idle_in_transaction_seconds=23.5,
        pool_wait_seconds=24.5,
        connect_timeout_seconds=25,
        answer_timeout_seconds=26.5,
    )
    await store._pool.open()
    (pool,) = pools
    assert (pool["max_size"], pool["max_waiting"], pool["timeout"]) == (21, 27, 24.5)
    assert pool["kwargs"]["connect_timeout"] == 25
    assert store._pool._answer_timeout_seconds == 26.5
    assert store._locks._timeout_seconds == 22.5


async def test_times_of_a_lock_go_out_with_the_question_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, float]] = []

    class Stop(Exception):
        pass

    async def begin(message: Any, *, seconds: float) -> Any:
        asked.append((message, seconds))
        raise Stop

    store = PostgresMetadataStore(POSTGRES, idle_in_transaction_seconds=23.5, answer_timeout_seconds=10)
    store._schema_is_current = True
    monkeypatch.setattr(store._pool, "checkout", begin)
    with pytest.raises(Stop):
        await store._lock_row(samples.user(), 0.5)
    (_, (_, (lock_ms, statement_ms, hold_ms, _)), _), seconds = asked[0]
    assert hold_ms == b"23500"
    assert (lock_ms, seconds) == (b"500", 0.5)
    assert statement_ms == b"8000", "four fifths of the time to answer"


@pytest.mark.parametrize("scheme", ["s3", "gs", "az"])
def test_settings_of_object_stores_reach_the_store_by_name(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    made = Calls()
    monkeypatch.setattr(s3_store, "S3BlobStore", made)
    monkeypatch.setattr(obstore_store, "ObstoreBlobStore", made)
    Container(
        settings=settings(
            blobs_url=f"{scheme}://bucket?endpoint=http://localhost:9",
            s3_connect_seconds=21.5,
            s3_read_seconds=22.5,
            s3_wait_seconds=23.5,
            s3_ping_seconds=24.5,
        )
    ).blobs()
    times = {name: value for name, value in made.named.items() if name.endswith("_seconds")}
    assert times == {
        "connect_timeout_seconds": 21.5,
        "read_timeout_seconds": 22.5,
        "wait_seconds": 23.5,
        "ping_timeout_seconds": 24.5,
    }


@table(("url", "kind"), [("memory:", MemoryMetadataStore), ("sqlite:////tmp/none", SqliteMetadataStore)])
def test_time_to_wait_for_a_lock_reaches_the_embedded_stores(url: str, kind: type) -> None:
    store = Container(settings=settings(metadata_url=url, lock_seconds=21.5)).metadata()
    assert isinstance(store, kind)
    assert store._locks._timeout_seconds == 21.5  # type: ignore[attr-defined]  # each of the two has them


def test_time_for_a_key_set_reaches_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Calls()
    monkeypatch.setattr(JwksKeySource, "url", made)
    Container(settings=settings(auth_jwks="https://keys.example/jwks", jwks_seconds=21.5)).key_source()
    assert (made.first, made.named) == (("https://keys.example/jwks",), {"timeout_seconds": 21.5})


def test_what_tokens_must_say_reaches_their_verifier(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Calls()
    monkeypatch.setattr(JwtVerifier, "__init__", lambda _self, *args, **named: made(*args, **named) and None)
    values = {"auth_issuer": "the issuer", "auth_audience": "the audience", "auth_user_claim": "uid"}
    Container(settings=settings(auth_secret="s" * 32, **values)).tokens()
    named = {name: made.named[name] for name in ("issuer", "audience", "user_claim")}
    assert named == {"issuer": "the issuer", "audience": "the audience", "user_claim": "uid"}


@pytest.mark.filterwarnings("ignore::litestar.exceptions.LitestarDeprecationWarning")  # of the framework's next version
def test_limits_of_http_reach_their_parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    parts = {name: Calls() for name in ("ConcurrencyLimit", "SpoolMemory", "RateLimits", "ClientAddress")}
    for name, made in parts.items():
        monkeypatch.setattr(app, name, made)
    stores = Calls()
    monkeypatch.setattr(service_routes, "ReadinessCheck", stores)
    given = settings(
        data_dir=tmp_path,
        max_uploads_per_user=21,
        upload_memory_bytes=22,
        rate_per_user=23,
        rate_per_address=24,
        trusted_proxies=("10.0.0.0/8",),
        ready_seconds=25.5,
        user_hash_prefixes=("3f",),
    )
    pipeline = app.create_app(given)
    assert isinstance(pipeline, RequestPipeline)
    assert pipeline._authentication._user_hash_prefixes == ("3f",)
    assert parts["ConcurrencyLimit"].first == (21, 21)
    assert parts["SpoolMemory"].first == (22,)
    assert parts["RateLimits"].arguments[0][0][:2] == (23, 24)
    assert parts["ClientAddress"].first == (("10.0.0.0/8",),)
    assert stores.named == {"timeout_seconds": 25.5}


def test_sizes_of_a_blob_reach_what_checks_them() -> None:
    limits = Container(settings=settings(min_bytes=40, max_bytes=41)).limits()
    assert (limits.min_bytes, limits.max_bytes) == (40, 41)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_drain_time_reaches_the_server_and_the_notice_its_own_part(
    monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    configured, watched, patient = Calls(), Calls(), Calls()
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(uvicorn, "Config", configured)
    monkeypatch.setattr(uvicorn, "Server", lambda _config: _Idle())
    monkeypatch.setattr(ShutdownState, "watch", lambda _self, *args, **named: watched(*args, **named))
    monkeypatch.setattr(
        "obscura_backup.entrypoints.http.server.workers.Workers", lambda *_, **named: patient(**named) and _Idle()
    )
    monkeypatch.setattr(BoundedProtocol, "max_connections", 1)
    monkeypatch.setattr(server, "log_to_stderr", lambda _level, _format: None)
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    given = settings(notice_seconds=1.5, drain_seconds=20, workers=workers, max_connections=77)
    try:
        server.run(given, None, no_app)  # type: ignore[arg-type]  # without a socket
        server.AppFactory(given, os.getpid(), no_app)()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert configured.named["timeout_graceful_shutdown"] == 20
    assert configured.named["workers"] == workers
    assert watched.first == (1.5,)
    assert BoundedProtocol.max_connections == 77
    if workers > 1:
        assert patient.named == {
            "start_seconds": given.start_seconds,
            "stop_seconds": 1.5 + 20 + server.STUCK_SECONDS,
            "on_end": mark_process_dead,
            "fork": server.CAN_FORK,
        }


def no_app(_settings: Settings, _is_stopping: object) -> Any:
    return None


class _Idle:
    failed_to_start = False

    def run(self, **_named: Any) -> None:
        """Serve nothing."""


async def test_the_notice_lasts_as_long_as_it_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    later: list[float] = []
    loop = asyncio.get_running_loop()
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(loop, "call_soon_threadsafe", lambda _call, seconds, *_args: later.append(seconds))
    try:
        signal.signal(signal.SIGTERM, lambda *_: None)
        ShutdownState().watch(1.5, has_parent=True)
        handler = signal.getsignal(signal.SIGTERM)
        assert callable(handler)
        handler(signal.SIGTERM, None)
    finally:
        signal.signal(signal.SIGTERM, before)
        monkeypatch.undo()
    assert later == [1.5]
