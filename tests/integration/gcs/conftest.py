"""Stores over an emulator of Google Cloud Storage."""

from __future__ import annotations

from typing import Any

import pytest

from obscura_backup.adapters.gcs.backend import GcsBackend
from obscura_backup.adapters.gcs.location import GcsLocation
from obscura_backup.adapters.object_stores.obstore_driver.store import ObstoreBlobStore
from support.servers.stores.gcs_server import GcsServer
from support.servers.stores.object_stores import (
    blobs,
    bucket,
    proxy,
    remove_bucket,
    shaky,
    shaky_read_seconds,
    start_store,
)

__all__ = ["blobs", "bucket", "proxy", "remove_bucket", "shaky", "shaky_read_seconds", "start_store"]


@pytest.fixture
def server(gcs_server: GcsServer) -> GcsServer:
    return gcs_server


@pytest.fixture
def make_store() -> Any:
    return lambda bucket, endpoint, **options: ObstoreBlobStore(GcsBackend(GcsLocation(bucket, endpoint)), **options)
