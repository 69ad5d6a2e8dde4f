"""The measurements on the embedded stores: a row in SQLite and a file per slot."""

from __future__ import annotations

import os
import sys
import time
from contextlib import AsyncExitStack
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

from benchmarks.scale import calls
from benchmarks.scale.commands import bytes_below, remove, run, scan, start_up
from benchmarks.scale.rows import fill_embedded
from obscura_backup.adapters.filesystem.store import FilesystemBlobStore
from obscura_backup.adapters.sqlite import SqliteMetadataStore
from obscura_backup.adapters.system_clock import SystemClock
from obscura_backup.domain.service import BackupService
from support.servers.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

FEW_ROWS = 1000
DEAD_PROCESSES = 4
METADATA = "metadata.sqlite3"
# As docs/deployment.md says, by the module of Python, which every machine with the service has.
_COPY = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).backup(sqlite3.connect(sys.argv[2]))"
_CALLS = {"upload": calls.upload, "download": calls.download}
_ROW_CALLS = {"lock and save": calls.save, "read": calls.read}


class Stage:
    """Two data directories, of few and of many slots.

    Args:
        folder: for both of them, and for copies.
        rows: how many are many.
        rounds: of each comparison.
        seconds: for each part that can be stopped early.
    """

    def __init__(self, folder: Path, rows: int, *, rounds: int, seconds: float) -> None:
        self._folder = folder
        self._rows = rows
        self._rounds = rounds
        self._seconds = seconds
        self._few = folder / "few"
        self._many = folder / "many"

    async def measure(self, keep: Callable[[Mapping[str, Any]], None]) -> None:
        """All of it; `keep` gets what is known so far. Rows are overwritten last: then they lead their objects."""
        await fill_embedded(self._few, FEW_ROWS)
        began = time.perf_counter()
        await fill_embedded(self._many, self._rows)
        found: dict[str, Any] = {"rows": self._rows, "filled": {"seconds": round(time.perf_counter() - began, 1)}}
        parts: Mapping[str, Callable[[], Any]] = {
            "sizes": self._sizes,
            "start_up": lambda: {name: start_up(self._folder / name, {}) for name in ("few", "many")},
            "start_up_after_crash": self._start_up_after_crash,
            "calls": self._calls,
            "scrub": lambda: self._scan("scrub"),
            "reap": lambda: self._scan("reap", "--inactive-for", "400d"),
            "copies": self._copies,
            "scrub_repair_of_all": self._repair,
            "row_calls": self._row_calls,
        }
        for name, part in parts.items():
            result = part()
            found[name] = await result if isawaitable(result) else result
            keep(found)

    def _sizes(self) -> dict[str, float]:
        metadata = (self._many / METADATA).stat().st_size
        blobs = bytes_below(self._many / "blobs")
        return {
            "metadata_bytes": metadata,
            "metadata_bytes_per_row": round(metadata / self._rows, 1),
            "blob_bytes": blobs,
            "blob_bytes_per_row": round(blobs / self._rows, 1),
        }

    def _start_up_after_crash(self) -> dict[str, float]:
        """Killed processes leave the names of their uploads; the next start looks for such files."""
        for number in range(DEAD_PROCESSES):
            (self._many / "blobs" / "incoming" / f"dead{number}").mkdir(parents=True)
        return start_up(self._many, {})

    async def _calls(self) -> dict[str, Any]:
        async with AsyncExitStack() as stack:
            services = [await self._opened(stack, folder) for folder in (self._few, self._many)]
            few, many = ((service, rows) for service, rows in zip(services, (FEW_ROWS, self._rows), strict=True))
            compared = await calls.compare(_CALLS, few, many, pids=[os.getpid()], rounds=self._rounds)
        return {name: comparison.document() for name, comparison in compared.items()}

    async def _row_calls(self) -> dict[str, Any]:
        async with AsyncExitStack() as stack:
            stores = []
            for folder in (self._few, self._many):
                store = SqliteMetadataStore(folder / METADATA)
                stack.push_async_callback(store.close)
                await store.start()
                stores.append(store)
            few, many = (stores[0], FEW_ROWS), (stores[1], self._rows)
            compared = await calls.compare(_ROW_CALLS, few, many, pids=[os.getpid()], rounds=self._rounds)
        return {name: comparison.document() for name, comparison in compared.items()}

    async def _opened(self, stack: AsyncExitStack, folder: Path) -> BackupService:
        metadata, blobs = SqliteMetadataStore(folder / METADATA), FilesystemBlobStore(folder / "blobs")
        for store in (metadata, blobs):
            stack.push_async_callback(store.close)
            await store.start()
        return BackupService(metadata, blobs, SystemClock())

    def _scan(self, *arguments: str) -> dict[str, Any]:
        return scan(Service(self._many), *arguments, seconds=self._seconds)

    def _copies(self) -> dict[str, Any]:
        """The blobs first and the metadata after them, and back."""
        copy = self._folder / "copy"
        copy.mkdir()
        blobs = run(["cp", "-a", str(self._many / "blobs"), str(copy)])
        rows = run([sys.executable, "-c", _COPY, str(self._many / METADATA), str(copy / METADATA)])
        found = {
            "blobs": {**blobs.document(), "bytes": bytes_below(copy / "blobs")},
            "metadata": {**rows.document(), "bytes": (copy / METADATA).stat().st_size},
        }
        remove(copy)
        return found

    def _repair(self) -> dict[str, Any]:
        """As after a restore without the metadata: every row is missing."""
        names = [f"{METADATA}{end}" for end in ("", "-wal", "-shm")]
        kept = [name for name in names if (self._many / name).exists()]
        for name in kept:
            (self._many / name).rename(self._folder / name)
        (self._many / METADATA).touch(0o600)
        found = self._scan("scrub", "--repair")
        for name in names:
            (self._many / name).unlink(missing_ok=True)
        for name in kept:
            (self._folder / name).rename(self._many / name)
        return found
