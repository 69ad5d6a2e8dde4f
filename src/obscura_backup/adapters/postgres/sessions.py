"""Whether a session of PostgreSQL accepts writes, and what an error says about its server.

After a switch-over, connections may lead to the demoted server. It answers, but it is read-only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import psycopg

from obscura_backup.adapters.postgres.connection import Statement
from obscura_backup.domain.errors import MetadataUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from obscura_backup.adapters.postgres.connection import Answer, Connection, Message, Step

MAX_STALE_SESSIONS = 32
"""How many stale sessions of a pooler are ended in a row, at most. PgBouncer keeps 20 by default."""

# One statement, so that a pooler runs all of it on one session. Behind a pooler, the process that serves the session is
# not the one that the connection names. The pooler would lend a session from before the switch-over again and again. So
# that session is ended, and the pooler makes another to the current server. A fresh session is trusted.
CHECK_SESSION = Statement(b"""
SELECT CASE
    WHEN current_setting('transaction_read_only') = 'off'
    THEN CASE WHEN pg_backend_pid() = $1 THEN 'direct' ELSE 'pooled' END
    WHEN pg_backend_pid() <> $1 AND (
        SELECT backend_start < clock_timestamp() - interval '1 second'
        FROM pg_stat_activity WHERE pid = pg_backend_pid())
    THEN 'ended: ' || pg_terminate_backend(pg_backend_pid())
    ELSE 'read-only'
END
""")
"""A statement that gives `direct` or `pooled` (both writable) or `read-only`, or ends the session.

Its value is the process that serves the connection, according to the connection.
"""
ROLLBACK: Message = [(Statement(b"ROLLBACK"), ())]
END_SESSION: Message = [*ROLLBACK, (Statement(b"SELECT pg_terminate_backend(pg_backend_pid())"), ())]
"""Ends the session of the last transaction, also behind a pooler in transaction mode."""
DIRECT = "direct"
POOLED = "pooled"
READ_ONLY = "read-only"

_OPERATOR_INTERVENTION = "57P"
"""The prefix of 57P01 (shutting down), 57P02 (crash), 57P03 (starting, recovering), 57P05 and similar codes."""


class ReadOnlyServer(psycopg.errors.ReadOnlySqlTransaction):
    """The server is read-only: it is a standby, or `default_transaction_read_only` is on."""

    def __init__(self) -> None:
        super().__init__("the server is read-only: a standby, or default_transaction_read_only is on")


def is_read_only(error: BaseException | None) -> bool:
    """Whether the server or this session is read-only."""
    return isinstance(error, psycopg.errors.ReadOnlySqlTransaction)


def affects_all_connections(error: psycopg.Error) -> bool:
    """Whether the error makes the other connections to the server useless, too."""
    return is_read_only(error) or (error.sqlstate or "").startswith(_OPERATOR_INTERVENTION)


def unavailable(cause: BaseException | None) -> MetadataUnavailable:
    """The domain's error for this cause."""
    return MetadataUnavailable("The metadata database is read-only." if is_read_only(cause) else None)


class _Execute(Protocol):
    async def __call__(self, connection: Connection, message: Message, /) -> Answer: ...


async def connect_writable(connect: Callable[[], Awaitable[Connection]], execute: _Execute) -> tuple[Connection, bool]:
    """A connection to a server that accepts writes, and whether no pooler is between. Ends stale sessions of a pooler.

    Args:
        connect: makes a connection.
        execute: executes a message on a connection, in bounded time.

    Raises:
        ReadOnlyServer: the server is read-only.
        psycopg.Error: from `connect` or `execute`.
    """
    for _ in range(MAX_STALE_SESSIONS):
        connection = await connect()
        try:
            state = await _state_of(connection, execute)
        except BaseException:
            await connection.close()
            raise
        if state in (DIRECT, POOLED):
            return connection, state == DIRECT
        await connection.close()
        if state == READ_ONLY:
            break
    raise ReadOnlyServer


async def set_up(connection: Connection, execute: _Execute, limits: Step, statements: Iterable[Statement]) -> None:
    """Give a session its limits and prepared statements once. Not behind a pooler, which shares its sessions.

    Args:
        connection: closed if this fails.
        execute: as for `connect_writable`.
        limits: a step whose last value says whether they hold for the transaction only.
        statements: with names.

    Raises:
        psycopg.Error: the connection was lost.
    """
    (statement, values), statements = limits, tuple(statements)
    prepare = [(Statement(b"PREPARE %s AS %s" % (name, sql)), ()) for sql, name in statements]
    try:
        await execute(connection, [(statement, (*values[:-1], b"false")), *prepare])
    except psycopg.Error:
        if connection.closed:
            raise
        return  # as when there is no table yet: each transaction then brings its own limits, and says what is wrong
    except BaseException:
        await connection.close()
        raise
    connection.limits = limits
    connection.prepared = frozenset(statement.name for statement in statements)


async def _state_of(connection: Connection, execute: _Execute) -> str:
    pid = b"%d" % connection.info.backend_pid
    try:
        answer = await execute(connection, [(CHECK_SESSION, (pid,))])
    except psycopg.errors.AdminShutdown:  # the session ended, as requested
        return ""
    return str(answer.rows[0][0])
