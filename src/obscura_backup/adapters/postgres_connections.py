"""Connections to PostgreSQL: a bounded pool that fails at once while the server is down and finds out when it is back.

Nothing outlives a transaction on a connection, so that a pooler in transaction mode (PgBouncer) may stand between: no
prepared statements, no session settings, and several statements go out as one message of the simple protocol. That
message is one round trip, as a pipeline would be, and costs both sides less.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self, TypeAlias
from weakref import WeakSet

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from obscura_backup.adapters.postgres_outage import Outage
from obscura_backup.domain.errors import MetadataUnavailable, StoreUnusable

if TYPE_CHECKING:
    from collections.abc import Mapping

Connection: TypeAlias = psycopg.AsyncConnection[TupleRow]
Cursor: TypeAlias = psycopg.AsyncCursor[TupleRow]

CONNECTS_PER_OUTAGE = 2
"""Failed in a row: one alone may be the last word of a server that is up again. The pool tries again at once."""
LIFETIME_SECONDS = 30 * 60.0
"""After which a connection is replaced, so that a fleet follows a move of the server or its name."""

_OPEN_TRANSACTION = (TransactionStatus.INTRANS, TransactionStatus.INERROR)


def parameters(url: str, *, connect_timeout_seconds: int) -> dict[str, Any]:
    """The connection parameters of a URL; what it leaves open is chosen so that a dead network is noticed.

    Raises:
        StoreUnusable: it is not a PostgreSQL URL.
    """
    given = _read(url)
    if given is None:
        # Without a cause: libpq quotes the piece that it stumbles on, and that piece may be the password.
        raise StoreUnusable(
            "The metadata URL is not a valid PostgreSQL URL. In a password, @ : / ? # and % must be percent-encoded."
        )
    return {
        "connect_timeout": connect_timeout_seconds,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
        "application_name": "obscura-backup",
        "client_encoding": "utf-8",
        **given,
    }


def _read(url: str) -> dict[str, Any] | None:
    try:
        given = conninfo_to_dict(url)
    except psycopg.Error:
        return None
    # In a URL with a bare @ or / in its password, libpq takes the rest of it for a host, port or database, which errors
    # quote.
    login, _, _ = url.partition("//")[2].partition("?")[0].rpartition("@")
    ports = str(given.get("port") or "").split(",")
    sound = (
        not {"@", "/"} & set(login)
        and "@" not in f"{given.get('host')}{given.get('dbname')}"
        and all(port.isdecimal() or not port for port in ports)
    )
    return given if sound else None


class Connections:
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
        self._made: WeakSet[Connection] = WeakSet()
        self._patience: set[asyncio.Timeout] = set()

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
                lost = connection.closed
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
        # `asyncio.timeout` would not do: on cancellation the driver asks the server to cancel, and waits for its word.
        guard = asyncio.get_running_loop().call_later(
            seconds + self._answer_timeout_seconds, self._give_up_on, connection
        )
        try:
            cursor = await connection.execute(query.encode(), values)
        except psycopg.Error:
            if not connection.closed:
                self._outage.end()
            raise
        finally:
            guard.cancel()
        self._outage.end()
        return cursor

    async def release(self, connection: Connection) -> None:
        """Give a connection back, rolling back what is open on it; one in an unclear state is closed instead."""
        try:
            if connection.pgconn.transaction_status in _OPEN_TRANSACTION:
                with suppress(psycopg.Error):  # then it is lost, and its transaction with it
                    await self.ask(connection, "ROLLBACK")
        finally:
            if connection.pgconn.transaction_status != TransactionStatus.IDLE:
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
            async with asyncio.timeout(None) as patience:
                self._patience.add(patience)
                try:
                    connection = await self._next_alive(patience)
                finally:
                    self._patience.discard(patience)
        except (TimeoutError, psycopg.Error) as error:
            raise MetadataUnavailable from (self._outage.cause or error)
        return connection

    async def _next_alive(self, patience: asyncio.Timeout) -> Connection:
        for _ in range(self._size + 1):
            connection = await self._opened.getconn()
            if not _is_lost(connection):
                return connection
            await connection.close()
            await self._opened.putconn(connection)
            if patience.expired():  # Python 3.11 may lose a cancellation that meets a result, here a dead connection
                raise TimeoutError
        raise MetadataUnavailable("The metadata store closes each connection at once.")

    def before_connecting(self) -> None:
        """Raise where the server is known to be down, so that the pool does not knock once for each lost connection."""
        if self._outage.forbids_connecting:
            raise psycopg.OperationalError("not tried: the server was down a moment ago")

    def failed_to_connect(self, error: psycopg.Error) -> None:
        """Learn from it; in an outage whoever waits is told at once."""
        self._failed_connects += 1
        if self._failed_connects < CONNECTS_PER_OUTAGE and not isinstance(error, psycopg.errors.ConnectionTimeout):
            return
        # A server that has no connection to spare is not down while those that we have still work, in use or at rest:
        # whoever waits gets one of them. Those of a server that is gone have all been hung up.
        if all(_is_hung_up(connection) for connection in self._made):
            self._begin_outage(error)

    def connected(self, connection: Connection) -> None:
        """Learn from it; whether the server answers is seen by the first question."""
        self._failed_connects = 0
        self._made.add(connection)

    def _begin_outage(self, cause: BaseException) -> None:
        self._outage.begin(cause)
        waiting, self._patience = self._patience, set()
        for patience in waiting:
            patience.reschedule(0)

    def _give_up_on(self, connection: Connection) -> None:
        self._begin_outage(TimeoutError("no answer in time"))
        if not connection.closed:
            # Hanging up under the driver's hands looks to it like a server that hung up: it cleans up and raises.
            with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as line:
                line.shutdown(socket.SHUT_RDWR)


def _reporting_to(connections: Connections) -> type[Connection]:
    class Reporting(psycopg.AsyncConnection[TupleRow]):
        @classmethod
        async def connect(cls, *args: Any, **kwargs: Any) -> Self:
            connections.before_connecting()
            try:
                connection = await super().connect(*args, **kwargs)
            except psycopg.Error as error:
                connections.failed_to_connect(error)
                raise
            connections.connected(connection)
            return connection

    return Reporting


def _is_hung_up(connection: Connection) -> bool:
    """Whether it is of no use any more; an answer that nobody has read yet does not make it so."""
    if connection.closed:
        return True
    if connection.pgconn.transaction_status != TransactionStatus.ACTIVE:
        return _is_lost(connection)
    poll = select.poll()
    poll.register(connection.fileno(), getattr(select, "POLLRDHUP", 0))  # a Mac tells unasked
    return bool(poll.poll(0))


def _is_lost(connection: Connection) -> bool:
    """Whether there is something to read on a connection that was asked nothing: a server's farewell."""
    if connection.closed:
        return True
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))
