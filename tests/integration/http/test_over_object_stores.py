"""The HTTP contract over SQLite, and Azure Blob Storage or Google Cloud Storage."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from contracts.http_api import HttpContract
from support.servers.service import Service
from support.servers.stores.azurite import ACCOUNT, KEY

READY_SECONDS = 60.0

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.servers.stores.azurite import Azurite
    from support.servers.stores.gcs_server import GcsServer


@pytest.fixture(scope="module", params=["az", "gs"])
def service(
    request: pytest.FixtureRequest, azurite: Azurite, gcs_server: GcsServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    server = azurite if request.param == "az" else gcs_server
    environment = {
        "OBSCURA_BACKUP_BLOBS_URL": f"{request.param}://{server.new_bucket()}?endpoint={server.endpoint}",
        "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
        "AZURE_STORAGE_ACCOUNT_KEY": KEY,
        "NO_PROXY": "127.0.0.1",
        "OBSCURA_BACKUP_READY_SECONDS": str(READY_SECONDS),
    }
    service = Service(tmp_path_factory.mktemp(request.param) / "data", environment, has_management=True)
    service.start()
    try:
        await_ready(service)
        yield service
    finally:
        service.kill()


def await_ready(service: Service) -> None:
    """Wait until the store was tested, which may outlast the start on a busy machine."""
    deadline = time.monotonic() + READY_SECONDS
    while service.request("GET", "/health/ready", token=None).status != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)


class TestOverObjectStores(HttpContract):
    pass
