"""The service over real PostgreSQL and S3 servers, each behind a proxy that can break what goes through it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import pytest

from obscura_backup.adapters.postgres import schema
from support.servers.proxies.fault_proxy import FaultProxy
from support.servers.service import COMMAND, Service
from support.servers.stores.s3_server import ACCESS_KEY, SECRET_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

    from support.servers.stores.postgres_server import PostgresServer
    from support.servers.stores.s3_server import S3Server


@dataclass
class Fleet:
    """A database and a bucket of their own, and any number of services on them."""

    postgres: PostgresServer
    s3: S3Server
    folder: Path

    def __post_init__(self) -> None:
        self.database = self.postgres.new_database()
        self.bucket = self.s3.new_bucket()
        self.to_postgres = FaultProxy(self.postgres.port)
        self.to_s3 = FaultProxy(int(self.s3.endpoint.rsplit(":", 1)[1]))
        self.services: list[Service] = []

    def __enter__(self) -> Self:
        self.to_postgres.__enter__()
        self.to_s3.__enter__()
        schema.migrate(self.postgres.url_of(self.database))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for service in self.services:
            service.kill()
        self.to_postgres.__exit__(kind, error, trace)
        self.to_s3.__exit__(kind, error, trace)

    def environment(self) -> dict[str, str]:
        url = self.postgres.url_of(self.database, port=self.to_postgres.port)
        return {
            "OBSCURA_BACKUP_METADATA_URL": url,
            "OBSCURA_BACKUP_BLOBS_URL": f"s3://{self.bucket}?endpoint=http://127.0.0.1:{self.to_s3.port}",
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        }

    def service(self, *arguments: str) -> Service:
        """One more, started."""
        service = Service(
            self.folder / f"service-{len(self.services)}", self.environment(), arguments, has_management=True
        )
        service.start()
        self.services.append(service)
        return service

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One of the operator's commands, with the fleet's settings."""
        unstarted = Service(self.folder / "operator", self.environment())
        return subprocess.run(
            [str(COMMAND), *arguments],
            env=unstarted.full_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def command(self, *arguments: str) -> str:
        """The same, where it must go well."""
        result = self.run(*arguments)
        assert result.returncode == 0, result.stderr
        return result.stdout


@pytest.fixture
def fleet(postgres_server: PostgresServer, minio_server: S3Server, tmp_path: Path) -> Iterator[Fleet]:
    """PostgreSQL and MinIO, migrated, with a bucket, and no service yet."""
    with Fleet(postgres_server, minio_server, tmp_path) as fleet:
        yield fleet
