"""What an error says about the server."""

from __future__ import annotations

import psycopg

from obscura_backup.adapters.postgres.sessions import ReadOnlyServer, affects_all_connections, is_read_only, unavailable
from support.servers.in_process.scripted_postgres import LOST, SHUTTING_DOWN
from support.table import table


@table(
    ("error", "affects_all", "read_only"),
    [
        (ReadOnlyServer(), True, True),
        (SHUTTING_DOWN, True, False),
        (psycopg.errors.CannotConnectNow(), True, False),
        (psycopg.errors.UndefinedTable(), False, False),
        (LOST, False, False),
    ],
)
def test_error_is_classified(error: psycopg.Error, *, affects_all: bool, read_only: bool) -> None:
    assert (affects_all_connections(error), is_read_only(error)) == (affects_all, read_only)
    assert ("read-only" in str(unavailable(error))) is read_only
