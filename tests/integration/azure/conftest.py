"""Stores over an emulator of Azure Blob Storage."""

from __future__ import annotations

import os
from typing import Any

import pytest

from obscura_backup.adapters.azure.backend import AzureBackend
from obscura_backup.adapters.azure.location import AzureLocation
from obscura_backup.adapters.object_stores.obstore_driver.store import ObstoreBlobStore
from support.servers.stores.azurite import ACCOUNT, KEY, Azurite
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
def make_store() -> Any:
    return lambda bucket, endpoint, **options: ObstoreBlobStore(
        AzureBackend(AzureLocation(bucket, endpoint)), **options
    )
