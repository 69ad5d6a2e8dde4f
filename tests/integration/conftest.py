from __future__ import annotations

from support.servers.fleet import fleet
from support.servers.in_process.bounded_protocol import running
from support.servers.stores.azurite import azurite
from support.servers.stores.gcs_server import gcs_server
from support.servers.stores.pgbouncer import pgbouncer_port
from support.servers.stores.postgres_pair import postgres_pair
from support.servers.stores.postgres_server import new_postgres_url, postgres_database, postgres_server, postgres_url
from support.servers.stores.s3_servers import (
    begin_builds,
    gofakes3_of_2024_server,
    gofakes3_server,
    minio_server,
    s3_credentials,
    versitygw_server,
)

pytest_collection_finish = begin_builds  # the tests that need no server to be built run meanwhile

__all__ = [
    "azurite",
    "fleet",
    "gcs_server",
    "gofakes3_of_2024_server",
    "gofakes3_server",
    "minio_server",
    "new_postgres_url",
    "pgbouncer_port",
    "postgres_database",
    "postgres_pair",
    "postgres_server",
    "postgres_url",
    "running",
    "s3_credentials",
    "versitygw_server",
]
