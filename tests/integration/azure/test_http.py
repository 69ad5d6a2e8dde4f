"""The HTTP contract over Azure and SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contracts.http_api import HttpContract
from support.servers.azurite import ACCOUNT, KEY
from support.servers.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.servers.azurite import Azurite


@pytest.fixture(scope="module")
def service(azurite: Azurite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    environment = {
        "OBSCURA_BACKUP_BLOBS_URL": f"az://{azurite.new_container()}?endpoint={azurite.endpoint}",
        "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
        "AZURE_STORAGE_ACCOUNT_KEY": KEY,
        "NO_PROXY": "127.0.0.1",
    }
    service = Service(tmp_path_factory.mktemp("azure") / "data", environment, ("--workers", "2"), has_management=True)
    service.start()
    yield service
    service.kill()


class TestOverAzure(HttpContract):
    pass
