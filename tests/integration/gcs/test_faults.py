"""Failures of the server, and what an operator is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contracts.object_store_faults import ObjectStoreFaultContract
from obscura_backup.adapters.gcs.backend import GcsBackend
from obscura_backup.adapters.gcs.location import GcsLocation
from obscura_backup.adapters.object_stores.obstore_driver.store import ObstoreBlobStore
from obscura_backup.domain.errors import StoreUnusable
from support.servers.proxies.http_front import HttpFront
from support.servers.stores.gcs_uploads import CarelessGcsUploads
from support.servers.stores.object_stores import PROBE_SECONDS

if TYPE_CHECKING:
    from support.servers.stores.gcs_server import GcsServer
    from support.servers.stores.object_stores import StartStore


class TestFaults(ObjectStoreFaultContract):
    pass


async def test_missing_bucket_is_refused_with_the_way_out(server: GcsServer) -> None:
    blobs = ObstoreBlobStore(GcsBackend(GcsLocation("no-such-bucket", server.endpoint)))
    with pytest.raises(StoreUnusable, match="gcloud storage buckets create gs://no-such-bucket"):
        await blobs.start()
    await blobs.close()


async def test_emulator_as_it_is_is_refused(server: GcsServer, start_store: StartStore) -> None:
    """It takes no plain PUT of the XML API, and gives a 404 no code, so that a lost bucket would not be noticed."""
    with pytest.raises(StoreUnusable, match="404"):
        await start_store(server.bare_endpoint, start_seconds=PROBE_SECONDS)


async def test_store_that_ignores_conditions_is_refused(server: GcsServer, start_store: StartStore) -> None:
    with (
        HttpFront(server.emulator_port, CarelessGcsUploads) as careless,
        pytest.raises(StoreUnusable, match="does not honour conditional writes"),
    ):
        await start_store(f"http://127.0.0.1:{careless.port}", start_seconds=PROBE_SECONDS)
