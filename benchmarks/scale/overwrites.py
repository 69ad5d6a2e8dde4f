"""What overwrites do to a table: dead row versions, HOT updates, growth, runs of autovacuum, WAL."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterator

BATCH_ROWS = 5_000
BATCH_SHARE = 0.005
"""Rows per transaction: `BATCH_ROWS`, but at most this share, so that a page rarely has two of them."""
_OVERWRITE = """
UPDATE {table} SET version = version + 1, base = version, sha256 = sha256(upload_id::bytea), size = size + 1,
    upload_id = md5(upload_id), updated_at = now(), tag = '"' || md5(tag) || '"'
WHERE user_id IN (
    SELECT md5((floor(random() * {rows}))::int::text)::uuid FROM generate_series(1, {batch})
)
"""
_FACTS = """
SELECT sum(pg_table_size(relid)), sum(pg_indexes_size(relid)), sum(n_tup_upd), sum(n_tup_hot_upd), sum(n_dead_tup),
       sum(autovacuum_count), sum(n_live_tup)
FROM pg_stat_user_tables WHERE relname LIKE %s AND schemaname = current_schema
"""
STATISTICS_SECONDS = 1.5
"""After which a session has surely reported its statistics."""


def facts(connection: psycopg.Connection[Any], tables: str = "backups%") -> dict[str, int]:
    """Sizes and counts of tables whose name matches, from the server's statistics."""
    row = connection.execute(_FACTS.encode(), (tables,)).fetchone()
    names = ("table_bytes", "index_bytes", "updates", "hot_updates", "dead_rows", "autovacuums", "live_rows")
    return {name: int(value or 0) for name, value in zip(names, row or (), strict=True)}


def overwrite(url: str, rows: int, *, times: float, seconds: float, table: str = "backups") -> dict[str, Any]:
    """Overwrite random rows, and say what became of the table.

    Args:
        url: of the database.
        rows: of the table.
        times: overwrites per row, on average.
        seconds: after which it stops.
        table: its name.
    """
    batch_rows = max(1, min(BATCH_ROWS, int(rows * BATCH_SHARE)))
    statement = _OVERWRITE.format(table=table, rows=rows, batch=batch_rows).encode()
    with psycopg.connect(url, autocommit=True) as connection:
        before, wal_before = facts(connection, table), wal(connection)
        began = time.perf_counter()
        overwritten = 0
        dead_rows = []
        for batch in _until(began + seconds):
            overwritten += connection.execute(statement).rowcount
            if batch % 20 == 0:
                dead_rows.append(facts(connection, table)["dead_rows"])
            if overwritten >= times * rows:
                break
        took = time.perf_counter() - began
        written = wal(connection) - wal_before
        time.sleep(STATISTICS_SECONDS)
        after = facts(connection, table)
        updates = after["updates"] - before["updates"]
        return {
            "overwrites_per_row": round(overwritten / rows, 2),
            "seconds": round(took, 1),
            "hot_share": round((after["hot_updates"] - before["hot_updates"]) / max(1, updates), 4),
            "table_growth": round(after["table_bytes"] / before["table_bytes"], 4),
            "index_growth": round(after["index_bytes"] / before["index_bytes"], 4),
            "dead_rows_at_most": max(dead_rows, default=0),
            "autovacuums": after["autovacuums"] - before["autovacuums"],
            "wal_bytes_per_overwrite": round(written / max(1, overwritten)),
        }


def compare_fillfactors(url: str, *, rows: int, times: float, seconds: float) -> dict[str, dict[str, Any]]:
    """Overwrite tables that differ in their fillfactor only, one after the other."""
    found = {}
    for percent in (100, 90, 80, 70):
        table = f"filled_{percent}"
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                f"CREATE TABLE {table} (LIKE backups INCLUDING ALL) WITH (fillfactor = {percent})".encode()
            )
            connection.execute(
                f"INSERT INTO {table} SELECT * FROM backups WHERE user_id IN ("  # noqa: S608  # constants only
                "SELECT md5(number::text)::uuid FROM generate_series(0, %s::int) AS number)".encode(),
                (rows - 1,),
            )
            connection.execute(f"VACUUM ANALYZE {table}".encode())
            size = facts(connection, table)
        found[str(percent)] = {
            "bytes_per_row": round(size["table_bytes"] / rows, 1),
            **overwrite(url, rows, times=times, seconds=seconds / 4, table=table),
        }
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"DROP TABLE {table}".encode())
    return found


def timed_vacuum(url: str, how: str) -> dict[str, float]:
    """How long a `VACUUM` of all rows takes."""
    with psycopg.connect(url, autocommit=True) as connection:
        before, began = wal(connection), time.perf_counter()
        connection.execute(f"VACUUM {how} backups".encode())
        return {
            "seconds": round(time.perf_counter() - began, 2),
            "wal_bytes": wal(connection) - before,
        }


def _until(ends_at: float) -> Iterator[int]:
    number = 0
    while time.perf_counter() < ends_at:
        yield number
        number += 1


def wal(connection: psycopg.Connection[Any]) -> int:
    """Bytes of WAL written so far."""
    row = connection.execute("SELECT pg_current_wal_lsn() - '0/0'").fetchone()
    return int(row[0]) if row else 0
