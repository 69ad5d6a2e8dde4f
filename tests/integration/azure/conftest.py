"""Stores over an emulator of Azure Blob Storage; they are closed when the test ends."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from contracts.object_store_faults import SHAKY_READ_SECONDS
from obscura_backup.adapters.azure.backend import AzureBackend
from obscura_backup.adapters.azure.location import AzureLocation
from obscura_backup.adapters.object_stores.obstore_driver.store import ObstoreBlobStore
from support.servers.proxies.fault_proxy import FaultProxy
from support.servers.stores.azurite import ACCOUNT, KEY
from support.servers.stores.object_stores import PROBE_SECONDS, StartStore, starting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from obscura_backup.adapters.object_stores.store import ObjectBlobStore
    from support.servers.stores.azurite import Azurite


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """The emulator's credentials, as an operator gives them, and no others."""
    for name in [name for name in os.environ if name.startswith("AZURE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server(azurite: Azurite) -> Azurite:
    return azurite


@pytest.fixture
def bucket(server: Azurite) -> str:
    """The name of a container, in the words that all object stores share."""
    return server.new_container()


@pytest.fixture
async def start_store(bucket: str) -> AsyncIterator[StartStore]:
    def make(endpoint: str, **options: Any) -> ObstoreBlobStore:
        return ObstoreBlobStore(AzureBackend(AzureLocation(bucket, endpoint)), **options)

    async with starting(make) as start:
        yield start


@pytest.fixture
async def blobs(server: Azurite, start_store: StartStore) -> ObjectBlobStore:
    return await start_store(server.endpoint, start_seconds=PROBE_SECONDS)


@pytest.fixture
def proxy(server: Azurite) -> Iterator[FaultProxy]:
    with FaultProxy(server.port) as proxy:
        yield proxy


@pytest.fixture
async def shaky(proxy: FaultProxy, server: Azurite, start_store: StartStore) -> ObjectBlobStore:
    """A store behind the proxy, with short time-outs; no request is counted yet."""
    blobs = await start_store(
        server.endpoint_at(proxy.port),
        read_timeout_seconds=SHAKY_READ_SECONDS,
        max_writes=2,
        start_seconds=PROBE_SECONDS,
    )
    proxy.forget()
    return blobs
