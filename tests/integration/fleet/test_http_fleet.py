"""What the HTTP API promises of backups, over PostgreSQL and MinIO."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contracts.http_api import BackupContract
from support.servers.fleet import Fleet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.servers.service import Service
    from support.servers.stores.postgres_server import PostgresServer
    from support.servers.stores.s3_server import S3Server


@pytest.fixture(scope="module")
def service(
    postgres_server: PostgresServer, minio_server: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    with Fleet(postgres_server, minio_server, tmp_path_factory.mktemp("fleet")) as fleet:
        yield fleet.service("--workers", "2")


class TestFleet(BackupContract):
    def test_management_tells_the_kind_of_the_store(self, service: Service) -> None:
        assert service.request_management("/health/ready").json["metadata"]["kind"] == "postgresql"
