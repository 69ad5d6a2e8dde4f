"""Every setting, and every time-out among them, reaches the part that it is for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from dependency_injector.errors import Error

from obscura_backup.adapters import memory, sqlite
from obscura_backup.adapters.object_stores import store as s3
from obscura_backup.adapters.object_stores.obstore_driver import store as obstore_store
from obscura_backup.adapters.object_stores.obstore_driver.store import ObstoreBlobStore
from obscura_backup.adapters.postgres import store as postgres
from obscura_backup.adapters.s3 import store as s3_store
from obscura_backup.adapters.s3.boto3_driver import store as boto3_store
from obscura_backup.adapters.s3.boto3_driver.store import Boto3BlobStore
from obscura_backup.adapters.s3.store import S3BlobStore
from obscura_backup.adapters.tokens import jwks
from obscura_backup.adapters.tokens.jwks import JwksKeySource
from obscura_backup.domain.errors import StoreUnusable, Unavailable
from obscura_backup.entrypoints.container import Container, started
from obscura_backup.entrypoints.setting_sources import InvalidSettings
from obscura_backup.entrypoints.settings import Settings, load_settings
from obscura_backup.entrypoints.timeouts import Timeouts
from support.table import table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECRET = "a secret that only the tests know, 32 bytes and more"


class Part:
    """Stands where an adapter is made, and keeps what it was made with."""

    def __init__(self, *positional: Any, **named: Any) -> None:
        self.positional, self.named = positional, named


class Store:
    """A store that remembers what was done to it."""

    def __init__(self, name: str, events: list[str], failure: Exception | None = None) -> None:
        self._name, self._events, self._failure = name, events, failure

    async def start(self) -> None:
        self._events.append(f"start {self._name}")
        if self._failure is not None:
            raise self._failure

    async def close(self) -> None:
        self._events.append(f"close {self._name}")


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Container]:
    def make(**given: Any) -> Container:
        return Container(settings=Settings(data_dir=tmp_path, **{"auth_secret": SECRET, **given}))

    return make


@pytest.mark.parametrize("scheme", ["s3", "s3+boto3", "gs", "az"])
@pytest.mark.parametrize(("allowed", "unconditional"), [("bucket", True), ("another", False), (None, False)])
def test_unconditional_writes_are_allowed_for_the_bucket_that_is_named(
    made: Callable[..., Container],
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
    allowed: str | None,
    *,
    unconditional: bool,
) -> None:
    monkeypatch.setattr(s3_store, "S3BlobStore", Part)
    monkeypatch.setattr(obstore_store, "ObstoreBlobStore", Part)
    monkeypatch.setattr(boto3_store, "Boto3BlobStore", Part)
    part: Any = made(blobs_url=f"{scheme}://bucket", allow_unconditional_blobs=allowed).blobs()
    assert part.named["allow_unconditional"] is unconditional


@pytest.mark.parametrize(
    ("scheme", "kind"),
    [("s3", S3BlobStore), ("s3+boto3", Boto3BlobStore), ("gs", ObstoreBlobStore), ("az", ObstoreBlobStore)],
)
def test_scheme_names_the_driver(made: Callable[..., Container], scheme: str, kind: type) -> None:
    assert isinstance(made(blobs_url=f"{scheme}://bucket").blobs(), kind)


@pytest.mark.parametrize("given", [{}, {"metadata_url": "memory:"}])
def test_the_embedded_metadata_wait_for_a_lock_as_long_as_configured(
    made: Callable[..., Container], given: dict[str, str]
) -> None:
    store: Any = made(lock_seconds=11.0, **given).metadata()
    assert store._locks._timeout_seconds == 11.0


def test_sqlite_waits_for_other_processes_as_long_as_configured(made: Callable[..., Container]) -> None:
    store: Any = made(lock_seconds=11.0).metadata()
    assert store._timeout_seconds == 11.0


def with_stores(container: Container, metadata: Store, blobs: Store) -> Container:
    container.metadata.override(metadata)
    container.blobs.override(blobs)
    return container


async def test_both_stores_are_started_and_closed_in_the_reverse_order(made: Callable[..., Container]) -> None:
    events: list[str] = []
    async with started(with_stores(made(), Store("metadata", events), Store("blobs", events))):
        events.append("serve")
    assert events == ["start metadata", "start blobs", "serve", "close blobs", "close metadata"]


async def test_a_store_that_does_not_start_is_closed_like_the_one_before_it(made: Callable[..., Container]) -> None:
    events: list[str] = []
    stores = Store("metadata", events), Store("blobs", events, StoreUnusable("It is not there."))
    with pytest.raises(StoreUnusable):
        async with started(with_stores(made(), *stores)):
            events.append("serve")
    assert events == ["start metadata", "start blobs", "close blobs", "close metadata"]


async def test_stores_are_closed_after_a_failure_while_serving(made: Callable[..., Container]) -> None:
    events: list[str] = []
    with pytest.raises(ZeroDivisionError):
        async with started(with_stores(made(), Store("metadata", events), Store("blobs", events))):
            raise ZeroDivisionError
    assert events[2:] == ["close blobs", "close metadata"]


async def test_a_service_that_verifies_tokens_wants_its_secret_before_it_starts_a_store(
    made: Callable[..., Container], tmp_path: Path
) -> None:
    events: list[str] = []
    (tmp_path / "auth-secret").write_text("short")
    (tmp_path / "auth-secret").chmod(0o600)
    with pytest.raises(StoreUnusable, match="too short"):
        async with started(with_stores(made(auth_secret=None), Store("metadata", events), Store("blobs", events))):
            pass
    assert events == []


async def test_a_command_without_tokens_wants_no_secret(made: Callable[..., Container], tmp_path: Path) -> None:
    container = made(auth_secret=None)
    async with started(with_stores(container, Store("metadata", []), Store("blobs", [])), tokens=False):
        pass
    assert not (tmp_path / "auth-secret").exists()


def test_a_container_takes_settings_alone() -> None:
    given: Any = {"data_dir": "/data"}
    with pytest.raises(Error, match="is not an instance of"):
        Container(settings=given).settings()


FLEET = {
    "OBSCURA_BACKUP_METADATA_URL": "postgresql://someone@localhost/db",
    "OBSCURA_BACKUP_BLOBS_URL": "s3://bucket?endpoint=http://localhost:9",
    "OBSCURA_BACKUP_AUTH_JWKS": "https://keys.example/jwks",
}


def test_a_default_is_what_the_adapter_would_take_by_itself() -> None:
    cases: list[tuple[str, float]] = [
        ("lock_seconds", postgres.LOCK_TIMEOUT_SECONDS),
        ("lock_seconds", sqlite.LOCK_TIMEOUT_SECONDS),
        ("lock_seconds", memory.LOCK_TIMEOUT_SECONDS),
        ("postgres_hold_seconds", postgres.IDLE_IN_TRANSACTION_SECONDS),
        ("postgres_wait_seconds", postgres.POOL_WAIT_SECONDS),
        ("postgres_connect_seconds", postgres.CONNECT_TIMEOUT_SECONDS),
        ("postgres_answer_seconds", postgres.ANSWER_TIMEOUT_SECONDS),
        ("s3_wait_seconds", s3.WAIT_SECONDS),
        ("s3_connect_seconds", s3.CONNECT_TIMEOUT_SECONDS),
        ("s3_read_seconds", s3.READ_TIMEOUT_SECONDS),
        ("s3_ping_seconds", s3.PING_TIMEOUT_SECONDS),
        ("jwks_seconds", jwks.FETCH_TIMEOUT_SECONDS),
    ]
    for setting, default in cases:
        assert getattr(Settings(), setting) == default


def test_each_setting_reaches_its_adapter(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[str, Any]] = []

    def taking(*_positional: object, **named: object) -> object:
        given.extend(named.items())
        return object()

    names = [each for each in Timeouts.__struct_fields__ if each.startswith(("lock", "postgres", "s3", "jwks"))]
    values = {name: 11 + number for number, name in enumerate(names)}
    values["postgres_hold_seconds"] = 99
    environ = {**FLEET, **{f"OBSCURA_BACKUP_{name.upper()}": str(value) for name, value in values.items()}}
    monkeypatch.setattr(postgres, "PostgresMetadataStore", taking)
    monkeypatch.setattr(s3_store, "S3BlobStore", taking)
    monkeypatch.setattr(JwksKeySource, "url", taking)
    container = Container(settings=load_settings({}, environ))
    container.metadata(), container.blobs(), container.key_source()
    assert sorted(value for name, value in given if name.endswith("seconds")) == sorted(values.values())


@table("value", ["0", "-1", "nan", "inf", "forever", "3601"])
def test_a_time_out_is_a_positive_number_of_seconds_of_at_most_an_hour(value: str) -> None:
    with pytest.raises(InvalidSettings):
        load_settings({}, {"OBSCURA_BACKUP_S3_READ_SECONDS": value})


def test_a_lock_that_would_end_before_the_upload_is_refused() -> None:
    with pytest.raises(InvalidSettings, match="postgres_hold_seconds"):
        load_settings({}, {**FLEET, "OBSCURA_BACKUP_POSTGRES_HOLD_SECONDS": "5"})


def test_the_notice_may_be_none_at_all() -> None:
    assert load_settings({}, {"OBSCURA_BACKUP_NOTICE_SECONDS": "0"}).notice_seconds == 0


async def test_a_key_set_that_drips_does_not_hold_a_request_for_ever() -> None:
    def drip() -> bytes:
        time.sleep(0.5)
        return b""

    source = JwksKeySource(drip, "a slow place", timeout_seconds=0.05)
    with pytest.raises(Unavailable):
        await source.keys()
