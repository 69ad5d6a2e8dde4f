"""The HTTP contract over the embedded stores: what `serve` runs on a machine that has nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contracts.http_api import HttpContract
from support.servers.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("data") / "new")
    service.start()
    yield service
    assert service.stop() == 0


class TestEmbedded(HttpContract):
    pass


def test_everything_is_private(service: Service) -> None:
    """Whoever can list the machine's users learns nothing of who has a backup."""

    def mode(path: Path) -> int:
        return path.stat().st_mode & 0o777

    assert mode(service.data_dir) == 0o700
    assert mode(service.data_dir / "metadata.sqlite3") == 0o600
