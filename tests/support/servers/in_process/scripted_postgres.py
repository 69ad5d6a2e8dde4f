"""A pool of PostgreSQL connections without a server: each connection answers from a script."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, TypeAlias

import psycopg
from psycopg.pq import TransactionStatus

from obscura_backup.adapters.circuit_breaker import State
from obscura_backup.adapters.postgres.connection import Message, Statement
from obscura_backup.adapters.postgres.pool import ConnectionPool

URL = "postgresql://someone@localhost/db"
LOST = psycopg.OperationalError("the connection is lost")
QUESTION: Message = [(Statement(b"SELECT 1"), ())]
LIMITS = (Statement(b"SELECT set_config('lock_timeout', $1, $2)"), (b"1000", b"true"))
PREPARED = (Statement(b"SELECT 2", b"two"),)
SHUTTING_DOWN = psycopg.errors.AdminShutdown("terminating connection due to administrator command")


class ScriptedConnection:
    """A connection over a pair of sockets.

    Attributes:
        far: the server's end.
        messages: all that were sent.

    Args:
        script: per message what it returns, or raises if it is an exception. `LOST` closes the connection, too. An
            event is waited for, and then the connection is lost.
    """

    def __init__(self, *script: Any) -> None:
        self.near, self.far = socket.socketpair()
        self._script = list(script)
        self.messages: list[Message] = []
        self.closed = False
        self.pgconn = SimpleNamespace(transaction_status=TransactionStatus.IDLE)
        self.info = SimpleNamespace(backend_pid=7)
        self.limits: Any = None
        self.prepared: frozenset[bytes] = frozenset()

    def fileno(self) -> int:
        return self.near.fileno()

    async def send(self, message: Message) -> Any:
        self.messages.append(message)
        answer = self._script.pop(0) if self._script else "answer"
        if isinstance(answer, asyncio.Event):
            await answer.wait()
            answer = LOST
        if answer is LOST:
            self.closed = True
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def close(self) -> None:
        self.closed = True

    @property
    def is_aborted(self) -> bool:
        """Whether the server sees the end of the connection."""
        self.far.setblocking(False)  # noqa: FBT003  # the socket's own
        try:
            return self.far.recv(1) == b""
        except BlockingIOError:
            return False


class ScriptedPool:
    """A `ConnectionPool`, and in place of `psycopg_pool` a list of connections that it made before.

    Args:
        scripts: one per connection.
        size: of the pool.

    Attributes:
        pool: under test.
        connections: all that were made, in order.
        returned: those that were given back.
        used_up: set when a connection is asked for and none is left.
    """

    def __init__(self, *scripts: tuple[Any, ...], size: int = 4) -> None:
        self.pool = ConnectionPool(
            URL,
            limits=LIMITS,
            prepared=PREPARED,
            size=size,
            waiting=8,
            wait_seconds=1,
            connect_timeout_seconds=2,
            answer_timeout_seconds=3,
        )
        self.connections: list[ScriptedConnection] = []
        self.returned: list[ScriptedConnection] = []
        self.used_up = asyncio.Event()
        parts: Any = self.pool
        parts._pool = self
        for script in scripts:
            parts._valid.add(self.new_connection(*script))
        self._free = list(self.connections)

    def new_connection(self, *script: Any) -> Any:
        """A connection that the pool did not make, or made before it was last emptied."""
        connection = ScriptedConnection(*script)
        self.connections.append(connection)
        return connection

    def close_sockets(self) -> None:
        """Close what a test used."""
        for connection in self.connections:
            connection.near.close()
            connection.far.close()

    async def getconn(self) -> ScriptedConnection:
        if not self._free:  # as while `psycopg_pool` connects in vain
            self.used_up.set()
            await asyncio.Event().wait()
        return self._free.pop(0)

    async def putconn(self, connection: ScriptedConnection) -> None:
        self.returned.append(connection)

    @property
    def is_down(self) -> bool:
        """Whether the circuit breaker is open."""
        return self.pool._breaker.state is not State.CLOSED

    def record_outage(self) -> None:
        """As after a failure that is certain."""
        self.pool._record_failure(LOST, is_certain=True)

    async def checkout(self) -> Any:
        return await self.pool.checkout(QUESTION)

    async def execute(self, connection: Any, *, seconds: float = 0) -> Any:
        return await self.pool.execute(connection, QUESTION, seconds=seconds)

    async def release(self, connection: Any) -> None:
        await self.pool.release(connection)

    async def connect(self, *outcomes: Any) -> Any:
        """Let the pool connect.

        Args:
            outcomes: per attempt a connection, or an exception to raise.
        """
        left = iter(outcomes)

        async def connect() -> Any:
            outcome = next(left)
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

        return await self.pool.connect(connect)


MakePool: TypeAlias = Callable[..., ScriptedPool]
"""Makes a pool of one connection per script."""
