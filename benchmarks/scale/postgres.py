"""The measurements on PostgreSQL."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from contextlib import AsyncExitStack
from inspect import isawaitable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from benchmarks.processes import usage
from benchmarks.scale import calls, overwrites
from benchmarks.scale.commands import Done, bytes_below, remove, run, scan, start_up
from benchmarks.scale.rows import PARTITIONED, PARTITIONED_SCHEMA, PARTITIONS, copy_to_partitions, fill_postgres
from benchmarks.scale.server import SETTINGS, TunedPostgres
from obscura_backup.adapters.postgres.store import PostgresMetadataStore
from support.servers.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FEW_ROWS = 1000
FILLED_ROWS = 200_000
"""Of the tables that differ in their fillfactor."""
FILLED_TIMES = 8
JOBS = 2
CALLS = {"lock and save": calls.save, "read": calls.read}


class Stage:
    """One server with a database of few and one of many rows.

    Args:
        server: that runs.
        rows: how many are many.
        rounds: of each comparison.
        seconds: for each part that can be stopped early.
    """

    def __init__(self, server: TunedPostgres, rows: int, *, rounds: int, seconds: float) -> None:
        self._server = server
        self._rows = rows
        self._rounds = rounds
        self._seconds = seconds
        self._few = server.url_of(server.new_database())
        self._many_name = server.new_database()
        self._many = server.url_of(self._many_name)

    async def measure(self, keep: Callable[[Mapping[str, Any]], None]) -> None:
        """All of it, in the order in which one part leaves the rows for the next; `keep` gets what is known so far."""
        fill_postgres(self._few, FEW_ROWS)
        found: dict[str, Any] = {"postgresql": self._server.version, "rows": self._rows, "settings": SETTINGS}
        parts: Mapping[str, Callable[[], Any]] = {
            "filled": lambda: self._timed(fill_postgres, self._many, self._rows),
            "sizes": lambda: self._sizes(self._many),
            "start_up": lambda: {"few": self._start_up(self._few), "many": self._start_up(self._many)},
            "calls": lambda: self._calls((self._few, FEW_ROWS), (self._many, self._rows)),
            "wal_bytes_per_save": self._wal_per_save,
            "reap": self._reap,
            "vacuum": lambda: self._vacuum(self._many),
            "partitions": self._partitions,
            "overwrites": lambda: overwrites.overwrite(self._many, self._rows, times=1, seconds=self._seconds),
            "vacuum_after_overwrites": lambda: overwrites.timed_vacuum(self._many, ""),
            "copies": self._copies,
            "fillfactors": lambda: overwrites.compare_fillfactors(
                self._many, rows=min(FILLED_ROWS, self._rows), times=FILLED_TIMES, seconds=self._seconds
            ),
        }
        for name, part in parts.items():
            result = part()
            found[name] = await result if isawaitable(result) else result
            keep(found)

    def _timed(self, action: Callable[..., object], *arguments: Any) -> dict[str, float]:
        began, before = time.perf_counter(), self._server_seconds()
        action(*arguments)
        return {
            "seconds": round(time.perf_counter() - began, 1),
            "server_seconds": round(self._server_seconds() - before, 1),
        }

    def _server_seconds(self) -> float:
        return usage(self._server.process_id).processor_seconds

    def _sizes(self, url: str) -> dict[str, float]:
        with psycopg.connect(url) as connection:
            size = overwrites.facts(connection)
        return {
            "table_bytes": size["table_bytes"],
            "index_bytes": size["index_bytes"],
            "table_bytes_per_row": round(size["table_bytes"] / self._rows, 1),
            "index_bytes_per_row": round(size["index_bytes"] / self._rows, 1),
        }

    def _stores(self, url: str) -> Mapping[str, str]:
        return {"OBSCURA_BACKUP_METADATA_URL": url}

    def _start_up(self, url: str) -> dict[str, float]:
        with tempfile.TemporaryDirectory(prefix="obscura-scale-") as folder:
            return start_up(Path(folder) / "data", self._stores(url))

    async def _calls(self, *databases: tuple[str, int]) -> dict[str, Any]:
        """Compare two databases: the URL and the number of rows of each."""
        pids = [os.getpid(), self._server.process_id]
        async with AsyncExitStack() as stack:
            stores = []
            for url, rows in databases:
                store = PostgresMetadataStore(url)
                stack.push_async_callback(store.close)
                await store.start()
                stores.append((store, rows))
            compared = await calls.compare(CALLS, *stores, pids=pids, rounds=self._rounds)
        return {name: comparison.document() for name, comparison in compared.items()}

    async def _wal_per_save(self) -> dict[str, int]:
        """Of random rows, right after a checkpoint: nearly each save writes a whole page to the WAL, too."""
        found = {}
        store = PostgresMetadataStore(self._many)
        await store.start()
        try:
            with psycopg.connect(self._server.url_of(self._many_name), autocommit=True) as connection:
                for compression in ("off", "lz4"):
                    connection.execute(f"ALTER SYSTEM SET wal_compression = {compression}".encode())
                    connection.execute("SELECT pg_reload_conf()")
                    connection.execute("CHECKPOINT")
                    await asyncio.sleep(0.5)
                    before = overwrites.wal(connection)
                    for number in range(calls.CALLS):
                        await calls.save(store, number * (self._rows // calls.CALLS))
                    found[compression] = round((overwrites.wal(connection) - before) / calls.CALLS)
                connection.execute("ALTER SYSTEM RESET wal_compression")
                connection.execute("SELECT pg_reload_conf()")
        finally:
            await store.close()
        return found

    def _reap(self) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix="obscura-scale-") as folder:
            service = Service(Path(folder) / "data", self._stores(self._many))
            return scan(
                service, "reap", "--inactive-for", "400d", server=self._server.process_id, seconds=self._seconds
            )

    def _vacuum(self, url: str) -> dict[str, Any]:
        return {
            "plain": overwrites.timed_vacuum(url, ""),
            "all_pages": overwrites.timed_vacuum(url, "(DISABLE_PAGE_SKIPPING)"),
            "freeze": overwrites.timed_vacuum(url, "(FREEZE)"),
        }

    def _command(self, program: str, *arguments: str) -> Done:
        command = self._server.command(program, *arguments)
        return run(command, environment=self._server.environment(), server=self._server.process_id)

    def _dump(self, name: str, folder: Path, *options: str) -> dict[str, Any]:
        target = folder / name
        dumped = self._command("pg_dump", "--file", str(target), *options, self._many_name)
        return {**dumped.document(), "bytes": bytes_below(target)}

    def _copies(self) -> dict[str, Any]:
        found: dict[str, Any] = {"rows": self._rows}
        with tempfile.TemporaryDirectory(prefix="obscura-scale-") as text:
            folder = Path(text)
            found["pg_dump -Fc -Z 1"] = self._dump("custom", folder, "-Fc", "-Z", "1")
            restored = self._server.new_database()
            options = ("-j", str(JOBS), "-d", restored)
            found[f"pg_restore -j {JOBS}"] = self._command("pg_restore", *options, str(folder / "custom")).document()
            found["restored_sizes"] = self._sizes(self._server.url_of(restored))
            self._server.execute(f"DROP DATABASE {restored}")
            (folder / "custom").unlink()
            copied = self._command("pg_basebackup", "-D", str(folder / "base"), "-c", "fast")
            found["pg_basebackup"] = {**copied.document(), "bytes": bytes_below(folder / "base")}
        return found

    async def _partitions(self) -> dict[str, Any]:
        """The same rows in hash partitions. Neither table has been overwritten yet."""
        found: dict[str, Any] = {"count": PARTITIONS}
        found["copied"] = self._timed(copy_to_partitions, self._many)
        url = f"{self._many}{PARTITIONED}"
        found["sizes"] = self._sizes(url)
        found["calls"] = await self._calls((self._many, self._rows), (url, self._rows))
        found["vacuum"] = self._vacuum(url)
        with tempfile.TemporaryDirectory(prefix="obscura-scale-") as text:
            for kind, name in (("plain", "public"), ("partitioned", PARTITIONED_SCHEMA)):
                options = ("-Fd", "-j", str(JOBS), "-Z", "1", "--schema", name)
                found[f"dump_{kind}"] = self._dump(kind, Path(text), *options)
                remove(Path(text) / kind)
        with psycopg.connect(self._many) as connection:
            connection.execute(f"DROP SCHEMA {PARTITIONED_SCHEMA} CASCADE".encode())
        return found
