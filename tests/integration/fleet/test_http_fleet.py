"""The HTTP contract over PostgreSQL and two kinds of S3 store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contracts.http_api import HttpContract
from support.servers.fleet import Fleet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.servers.service import Service
    from support.servers.stores.postgres_server import PostgresServer


@pytest.fixture(scope="module", params=["minio", "versitygw"])
def service(
    request: pytest.FixtureRequest, postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    s3 = request.getfixturevalue(f"{request.param}_server")
    with Fleet(postgres_server, s3, tmp_path_factory.mktemp("fleet")) as fleet:
        yield fleet.service("--workers", "2")


class TestFleet(HttpContract):
    pass
