"""Stores over an emulator of Google Cloud Storage; they are closed when the test ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from obscura_backup.adapters.gcs.backend import GcsBackend
from obscura_backup.adapters.gcs.location import GcsLocation
from obscura_backup.adapters.object_stores.obstore_driver.store import ObstoreBlobStore
from support.servers.object_stores import PROBE_SECONDS, StartStore, starting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from obscura_backup.adapters.object_stores.store import ObjectBlobStore
    from support.servers.gcs_server import GcsServer


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
