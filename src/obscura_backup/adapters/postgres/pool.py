"""Connections to PostgreSQL: a bounded pool that fails at once while the server is down and finds out when it is back.

Nothing outlives a transaction on a connection, so that a pooler in transaction mode (PgBouncer) may stand between: no
prepared statements, no session settings, and several statements go out as one message of the simple protocol. That
message is one round trip, as a pipeline would be, and costs both sides less.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self, TypeAlias, cast
from weakref import WeakSet

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from obscura_backup.adapters.postgres.circuit_breaker import Outage, unavailable
from obscura_backup.adapters.postgres.parameters import parameters
from obscura_backup.adapters.postgres.sessions import (
    CHECK_SESSION,
    END_SESSION,
    MAX_STALE_SESSIONS,
    READ_ONLY,
    WRITABLE,
    ReadOnlyServer,
    affects_all_connections,
    is_read_only,
)
from obscura_backup.adapters.postgres.sockets import abort, has_unsolicited_input, is_closed_by_peer
from obscura_backup.domain.errors import MetadataUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

Connection: TypeAlias = psycopg.AsyncConnection[TupleRow]
Cursor: TypeAlias = psycopg.AsyncCursor[TupleRow]

CONNECTS_PER_OUTAGE = 2
"""Failed in a row: one alone may be the last word of a server that is up again. The pool tries again at once."""
LIFETIME_SECONDS = 30 * 60.0
"""After which a connection is replaced, so that a fleet follows a move of the server or its name."""

_OPEN_TRANSACTION = (TransactionStatus.INTRANS, TransactionStatus.INERROR)


class ConnectionPool:
    """A pool that nobody waits for in vain.

    Args:
        url: `postgresql://…`, whatever libpq takes, several hosts included.
        size: connections at most.
        waiting: callers at most that wait for a connection; one more fails at once.
        wait_seconds: how long they wait.
        connect_timeout_seconds: for each host; libpq takes no less than 2.
        answer_timeout_seconds: how long a server that should answer at once may take.
    """

    def __init__(
        self,
        url: str,
        *,
        size: int,
        waiting: int,
        wait_seconds: float,
        connect_timeout_seconds: int,
        answer_timeout_seconds: float,
    ) -> None:
        self._url = url
        self._size = size
        self._max_waiting = waiting
        self._wait_seconds = wait_seconds
        self._connect_timeout_seconds = connect_timeout_seconds
        self._answer_timeout_seconds = answer_timeout_seconds
        self._outage = Outage(probe_seconds=connect_timeout_seconds + answer_timeout_seconds)
        self._pool: AsyncConnectionPool[Connection] | None = None
        self._failed_connects = 0
        # Made since the last time that the pool was emptied.
        self._current: WeakSet[Connection] = WeakSet()
        self._waiting_timeouts: set[asyncio.Timeout] = set()

    async def open(self) -> None:
        """Get ready to connect when somebody asks; a server that is down is no reason not to.

        Raises:
            StoreUnusable: the URL is none.
        """
        kwargs = parameters(self._url, connect_timeout_seconds=self._connect_timeout_seconds)
        # The pool would say many times, once for each connection, what `Outage` says once.
        logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
        self._pool = AsyncConnectionPool(
            connection_class=_reporting_to(self),
            kwargs={
                **kwargs,
                "autocommit": True,
                "prepare_threshold": None,
                "cursor_factory": psycopg.AsyncClientCursor,
            },
            min_size=0,
            max_size=self._size,
            open=False,
            timeout=self._wait_seconds,
            max_waiting=self._max_waiting,
            max_lifetime=LIFETIME_SECONDS,
            reconnect_timeout=0,  # whether and when to try again is for `Outage` to say
        )
        await self._pool.open()

    async def close(self) -> None:
        """Close all connections; safe to call more than once."""
        if self._pool is not None:
            await self._pool.close()

    async def begin(self, query: str, values: Mapping[str, Any], *, seconds: float = 0) -> tuple[Connection, Cursor]:
        """Ask on a connection that is given out with the answer; the caller releases it.

        A connection that turns out dead (the server was restarted) is replaced and the question asked once more, so the
        query must be one that may be sent twice.

        Args:
            query: any number of statements.
            values: for its placeholders.
            seconds: that the server is allowed to take over it, on top of the time to answer.

        Raises:
            MetadataUnavailable: there is no connection to be had.
            psycopg.Error: as the server answered, or the connection was lost twice.
        """
        for final in (False, True):
            connection = await self._acquire()
            try:
                return connection, await self.ask(connection, query, values, seconds=seconds)
            except psycopg.Error as error:
                lost = connection.closed or is_read_only(error)
                if is_read_only(error):
                    await self._end_session(connection)
                await self.release(connection)
                if not lost:
                    raise
                if final or self._outage.forbids_connecting:
                    self._begin_outage(error)
                    raise
            except BaseException:
                await self.release(connection)
                raise
        raise AssertionError("the second time either answers or raises")

    async def ask(
        self, connection: Connection, query: str, values: Mapping[str, Any] | None = None, *, seconds: float = 0
    ) -> Cursor:
        """Ask on a connection that the caller holds: one message, one answer, never sent twice.

        Raises:
            psycopg.Error: as the server answered, or the connection was lost.
        """
        try:
            cursor = await self._ask_in_time(connection, query, values, seconds)
        except psycopg.Error as error:
            if affects_all_connections(error):
                self._invalidate_all_if_current(connection)
            elif not connection.closed:
                self._outage.end()
            raise
        self._outage.end()
        return cursor

    async def _ask_in_time(
        self, connection: Connection, query: str, values: Mapping[str, Any] | None, seconds: float = 0
    ) -> Cursor:
        # `asyncio.timeout` would not do: on cancellation the driver asks the server to cancel, and waits for its word.
        guard = asyncio.get_running_loop().call_later(
            seconds + self._answer_timeout_seconds, self._time_out, connection
        )
        try:
            return await connection.execute(query.encode(), values)
        finally:
            guard.cancel()

    async def release(self, connection: Connection) -> None:
        """Give a connection back, rolling back what is open on it; one in an unclear state is closed instead."""
        try:
            if connection.pgconn.transaction_status in _OPEN_TRANSACTION:
                with suppress(psycopg.Error):  # then it is lost, and its transaction with it
                    await self.ask(connection, "ROLLBACK")
        finally:
            if connection.pgconn.transaction_status != TransactionStatus.IDLE or connection not in self._current:
                await connection.close()
            # Being cancelled halfway would cost the pool one connection for good.
            await asyncio.shield(self._opened.putconn(connection))

    @property
    def _opened(self) -> AsyncConnectionPool[Connection]:
        if self._pool is None:
            raise AssertionError("open() comes first")
        return self._pool

    async def _acquire(self) -> Connection:
        self._outage.admit()
        try:
            async with asyncio.timeout(None) as timeout:
                self._waiting_timeouts.add(timeout)
                try:
                    connection = await self._next_alive(timeout)
                finally:
                    self._waiting_timeouts.discard(timeout)
        except (TimeoutError, psycopg.Error) as error:
            cause = self._outage.cause or error
            raise unavailable(cause) from cause
        return connection

    async def _next_alive(self, deadline: asyncio.Timeout) -> Connection:
        for _ in range(self._size + 1):
            connection = await self._opened.getconn()
            if connection in self._current and not has_unsolicited_input(connection):
                return connection
            await connection.close()
            await self._opened.putconn(connection)
            if deadline.expired():  # Python 3.11 may lose a cancellation that meets a result, here a dead connection
                raise TimeoutError
        raise MetadataUnavailable("The metadata store closes each connection at once.")

    async def make(self, connect: Callable[[], Awaitable[Connection]]) -> Connection:
        """A new connection for the pool, to a server that takes writes.

        Raises:
            psycopg.Error: there is none; callers that wait for a connection are told where that is an outage.
        """
        # Else the pool would knock once for each connection that was lost.
        if self._outage.forbids_connecting:
            raise psycopg.OperationalError("not tried: the server was down a moment ago")
        try:
            connection = await self._writable(connect)
        except psycopg.Error as error:
            self._failed_to_connect(error)
            raise
        self._failed_connects = 0
        return connection

    async def _writable(self, connect: Callable[[], Awaitable[Connection]]) -> Connection:
        for _ in range(MAX_STALE_SESSIONS):
            connection = await connect()
            self._current.add(connection)
            try:
                state = await self._state_of(connection)
            except BaseException:
                await connection.close()
                raise
            if state == WRITABLE:
                return connection
            await connection.close()
            if state == READ_ONLY:
                break
        raise ReadOnlyServer

    async def _state_of(self, connection: Connection) -> str:
        try:
            cursor = await self._ask_in_time(connection, CHECK_SESSION, {"pid": connection.info.backend_pid})
            (row,) = await cursor.fetchall()
        except psycopg.errors.AdminShutdown:  # the session's own end, as asked for
            return ""
        return str(row[0])

    def report_read_only(self) -> MetadataUnavailable:
        """A session that was given out turned out to be read-only: what to raise, once nothing is left to build on."""
        self._invalidate_all()
        self._begin_outage(ReadOnlyServer())
        return unavailable(self._outage.cause)

    def _failed_to_connect(self, error: psycopg.Error) -> None:
        """Learn from it; in an outage whoever waits is told at once."""
        self._failed_connects += 1
        certain = isinstance(error, psycopg.errors.ConnectionTimeout) or is_read_only(error)
        if self._failed_connects < CONNECTS_PER_OUTAGE and not certain:
            return
        # A server that has no connection to spare is not down while those that we have still work, in use or at rest:
        # whoever waits gets one of them. Those of a server that is gone have all been hung up.
        if all(is_closed_by_peer(connection) for connection in self._current):
            self._begin_outage(error)

    def _invalidate_all_if_current(self, connection: Connection) -> None:
        # One of many that were cut at once may come back after new ones were made, which are none the worse for it.
        if connection in self._current:
            self._invalidate_all()

    def _invalidate_all(self) -> None:
        """Empty the pool: what rests is hung up now, what is in use when it comes back."""
        left, self._current = self._current, WeakSet()
        for connection in left:
            if connection.pgconn.transaction_status == TransactionStatus.IDLE:
                abort(connection)

    async def _end_session(self, connection: Connection) -> None:
        # Behind a pooler the connection is ours and the session is not: the pooler would lend it again.
        with suppress(psycopg.Error):
            await self._ask_in_time(connection, END_SESSION, None)

    def _begin_outage(self, cause: BaseException) -> None:
        self._outage.begin(cause)
        waiting, self._waiting_timeouts = self._waiting_timeouts, set()
        for timeout in waiting:
            timeout.reschedule(0)

    def _time_out(self, connection: Connection) -> None:
        # The others lead to the same silence; with them each further look would take as long as this one. One from
        # before the pool was emptied says nothing about the server that the address leads to now.
        if connection in self._current:
            self._invalidate_all()
            self._begin_outage(TimeoutError("no answer in time"))
        abort(connection)


def _reporting_to(connections: ConnectionPool) -> type[Connection]:
    class Reporting(psycopg.AsyncConnection[TupleRow]):
        @classmethod
        async def connect(cls, *args: Any, **kwargs: Any) -> Self:
            plain = super().connect
            return cast("Self", await connections.make(lambda: plain(*args, **kwargs)))

    return Reporting
