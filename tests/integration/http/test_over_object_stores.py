"""What the HTTP API promises of backups, over SQLite, and Azure Blob Storage or Google Cloud Storage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contracts.http_api import BackupContract
from support.servers.in_process.bounded_protocol import eventually
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
        # The store is tested first, which may outlast the start on a busy machine.
        assert eventually(lambda: service.request("GET", "/health/ready", token=None).status == 200, READY_SECONDS)
        yield service
    finally:
        service.kill()


class TestOverObjectStores(BackupContract):
    pass
