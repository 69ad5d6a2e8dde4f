"""A bounded pool of connections to PostgreSQL that fails at once while the server is down.

A pooler in transaction mode (PgBouncer) may stand between: then nothing outlives a transaction on a connection. Without
one, each session gets its time limits and prepared statements once.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING
from weakref import WeakSet

import psycopg
from psycopg.pq import TransactionStatus
from psycopg_pool import AsyncConnectionPool

from obscura_backup.adapters.circuit_breaker import CircuitBreaker, State
from obscura_backup.adapters.postgres.connection import Connection, connecting_by
from obscura_backup.adapters.postgres.parameters import parameters
from obscura_backup.adapters.postgres.sessions import (
    END_SESSION,
    ROLLBACK,
    ReadOnlyServer,
    affects_all_connections,
    connect_writable,
    is_read_only,
    set_up,
    unavailable,
)
from obscura_backup.adapters.postgres.sockets import abort, has_unsolicited_input, is_closed_by_peer
from obscura_backup.domain.errors import MetadataUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from obscura_backup.adapters.postgres.connection import Answer, Message, Statement, Step

FAILED_CONNECTS = 2
"""This many in a row are an outage. One alone may come from a server that is just back; `psycopg_pool` tries again at
once."""
LIFETIME_SECONDS = 30 * 60.0
"""Older connections are replaced, so that a fleet follows a move of the server or of its name."""

_OPEN_TRANSACTION = (TransactionStatus.INTRANS, TransactionStatus.INERROR)


class ConnectionPool:
    """`psycopg_pool` behind a circuit breaker.

    Args:
        url: `postgresql://…` as libpq reads it, also with several hosts.
        size: maximum number of connections.
        waiting: maximum number of callers that wait for a connection; one more fails at once.
        wait_seconds: how long they wait.
        connect_timeout_seconds: per host; libpq takes no less than 2.
        answer_timeout_seconds: how long the server may take to answer.
        limits: the time limits of a transaction, set once per session where no pooler is between.
        prepared: statements, prepared in the same way.
    """

    def __init__(
        self,
        url: str,
        *,
        limits: Step,
        prepared: Sequence[Statement],
        size: int,
        waiting: int,
        wait_seconds: float,
        connect_timeout_seconds: int,
        answer_timeout_seconds: float,
    ) -> None:
        self._url = url
        self._limits = limits
        self._prepared = prepared
        self._may_be_direct = True
        self._size = size
        self._max_waiting = waiting
        self._wait_seconds = wait_seconds
        self._connect_timeout_seconds = connect_timeout_seconds
        self._answer_timeout_seconds = answer_timeout_seconds
        self._breaker = CircuitBreaker(
            "metadata store",
            threshold=FAILED_CONNECTS,
            test_seconds=connect_timeout_seconds + answer_timeout_seconds,
        )
        self._cause: BaseException | None = None
        self._pool: AsyncConnectionPool[Connection] | None = None
        # Connections made since the pool was last emptied.
        self._valid: WeakSet[Connection] = WeakSet()
        self._waits: set[asyncio.Timeout] = set()

    async def open(self) -> None:
        """Get ready to connect on demand; the server may be down.

        Raises:
            StoreUnusable: the URL is malformed.
        """
        kwargs = parameters(self._url, connect_timeout_seconds=self._connect_timeout_seconds)
        # It would log once per connection what the circuit breaker logs once.
        logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
        self._pool = AsyncConnectionPool(
            connection_class=connecting_by(self.connect),
            kwargs={
                **kwargs,
                "autocommit": True,
                "prepare_threshold": None,
            },
            min_size=0,
            max_size=self._size,
            open=False,
            timeout=self._wait_seconds,
            max_waiting=self._max_waiting,
            max_lifetime=LIFETIME_SECONDS,
            reconnect_timeout=0,  # the circuit breaker decides when to try again
        )
        await self._pool.open()

    async def close(self) -> None:
        """Close all connections; safe to call more than once."""
        if self._pool is not None:
            await self._pool.close()

    async def checkout(self, message: Message, *, seconds: float = 0) -> tuple[Connection, Answer]:
        """Take a connection and execute on it; the caller releases it.

        A dead connection, as after a restart of the server, is replaced and the message sent once more. It must
        therefore be safe to send twice.

        Args:
            message: any number of statements.
            seconds: added to the time that the server may take to answer.

        Raises:
            MetadataUnavailable: there is no connection.
            psycopg.Error: from the server, or the connection was lost twice.
        """
        for is_last in (False, True):
            connection = await self._acquire()
            try:
                return connection, await self.execute(connection, message, seconds=seconds)
            except psycopg.Error as error:
                is_lost = connection.closed or is_read_only(error) or self._is_shared(error)
                if is_read_only(error):
                    # A pooler would lend this session again.
                    with suppress(psycopg.Error):
                        await self._execute_in_time(connection, END_SESSION)
                await self.release(connection)
                if not is_lost:
                    raise
                if is_last or self._breaker.state is State.OPEN:
                    self._record_failure(error, is_certain=True)
                    raise
            except BaseException:
                await self.release(connection)
                raise
        raise AssertionError("the second time either returns or raises")

    async def execute(self, connection: Connection, message: Message, *, seconds: float = 0) -> Answer:
        """Execute on a connection of the caller: one message, one answer, never sent twice.

        Raises:
            psycopg.Error: from the server, or the connection was lost.
        """
        try:
            answer = await self._execute_in_time(connection, message, seconds=seconds)
        except psycopg.Error as error:
            if affects_all_connections(error):
                self._invalidate_with(connection)
            elif not connection.closed:
                self._breaker.record_success()
            raise
        self._breaker.record_success()
        return answer

    async def release(self, connection: Connection) -> None:
        """Return a connection after a rollback of its open transaction; in any other state it is closed."""
        try:
            if connection.pgconn.transaction_status in _OPEN_TRANSACTION:
                with suppress(psycopg.Error):  # the connection is lost, and its transaction with it
                    await self.execute(connection, ROLLBACK)
        finally:
            if connection.pgconn.transaction_status != TransactionStatus.IDLE or connection not in self._valid:
                await connection.close()
            # Cancelled in the middle, the pool would lack one connection for good.
            await asyncio.shield(self._opened.putconn(connection))

    def report_read_only(self) -> MetadataUnavailable:
        """A session turned out to be read-only. Empties the pool, and returns what to raise."""
        self._invalidate_all()
        self._record_failure(ReadOnlyServer(), is_certain=True)
        return unavailable(self._cause)

    async def connect(self, connect: Callable[[], Awaitable[Connection]]) -> Connection:
        """Make a connection for `psycopg_pool` to a server that accepts writes.

        Raises:
            psycopg.Error: there is none. Waiting callers fail at once if this is an outage.
        """
        if self._breaker.state is State.OPEN:  # else the pool would try once per lost connection
            raise psycopg.OperationalError("not tried: the server was down a moment ago")

        async def connect_valid() -> Connection:
            connection = await connect()
            self._valid.add(connection)
            return connection

        try:
            connection, is_direct = await connect_writable(connect_valid, self._execute_in_time)
            if is_direct and self._may_be_direct:
                await set_up(connection, self._execute_in_time, self._limits, self._prepared)
        except psycopg.Error as error:
            # A server without a free connection is not down while others of ours are open: callers get one of those.
            if all(is_closed_by_peer(connection) for connection in self._valid):
                is_certain = isinstance(error, psycopg.errors.ConnectionTimeout) or is_read_only(error)
                self._record_failure(error, is_certain=is_certain)
            raise
        return connection

    def _is_shared(self, error: psycopg.Error) -> bool:
        """Whether the session lacks what it was given, so that a pooler must be between that looks like a server."""
        is_shared = isinstance(error, psycopg.errors.InvalidSqlStatementName)
        if is_shared:
            self._may_be_direct = False
            self._invalidate_all()
        return is_shared

    @property
    def _opened(self) -> AsyncConnectionPool[Connection]:
        if self._pool is None:
            raise AssertionError("open() comes first")
        return self._pool

    async def _acquire(self) -> Connection:
        if self._breaker.state is not State.CLOSED and not self._breaker.try_half_open():
            raise unavailable(self._cause) from self._cause
        try:
            async with asyncio.timeout(None) as wait:
                self._waits.add(wait)
                try:
                    return await self._next_valid(wait)
                finally:
                    self._waits.discard(wait)
        except (TimeoutError, psycopg.Error) as error:
            cause = error if self._breaker.state is State.CLOSED else self._cause or error
            raise unavailable(cause) from cause

    async def _next_valid(self, wait: asyncio.Timeout) -> Connection:
        for _ in range(self._size + 1):
            connection = await self._opened.getconn()
            if connection in self._valid and not has_unsolicited_input(connection):
                return connection
            await connection.close()
            await self._opened.putconn(connection)
            if wait.expired():  # Python 3.11 may lose a cancellation that coincides with a result
                raise TimeoutError
        raise MetadataUnavailable("The metadata store closes each connection at once.")

    async def _execute_in_time(self, connection: Connection, message: Message, *, seconds: float = 0) -> Answer:
        # Not by `asyncio.timeout`: when cancelled, the driver asks the server to cancel, and waits for its answer.
        timer = asyncio.get_running_loop().call_later(
            seconds + self._answer_timeout_seconds, self._time_out, connection
        )
        try:
            return await connection.send(message)
        finally:
            timer.cancel()

    def _time_out(self, connection: Connection) -> None:
        # The other connections lead to the same silent server; to try each would take as long again. A connection from
        # before the pool was emptied says nothing about the server behind the address now.
        if self._invalidate_with(connection):
            self._record_failure(TimeoutError("no answer in time"), is_certain=True)
        abort(connection)

    def _invalidate_with(self, connection: Connection) -> bool:
        """Empty the pool because of `connection`, unless this has been done since it was made."""
        is_valid = connection in self._valid
        if is_valid:
            self._invalidate_all()
        return is_valid

    def _invalidate_all(self) -> None:
        """Empty the pool: idle connections are aborted now, the others are closed on release."""
        invalid, self._valid = self._valid, WeakSet()
        for connection in invalid:
            if connection.pgconn.transaction_status == TransactionStatus.IDLE:
                abort(connection)

    def _record_failure(self, cause: BaseException, *, is_certain: bool) -> None:
        if self._breaker.record_failure(cause, is_certain=is_certain):
            self._cause = cause.with_traceback(None)
            waits, self._waits = self._waits, set()
            for wait in waits:
                wait.reschedule(0)
