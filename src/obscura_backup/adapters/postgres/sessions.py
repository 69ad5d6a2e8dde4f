"""Whether a session of PostgreSQL takes writes, and what an error says about the server that it came from.

After a switch-over connections may lead to the server that was demoted. It answers, and it only reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import psycopg

from obscura_backup.domain.errors import MetadataUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from psycopg.rows import TupleRow

    Connection = psycopg.AsyncConnection[TupleRow]

MAX_STALE_SESSIONS = 32
"""So many stale sessions of a pooler are ended in a row, at most. PgBouncer keeps 20 unless told otherwise."""

# One statement, so that a pooler runs all of it on one session. Behind a pooler the process that serves the session is
# not the one that the connection names. A pooler's session from before the switch-over would be lent again and again.
# It is ended, and the pooler has to make another one, to where the address leads now. A fresh session is believed.
CHECK_SESSION = """
SELECT CASE
    WHEN current_setting('transaction_read_only') = 'off' THEN 'writable'
    WHEN pg_backend_pid() <> %(pid)s AND (
        SELECT backend_start < clock_timestamp() - interval '1 second'
        FROM pg_stat_activity WHERE pid = pg_backend_pid())
    THEN 'ended: ' || pg_terminate_backend(pg_backend_pid())
    ELSE 'read-only'
END
"""
"""An SQL statement: `writable`, `read-only`, or a session that the server has just ended.

`pid` is the process that serves the connection, by the connection's own word.
"""
END_SESSION = "ROLLBACK; SELECT pg_terminate_backend(pg_backend_pid())"
"""Ends the session that the last transaction ran on, also behind a pooler in transaction mode."""
WRITABLE = "writable"
READ_ONLY = "read-only"

_OPERATOR_INTERVENTION = "57P"
"""The first letters of 57P01 (shutting down), 57P02 (a crash), 57P03 (starting, recovering), 57P05 and their like."""


class ReadOnlyServer(psycopg.errors.ReadOnlySqlTransaction):
    """The server only reads: it is a standby, or `default_transaction_read_only` is on."""

    def __init__(self) -> None:
        super().__init__("the server is read-only: a standby, or default_transaction_read_only is on")


def is_read_only(error: BaseException | None) -> bool:
    """Whether the server only reads, or this session of it."""
    return isinstance(error, psycopg.errors.ReadOnlySqlTransaction)


def affects_all_connections(error: psycopg.Error) -> bool:
    """Whether the other connections to the server are of no more use than the one that the error came on."""
    return is_read_only(error) or (error.sqlstate or "").startswith(_OPERATOR_INTERVENTION)


def unavailable(cause: BaseException | None) -> MetadataUnavailable:
    """The domain's error for this cause."""
    return MetadataUnavailable("The metadata database is read-only." if is_read_only(cause) else None)


class _Execute(Protocol):
    async def __call__(
        self, connection: Connection, query: str, values: Mapping[str, Any], /
    ) -> psycopg.AsyncCursor[TupleRow]: ...


async def connect_writable(connect: Callable[[], Awaitable[Connection]], execute: _Execute) -> Connection:
    """A connection to a server that accepts writes; stale sessions of a pooler are ended on the way.

    Args:
        connect: makes a connection.
        execute: executes a query on a connection, in bounded time.

    Raises:
        ReadOnlyServer: the server only reads.
        psycopg.Error: from `connect` or `execute`.
    """
    for _ in range(MAX_STALE_SESSIONS):
        connection = await connect()
        try:
            state = await _state_of(connection, execute)
        except BaseException:
            await connection.close()
            raise
        if state == WRITABLE:
            return connection
        await connection.close()
        if state == READ_ONLY:
            break
    raise ReadOnlyServer


async def _state_of(connection: Connection, execute: _Execute) -> str:
    try:
        cursor = await execute(connection, CHECK_SESSION, {"pid": connection.info.backend_pid})
        (row,) = await cursor.fetchall()
    except psycopg.errors.AdminShutdown:  # the session ended, as requested
        return ""
    return str(row[0])
