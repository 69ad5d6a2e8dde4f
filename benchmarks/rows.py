"""What a call costs with many rows in the metadata store, over what it costs with few.

    PYTHONPATH=tests python -m benchmarks.rows --rows 1000000

A call locks and saves the row of a random user, or reads it. The stores with few and with many rows are open at the
same time and are measured by turns.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import random
import sqlite3
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import psycopg

from benchmarks.measurements import ratio, spread
from benchmarks.processes import usage
from benchmarks.testbeds import prepare_to_be_ended
from obscura_backup.adapters.postgres import schema
from obscura_backup.adapters.postgres.store import PostgresMetadataStore
from obscura_backup.adapters.sqlite import SqliteMetadataStore
from obscura_backup.domain.model import Kind, Revision, Sha256, Tag, UploadId, UserId, Version
from support.servers.postgres_server import PostgresServer

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from typing import Any

    from obscura_backup.domain.ports import BackupMetadataStore

FEW_ROWS = 1000
CLIENTS = 8
ROW = """1, 0, 'live', sha256(number::text::bytea), 65536, md5(number::text), now(), md5(number::text)"""


def user(number: int) -> UserId:
    """The user with this number. The ids are spread over the whole index, as random ones are."""
    return UserId(UUID(hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()))


def revision(version: int) -> Revision:
    """A revision as an upload would save it."""
    return Revision(
        version=Version(version),
        base=Version(version - 1),
        kind=Kind.LIVE,
        sha256=Sha256(os.urandom(32)),
        size=65536,
        upload_id=UploadId(os.urandom(16).hex()),
        updated_at=datetime.now(UTC),
        tag=Tag(f'"{os.urandom(16).hex()}"'),
    )


def fill_postgres(url: str, rows: int) -> None:
    """Make the schema and this many rows."""
    schema.migrate(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            f"INSERT INTO backups SELECT md5(number::text)::uuid, {ROW} FROM generate_series(0, %s) AS number".encode(),  # noqa: S608  # a constant
            (rows - 1,),
        )
        connection.execute("VACUUM ANALYZE backups")


async def fill_sqlite(path: Path, rows: int) -> SqliteMetadataStore:
    """A started store with this many rows, all copies of one but for the user."""
    store = SqliteMetadataStore(path)
    await store.start()
    async with store.locked(user(0)) as slot:
        await slot.save(revision(1))
    with closing(sqlite3.connect(path)) as connection, connection:
        copied = "version, base, kind, sha256, size, upload_id, updated_at, tag"
        connection.executemany(
            f"INSERT INTO backups (user_id, {copied}) SELECT ?, {copied} FROM backups WHERE user_id = ?",  # noqa: S608  # a constant
            ((str(user(number)), str(user(0))) for number in range(1, rows)),
        )
    return store


async def _save(store: BackupMetadataStore, number: int) -> None:
    async with store.locked(user(number)) as slot:
        if slot.record is None:
            raise AssertionError("each user has a row")
        await slot.save(revision(slot.record.version + 1))


async def _read(store: BackupMetadataStore, number: int) -> None:
    await store.get(user(number))


async def cost_ms(
    call: Callable[[BackupMetadataStore, int], Coroutine[Any, Any, None]],
    store: BackupMetadataStore,
    rows: int,
    *,
    calls: int,
    pids: Sequence[int],
) -> float:
    """Processor time per call, of these processes and their descendants."""

    async def client() -> None:
        for _ in range(calls // CLIENTS):
            await call(store, random.randrange(rows))  # noqa: S311  # not a secret

    before = sum(usage(pid).processor_seconds for pid in pids)
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return 1000 * (sum(usage(pid).processor_seconds for pid in pids) - before) / calls


async def compare(
    name: str, stores: Sequence[tuple[BackupMetadataStore, int]], pids: Sequence[int], rounds: int
) -> None:
    """Print what a call costs in each store, and the ratio of the last to the first."""
    for title, call, calls in (("lock and save", _save, 400), ("read", _read, 800)):
        found = []
        for number in range(rounds + 1):
            order = stores if number % 2 else stores[::-1]
            costs = {rows: await cost_ms(call, store, rows, calls=calls, pids=pids) for store, rows in order}
            found.append([costs[rows] for _, rows in stores])
        few, many = zip(*found[1:], strict=True)  # the first round warms up
        ratios = spread([ratio(dear, cheap) for cheap, dear in zip(few, many, strict=True)])
        print(f"{name:<11}{title:<14} {spread(few)} ms, then {spread(many)} ms; ratio {ratios}", flush=True)


async def main(rows: int, rounds: int) -> None:
    """Measure both stores."""
    print(
        f"Processor time per call with {FEW_ROWS} and with {rows} rows: median (lowest to highest) of {rounds} rounds"
    )
    with tempfile.TemporaryDirectory(prefix="obscura-rows-") as folder:
        files = [(await fill_sqlite(Path(folder) / f"{count}.db", count), count) for count in (FEW_ROWS, rows)]
        await compare("SQLite", files, [os.getpid()], rounds)
        for file, _ in files:
            await file.close()
    server = PostgresServer()
    try:
        server.start()
        tables = []
        for count in (FEW_ROWS, rows):
            url = server.url_of(server.new_database())
            fill_postgres(url, count)
            tables.append((PostgresMetadataStore(url), count))
        for table, _ in tables:
            await table.start()
        pids = [os.getpid()] if server.pid is None else [os.getpid(), server.pid]
        await compare("PostgreSQL", tables, pids, rounds)
        for table, _ in tables:
            await table.close()
    finally:
        server.remove()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="rows", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=8)
    options = parser.parse_args()
    prepare_to_be_ended()
    asyncio.run(main(options.rows, options.rounds))
