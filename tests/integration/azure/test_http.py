"""The HTTP contract over Azure and SQLite."""

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


@pytest.fixture(scope="module")
def service(azurite: Azurite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    environment = {
        "OBSCURA_BACKUP_BLOBS_URL": f"az://{azurite.new_bucket()}?endpoint={azurite.endpoint}",
        "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
        "AZURE_STORAGE_ACCOUNT_KEY": KEY,
        "NO_PROXY": "127.0.0.1",
        "OBSCURA_BACKUP_READY_SECONDS": str(READY_SECONDS),
    }
    service = Service(tmp_path_factory.mktemp("azure") / "data", environment, has_management=True)
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


class TestOverAzure(HttpContract):
    pass
