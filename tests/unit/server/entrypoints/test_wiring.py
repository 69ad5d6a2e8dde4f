"""Every setting reaches the part that it is for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from dependency_injector.errors import Error

from obscura_backup.adapters.object_stores.obstore_driver import store as obstore_store
from obscura_backup.adapters.object_stores.obstore_driver.store import ObstoreBlobStore
from obscura_backup.adapters.s3 import store as s3_store
from obscura_backup.adapters.s3.boto3_driver import store as boto3_store
from obscura_backup.adapters.s3.boto3_driver.store import Boto3BlobStore
from obscura_backup.adapters.s3.store import S3BlobStore
from obscura_backup.domain.errors import StoreUnusable
from obscura_backup.entrypoints.container import Container, started
from obscura_backup.entrypoints.settings import Settings

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
