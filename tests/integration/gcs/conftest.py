"""Stores over an emulator of Google Cloud Storage; they are closed when the test ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from contracts.object_store_faults import SHAKY_READ_SECONDS
from obscura_backup.adapters.gcs.backend import GcsBackend
from obscura_backup.adapters.gcs.location import GcsLocation
from obscura_backup.adapters.object_stores.obstore_driver.store import ObstoreBlobStore
from support.servers.proxies.fault_proxy import FaultProxy
from support.servers.stores.object_stores import PROBE_SECONDS, StartStore, starting
from support.servers.stores.s3_store import through

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from obscura_backup.adapters.object_stores.store import ObjectBlobStore
    from support.servers.stores.gcs_server import GcsServer


@pytest.fixture
def server(gcs_server: GcsServer) -> GcsServer:
    return gcs_server


@pytest.fixture
def bucket(server: GcsServer) -> str:
    return server.new_bucket()


@pytest.fixture
async def start_store(bucket: str) -> AsyncIterator[StartStore]:
    def make(endpoint: str, **options: Any) -> ObstoreBlobStore:
        return ObstoreBlobStore(GcsBackend(GcsLocation(bucket, endpoint)), **options)

    async with starting(make) as start:
        yield start


@pytest.fixture
async def blobs(server: GcsServer, start_store: StartStore) -> ObjectBlobStore:
    return await start_store(server.endpoint, start_seconds=PROBE_SECONDS)


@pytest.fixture
def proxy(server: GcsServer) -> Iterator[FaultProxy]:
    with FaultProxy(server.port) as proxy:
        yield proxy


@pytest.fixture
async def shaky(proxy: FaultProxy, start_store: StartStore) -> ObjectBlobStore:
    """A store behind the proxy, with short time-outs; no request is counted yet."""
    blobs = await start_store(
        through(proxy), read_timeout_seconds=SHAKY_READ_SECONDS, max_writes=2, start_seconds=PROBE_SECONDS
    )
    proxy.forget()
    return blobs
