"""A connection to PostgreSQL that sends several statements as one message and gets one answer: one round trip.

This is libpq's pipeline mode without psycopg's cursors, which cost more processor time than all the rest
(docs/decisions/0011).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeAlias, cast

import psycopg
from psycopg import generators
from psycopg.adapt import Transformer
from psycopg.pq import ExecStatus
from psycopg.rows import TupleRow

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from psycopg.abc import PQGen
    from psycopg.pq.abc import PGconn, PGresult


class Statement(NamedTuple):
    """One SQL statement.

    Attributes:
        sql: with `$1`, `$2` for its values.
        name: of the statement where it is prepared; without a name it never is.
    """

    sql: bytes
    name: bytes = b""


Step: TypeAlias = tuple[Statement, tuple[bytes | None, ...]]
"""A statement and its values as text."""
Message: TypeAlias = "Sequence[Step]"
"""Unless one of its steps is BEGIN, a message is a transaction."""


class Answer(NamedTuple):
    """The answer to a message that succeeded.

    Attributes:
        statuses: such as `INSERT 0 1`, one per executed statement.
        rows: of the last statement.
    """

    statuses: list[str]
    rows: list[tuple[Any, ...]]


class Connection(psycopg.AsyncConnection[TupleRow]):
    """The connection. It is always in pipeline mode, so psycopg's own ways to execute do not work.

    Attributes:
        limits: a step that is in effect for the whole session, so that `send` leaves it out.
        prepared: names of the statements that the session has.
    """

    limits: Step | None = None
    prepared: frozenset[bytes] = frozenset()

    @classmethod
    async def connect(cls, *args: Any, **kwargs: Any) -> Self:
        """See `psycopg.AsyncConnection.connect`."""
        connection = await super().connect(*args, **kwargs)
        connection.pgconn.enter_pipeline_mode()
        return connection

    async def send(self, message: Message) -> Answer:
        """Execute the steps in their order. After a failed one, the others are not executed.

        Raises:
            psycopg.Error: of the first failed step, or the connection was lost.
        """
        sent = 0
        for step in message:
            if step == self.limits:
                continue
            (sql, name), values = step
            if name in self.prepared:
                self.pgconn.send_query_prepared(name, values)
            else:
                self.pgconn.send_query_params(sql, values)
            sent += 1
        self.pgconn.pipeline_sync()
        results = await self.wait(_results(self.pgconn, sent))
        for result in results:
            if result.status == ExecStatus.FATAL_ERROR:
                raise psycopg.errors.error_from_result(result)
        return Answer([(result.command_status or b"").decode() for result in results], self._rows(results[-1]))

    def _rows(self, result: PGresult) -> list[tuple[Any, ...]]:
        if not result.ntuples:
            return []
        transformer = Transformer(self)
        transformer.set_pgresult(result)
        return transformer.load_rows(0, result.ntuples, tuple)


def connecting_by(connect: Callable[[Callable[[], Awaitable[Connection]]], Awaitable[Connection]]) -> type[Connection]:
    """The class for `psycopg_pool`, whose connections are made by `connect`. It gets a function that makes one."""

    class Connecting(Connection):
        @classmethod
        async def connect(cls, *args: Any, **kwargs: Any) -> Self:
            plain = super().connect
            return cast("Self", await connect(lambda: plain(*args, **kwargs)))

    return Connecting


def _results(pgconn: PGconn, count: int) -> PQGen[list[PGresult]]:
    yield from generators.send(pgconn)
    results: list[PGresult] = []
    try:
        for _ in range(count):
            results += yield from generators.fetch_many(pgconn)
        yield from generators.fetch_many(pgconn)  # the end of the pipeline
    except psycopg.DatabaseError:
        # A server that ends a session first says why.
        if not any(result.status == ExecStatus.FATAL_ERROR for result in results):
            raise
    return results
