"""Metadata in PostgreSQL: one row per user, locked by `SELECT … FOR UPDATE` while the blob is stored.

Locking a slot is one round trip, saving is another. Each transaction limits its own cost for the server: how long it
waits for the lock, how long a statement runs, how long the holder may be idle.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import psycopg
from psycopg import errors as answers

from obscura_backup.adapters.postgres.connection import Statement
from obscura_backup.adapters.postgres.pool import ConnectionPool
from obscura_backup.adapters.postgres.rows import COLUMNS, revision_of
from obscura_backup.adapters.postgres.schema import (
    MISSING_PRIVILEGES,
    SELECT_REVISION,
    describe_missing_privileges,
    require_current,
)
from obscura_backup.adapters.postgres.sessions import unavailable
from obscura_backup.adapters.postgres.slot import SAVE, PostgresSlot, SlotLock
from obscura_backup.adapters.user_locks import UserLocks
from obscura_backup.domain.errors import MetadataUnavailable, SlotBusy, StoreUnusable
from obscura_backup.domain.model import Revision, UserId

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from obscura_backup.adapters.postgres.connection import Step
    from obscura_backup.domain.errors import Unavailable

LOCK_TIMEOUT_SECONDS = 5.0
LOCK_POLL_SECONDS = 1.0
"""How long the server waits for a lock before it is asked again, so that a silent server is noticed sooner."""
IDLE_IN_TRANSACTION_SECONDS = 60.0
"""How long a holder may be idle, while it talks to the blob store, before the server ends its transaction."""
POOL_SIZE = 16
RESERVED_SHARE = 0.125
"""Of the pool, for short queries; of 4 connections at least one. Uploads that wait for blobs must not block them.

The other connections limit how many uploads a blob store far away can take at once.
"""
POOL_WAITING = 2048
POOL_WAIT_SECONDS = 3.0
CONNECT_TIMEOUT_SECONDS = 2
ANSWER_TIMEOUT_SECONDS = 3.0
STATEMENT_SHARE = 0.8
"""Of the time to answer: the server cancels a statement before we abort the connection."""
PAGE_ROWS = 512

_log = logging.getLogger("obscura_backup")

# Not only until the end of the transaction if the last value is false.
_SET_LIMITS: Final = Statement(b"""
SELECT set_config('lock_timeout', $1, $4::boolean),
       set_config('statement_timeout', $2, $4::boolean),
       set_config('idle_in_transaction_session_timeout', $3, $4::boolean)
""")
# Without READ WRITE: a read-only server then always answers with the code 25006.
_BEGIN: Final[Step] = (Statement(b"BEGIN ISOLATION LEVEL READ COMMITTED"), ())
_SELECT: Final = Statement(f"SELECT {COLUMNS} FROM backups WHERE user_id = $1".encode(), b"obscura_select")  # noqa: S608  # a constant
_LOCK: Final = Statement(_SELECT.sql + b" FOR UPDATE", b"obscura_lock")
_PAGE: Final = Statement(
    f"""
SELECT user_id, {COLUMNS} FROM backups
WHERE $1::uuid IS NULL OR user_id > $1::uuid ORDER BY user_id LIMIT {PAGE_ROWS}
""".encode()  # noqa: S608  # constants only
)
_SCHEMA: Final = Statement(SELECT_REVISION.encode())
# On a standby this is always on.
_READY: Final = Statement(f"SELECT current_setting('transaction_read_only'), {MISSING_PRIVILEGES}".encode())


class PostgresMetadataStore:
    """Rows in PostgreSQL, also behind a pooler in transaction mode. Any number of processes may share the database.

    Args:
        url: `postgresql://USER:PASSWORD@HOST/DATABASE`, as libpq reads it.
        lock_timeout_seconds: how long a request waits for other requests of its user, in any process.
        idle_in_transaction_seconds: how long a holder may be idle before the server ends its transaction.
        pool_size: maximum number of connections. A holder keeps one while its blob is stored; all holders together may
            keep `lock_permits`.
        pool_waiting: maximum number of requests that wait for a connection; one more fails at once.
        pool_wait_seconds: how long they wait.
        connect_timeout_seconds: per host; libpq takes no less than 2.
        answer_timeout_seconds: how long the server may take for anything but waiting for a lock.
    """

    def __init__(
        self,
        url: str,
        *,
        lock_timeout_seconds: float = LOCK_TIMEOUT_SECONDS,
        idle_in_transaction_seconds: float = IDLE_IN_TRANSACTION_SECONDS,
        pool_size: int = POOL_SIZE,
        pool_waiting: int = POOL_WAITING,
        pool_wait_seconds: float = POOL_WAIT_SECONDS,
        connect_timeout_seconds: int = CONNECT_TIMEOUT_SECONDS,
        answer_timeout_seconds: float = ANSWER_TIMEOUT_SECONDS,
    ) -> None:
        statement_seconds = answer_timeout_seconds * STATEMENT_SHARE
        # A lock that is not available is then no slow statement.
        self._poll_seconds = min(LOCK_POLL_SECONDS, statement_seconds / 2)
        self._statement_ms = _milliseconds(statement_seconds)
        self._idle_ms = _milliseconds(idle_in_transaction_seconds)
        self._pool = ConnectionPool(
            url,
            limits=self._limits(self._poll_seconds),
            prepared=(_SELECT, _LOCK, SAVE),
            size=pool_size,
            waiting=pool_waiting,
            wait_seconds=pool_wait_seconds,
            connect_timeout_seconds=connect_timeout_seconds,
            answer_timeout_seconds=answer_timeout_seconds,
        )
        # Those of one user queue here, without a connection each, and only their first in line asks the server.
        self._locks = UserLocks(timeout_seconds=lock_timeout_seconds)
        self._lock_permits = asyncio.Semaphore(lock_permits(pool_size))
        self._pool_wait_seconds = pool_wait_seconds
        self._lock_timeout_seconds = lock_timeout_seconds
        self._schema_is_current = False

    async def start(self) -> None:
        """See `BackupMetadataStore.start`. The server may be down: then only downloads work.

        Raises:
            StoreUnusable: the URL is malformed, or the schema is missing, too old or too new.
        """
        await self._pool.open()
        try:
            await self._require_schema()
        except MetadataUnavailable:
            _log.warning("starting without the metadata store: uploads are refused until it answers")

    async def close(self) -> None:
        """See `BackupMetadataStore.close`."""
        await self._pool.close()

    def locked(self, user_id: UserId) -> SlotLock:
        """See `BackupMetadataStore.locked`. It locks the row, so it excludes other processes only if there is a row."""
        return SlotLock(self, user_id)

    async def lock(self, user_id: UserId) -> PostgresSlot:
        """Take the lock of this process, permission to keep a connection while a blob is stored, and the row's lock.

        Raises:
            SlotBusy, MetadataUnavailable: as for `locked`.
        """
        deadline = asyncio.get_running_loop().time() + self._lock_timeout_seconds
        await self._locks.acquire(user_id)
        try:
            await self._acquire_permit()
        except BaseException:
            self._locks.release(user_id)
            raise
        try:
            await self._check_schema_once()
            return await self._lock_row_by(deadline, user_id)
        except BaseException:
            self._release(user_id)
            raise

    async def unlock(self, slot: PostgresSlot, user_id: UserId) -> None:
        """Release all that `lock` took."""
        try:
            await slot.unlock()
        finally:
            self._release(user_id)

    def _release(self, user_id: UserId) -> None:
        self._lock_permits.release()
        self._locks.release(user_id)

    async def _acquire_permit(self) -> None:
        if not self._lock_permits.locked():
            await self._lock_permits.acquire()  # at once, without the cost of a timer
            return
        try:
            async with asyncio.timeout(self._pool_wait_seconds):
                await self._lock_permits.acquire()
        except TimeoutError as error:  # as when the blob store hangs
            raise SlotBusy from error

    async def get(self, user_id: UserId) -> Revision | None:
        """See `BackupMetadataStore.get`."""
        await self._check_schema_once()
        (row,) = await self._read(_SELECT, str(user_id).encode()) or (None,)
        return revision_of(row) if row else None

    async def scan(self, after: UserId | None = None) -> AsyncIterator[tuple[UserId, Revision]]:
        """See `BackupMetadataStore.scan`. Memory: one page of rows; no connection is held between pages."""
        await self._check_schema_once()
        while True:
            page = await self._read(_PAGE, str(after).encode() if after else None)
            for user_id, *row in page:
                yield UserId(user_id), revision_of(tuple(row))
            if len(page) < PAGE_ROWS:
                return
            after = UserId(UUID(int=page[-1][0].int))

    async def check(self) -> None:
        """See `BackupMetadataStore.check`. It fails for a read-only server, which cannot serve an upload.

        It also fails if the role lacks a privilege or the table is gone. It reads no row.
        """
        await self._check_schema_once()
        ((read_only, missing),) = await self._read(_READY)
        if read_only != "off":
            raise self._pool.report_read_only()
        if missing := describe_missing_privileges(missing):
            raise MetadataUnavailable(missing)

    async def _lock_row_by(self, deadline: float, user_id: UserId) -> PostgresSlot:
        loop = asyncio.get_running_loop()
        while True:
            left_seconds = deadline - loop.time()
            try:
                return await self._lock_row(user_id, min(max(left_seconds, 0.001), self._poll_seconds))
            except SlotBusy:
                if left_seconds <= self._poll_seconds:
                    raise

    async def _lock_row(self, user_id: UserId, lock_seconds: float) -> PostgresSlot:
        message = [_BEGIN, self._limits(lock_seconds), (_LOCK, (str(user_id).encode(),))]
        try:
            connection, answer = await self._pool.checkout(message, seconds=lock_seconds)
        except psycopg.Error as error:
            raise _domain_error(error) from error
        try:
            record = revision_of(answer.rows[0]) if answer.rows else None
            return PostgresSlot(self._pool, connection, user_id, record)
        except BaseException:
            await self._pool.release(connection)
            raise

    async def _read(self, statement: Statement, *values: bytes | None) -> list[Any]:
        message = [self._limits(self._poll_seconds), (statement, values)]
        try:
            connection, answer = await self._pool.checkout(message)
        except psycopg.Error as error:
            raise unavailable(error) from error
        await self._pool.release(connection)
        return answer.rows

    def _limits(self, lock_seconds: float) -> Step:
        milliseconds = (_milliseconds(lock_seconds), self._statement_ms, self._idle_ms)
        return _SET_LIMITS, (*(b"%d" % limit for limit in milliseconds), b"true")

    async def _check_schema_once(self) -> None:
        """Check the schema now if the server was down at the start."""
        if self._schema_is_current:
            return
        try:
            await self._require_schema()
        except StoreUnusable as error:
            raise MetadataUnavailable(str(error)) from error

    async def _require_schema(self) -> None:
        try:
            rows = await self._read(_SCHEMA)
        except MetadataUnavailable as error:
            if isinstance(error.__cause__, answers.UndefinedTable):
                rows = []
            elif isinstance(error.__cause__, answers.InsufficientPrivilege):
                raise StoreUnusable("The database role may not read the version of the schema.") from error
            else:
                raise
        require_current(rows[0][0] if rows else None)
        self._schema_is_current = True


def lock_permits(pool_size: int) -> int:
    """How many of the connections may be kept while blobs are stored; of fewer than 4, all."""
    return pool_size - min(pool_size // 4, max(1, int(pool_size * RESERVED_SHARE)))


def _domain_error(error: psycopg.Error) -> Unavailable:
    return SlotBusy() if isinstance(error, (answers.LockNotAvailable, answers.DeadlockDetected)) else unavailable(error)


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))  # 0 would mean no limit
