"""Metadata in SQLite: WAL with full synchronisation, and one writer thread that commits rows in batches.

A commit costs one sync of the disk, for one row or a hundred. So the rows that arrive during a commit form the next
batch. A call returns only after the COMMIT of its row. Several processes may share a file: SQLite's locks serialise
their commits, and no row ever goes back.
"""

from __future__ import annotations

import asyncio
import os
import queue
import sqlite3
import threading
from contextlib import ExitStack, closing
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, Self
from uuid import UUID

from obscura_backup.adapters.durable_directories import make_directory, sync_directory
from obscura_backup.adapters.user_locks import UserLocks
from obscura_backup.domain.errors import MetadataUnavailable, StoreUnusable
from obscura_backup.domain.model import Kind, Revision, Sha256, Tag, UploadId, UserId, Version

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SCHEMA_VERSION = 1
LOCK_TIMEOUT_SECONDS = 5.0
BATCH_ROWS = 256
_NIL_USER_ID = UserId(UUID(int=0))
PAGE_ROWS = 512

_SCHEMA = """
CREATE TABLE IF NOT EXISTS backups (
    user_id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    base INTEGER NOT NULL,
    kind TEXT NOT NULL,
    sha256 BLOB NOT NULL,
    size INTEGER NOT NULL,
    upload_id TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    tag TEXT NOT NULL
) STRICT, WITHOUT ROWID
"""
_COLUMNS = "version, base, kind, sha256, size, upload_id, updated_at, tag"
_SELECT = f"SELECT {_COLUMNS} FROM backups WHERE user_id = ?"  # noqa: S608  # constants only
_PAGE = f"SELECT user_id, {_COLUMNS} FROM backups WHERE user_id > ? ORDER BY user_id LIMIT {PAGE_ROWS}"  # noqa: S608  # constants only
# A row never goes back: of two concurrent writers, the higher version stays.
_SAVE = f"""
INSERT INTO backups (user_id, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (user_id) DO UPDATE SET (version, base, kind, sha256, size, upload_id, updated_at, tag) =
    (excluded.version, excluded.base, excluded.kind, excluded.sha256, excluded.size, excluded.upload_id,
     excluded.updated_at, excluded.tag)
WHERE excluded.version >= backups.version
"""  # noqa: S608  # constants only

_Row = tuple[int, int, str, bytes, int, str, str, str]


class _Write(NamedTuple):
    values: tuple[str, *_Row] | None  # None: only test whether a write is possible
    saved: asyncio.Future[None]


class SqliteMetadataStore:
    """Rows in one SQLite file, which is made if it is missing, readable by its owner only.

    Args:
        path: of the file.
        lock_timeout_seconds: how long a request waits for other requests of its user, or for other processes.
    """

    _reader: sqlite3.Connection

    def __init__(self, path: Path, *, lock_timeout_seconds: float = LOCK_TIMEOUT_SECONDS) -> None:
        self._path = path
        self._locks = UserLocks(timeout_seconds=lock_timeout_seconds)
        self._timeout_seconds = lock_timeout_seconds
        self._writes: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None

    async def start(self) -> None:
        """See `BackupMetadataStore.start`. A file of a newer schema is refused."""
        try:
            self._create()
            with ExitStack() as opened:
                self._reader = opened.enter_context(closing(self._connect()))
                writer = self._connect()
                opened.pop_all()
        except (OSError, sqlite3.Error) as error:
            raise StoreUnusable(f"The metadata file {self._path} cannot be used: {error}.") from error
        self._writer = threading.Thread(target=self._write_batches, args=(writer,), name="metadata", daemon=True)
        self._writer.start()

    async def close(self) -> None:
        """See `BackupMetadataStore.close`. Waiting rows are committed."""
        if self._writer is None:
            return
        self._writes.put(None)
        await asyncio.to_thread(self._writer.join)
        self._reader.close()
        self._writer = None

    def locked(self, user_id: UserId) -> _SqliteSlot:
        """See `BackupMetadataStore.locked`. It excludes this process only; commits of several are serialised."""
        return _SqliteSlot(self, self._locks, user_id)

    async def get(self, user_id: UserId) -> Revision | None:
        """See `BackupMetadataStore.get`."""
        return self.read(user_id)

    def read(self, user_id: UserId) -> Revision | None:
        """As `get`."""
        # In the thread of the event loop: under WAL a reader never waits, and reading one row costs less than a
        # switch to another thread.
        try:
            row: _Row | None = self._reader.execute(_SELECT, (str(user_id),)).fetchone()
        except sqlite3.Error as error:
            raise MetadataUnavailable from error
        return _revision(row) if row else None

    async def scan(self, after: UserId | None = None) -> AsyncIterator[tuple[UserId, Revision]]:
        """See `BackupMetadataStore.scan`. Memory: one page of rows."""
        last = str(after) if after else ""
        while True:
            try:
                page = self._reader.execute(_PAGE, (last,)).fetchall()
            except sqlite3.Error as error:
                raise MetadataUnavailable from error
            for name, *row in page:
                yield UserId(UUID(name)), _revision(tuple(row))
            if len(page) < PAGE_ROWS:
                return
            last = page[-1][0]
            await asyncio.sleep(0)  # a long scan lets requests through

    async def check(self) -> None:
        """See `BackupMetadataStore.check`. The writer is tested, too: a lock or a full disk stops writes only."""
        await self.get(_NIL_USER_ID)
        await self._write(None)

    async def save(self, user_id: UserId, revision: Revision) -> None:
        """Commit one row, together with other waiting rows; see `LockedSlot.save`."""
        await self._write((str(user_id), *_row(revision)))

    async def _write(self, values: tuple[str, *_Row] | None) -> None:
        if self._writer is None:
            raise MetadataUnavailable("The metadata store is closed.")
        saved: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._writes.put(_Write(values, saved))
        await saved

    def _create(self) -> None:
        make_directory(self._path.parent)
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = self._connect()
        try:
            (found,) = connection.execute("PRAGMA user_version").fetchone()
            if found > SCHEMA_VERSION:
                raise StoreUnusable(
                    f"The metadata file {self._path} has schema {found}; this program supports up to {SCHEMA_VERSION}."
                )
            if found < SCHEMA_VERSION:
                connection.execute(_SCHEMA)
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        finally:
            connection.close()
        sync_directory(self._path.parent)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, isolation_level=None, timeout=self._timeout_seconds, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
        except sqlite3.Error:  # only now the file is read and locked
            connection.close()
            raise
        return connection

    def _write_batches(self, connection: sqlite3.Connection) -> None:
        """The writer thread: all waiting rows become one transaction. Only `close` may end it."""
        while (first := self._writes.get()) is not None:
            batch, is_open = self._collect_batch(first)
            failure = _commit(connection, [write.values for write in batch if write.values is not None])
            loop = first.saved.get_loop()
            if not loop.is_closed():
                loop.call_soon_threadsafe(_complete, batch, failure)  # wakes the loop once per commit
            if not is_open:
                break
        connection.close()

    def _collect_batch(self, first: _Write) -> tuple[list[_Write], bool]:
        batch = [first]
        while len(batch) < BATCH_ROWS:
            try:
                write = self._writes.get_nowait()
            except queue.Empty:
                break
            if write is None:
                return batch, False
            batch.append(write)
        return batch, True


def _commit(connection: sqlite3.Connection, rows: list[tuple[str, *_Row]]) -> Exception | None:
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(_SAVE, rows)
        connection.execute("COMMIT")
    except Exception as error:  # noqa: BLE001  # of any kind: it is the result for the waiting calls
        if connection.in_transaction:
            connection.rollback()
        return error
    return None


class _SqliteSlot:
    """Locked inside `async with`."""

    def __init__(self, store: SqliteMetadataStore, locks: UserLocks, user_id: UserId) -> None:
        self._store = store
        self._locks = locks
        self._user_id = user_id
        self.record: Revision | None = None

    async def __aenter__(self) -> Self:
        await self._locks.acquire(self._user_id)
        try:
            self.record = self._store.read(self._user_id)
        except BaseException:
            self._locks.release(self._user_id)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._locks.release(self._user_id)

    async def save(self, revision: Revision) -> None:
        await self._store.save(self._user_id, revision)


def _complete(batch: list[_Write], failure: Exception | None) -> None:
    for write in batch:
        if write.saved.done():  # the request was cancelled meanwhile
            continue
        if failure is None:
            write.saved.set_result(None)
        else:
            error = MetadataUnavailable()
            error.__cause__ = failure
            write.saved.set_exception(error)


def _row(revision: Revision) -> _Row:
    return (
        revision.version,
        revision.base,
        str(revision.kind),
        revision.sha256,
        revision.size,
        revision.upload_id,
        revision.updated_at.isoformat(),
        revision.tag,
    )


def _revision(row: _Row) -> Revision:
    version, base, kind, sha256, size, upload_id, updated_at, tag = row
    return Revision(
        version=Version(version),
        base=Version(base),
        kind=Kind(kind),
        sha256=Sha256(sha256),
        size=size,
        upload_id=UploadId(upload_id),
        updated_at=datetime.fromisoformat(updated_at),
        tag=Tag(tag),
    )
