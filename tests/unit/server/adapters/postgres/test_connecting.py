"""How the pool makes a connection: which session it accepts, and which failure is an outage."""

from __future__ import annotations

import logging
from typing import Any

import psycopg
import pytest

from obscura_backup.adapters.postgres import pool as postgres_pool
from obscura_backup.adapters.postgres.connection import Answer, Connection, Statement
from obscura_backup.adapters.postgres.pool import ConnectionPool
from obscura_backup.adapters.postgres.sessions import CHECK_SESSION, MAX_STALE_SESSIONS, ReadOnlyServer
from support.servers.in_process.scripted_postgres import LIMITS, LOST, PREPARED, SHUTTING_DOWN, URL, MakePool
from support.table import table


def session(state: str) -> Answer:
    """The answer to `CHECK_SESSION`."""
    return Answer(["SELECT 1"], [(state,)])


def new_pool() -> ConnectionPool:
    return ConnectionPool(
        URL,
        limits=LIMITS,
        prepared=PREPARED,
        size=4,
        waiting=8,
        wait_seconds=1,
        connect_timeout_seconds=2,
        answer_timeout_seconds=3,
    )


async def test_new_connection_is_checked_and_valid(pool_of: MakePool) -> None:
    scripted = pool_of()
    connection = scripted.new_connection(session("pooled"))
    assert await scripted.connect(connection) is connection
    assert connection.messages == [[(CHECK_SESSION, (b"7",))]]
    assert list(scripted.pool._valid) == [connection]


async def test_session_without_a_pooler_gets_its_limits_and_statements_once(pool_of: MakePool) -> None:
    scripted = pool_of()
    connection = scripted.new_connection(session("direct"))
    assert await scripted.connect(connection) is connection
    (limits, _), (statement, _) = LIMITS, connection.messages[1][1]
    assert connection.messages[1][0] == (limits, (b"1000", b"false"))
    assert statement == Statement(b"PREPARE two AS SELECT 2")
    assert (connection.limits, connection.prepared) == (LIMITS, {b"two"})


async def test_session_of_a_pooler_gets_nothing(pool_of: MakePool) -> None:
    scripted = pool_of()
    connection = await scripted.connect(scripted.new_connection(session("pooled")))
    assert (len(connection.messages), connection.limits, connection.prepared) == (1, None, frozenset())


async def test_session_that_takes_no_statements_is_used_without_them(pool_of: MakePool) -> None:
    scripted = pool_of()
    connection = scripted.new_connection(session("direct"), psycopg.errors.UndefinedTable())
    assert await scripted.connect(connection) is connection
    assert (connection.closed, connection.limits, connection.prepared) == (False, None, frozenset())


async def test_connection_that_is_lost_while_it_is_set_up_is_a_failed_one(pool_of: MakePool) -> None:
    scripted = pool_of()
    with pytest.raises(psycopg.OperationalError):
        await scripted.connect(scripted.new_connection(session("direct"), LOST))


async def test_interrupted_set_up_closes_the_connection(pool_of: MakePool) -> None:
    scripted = pool_of()
    connection = scripted.new_connection(session("direct"), KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        await scripted.connect(connection)
    assert connection.closed


@table("answer", [session("ended: true"), SHUTTING_DOWN])
async def test_stale_session_of_a_pooler_is_replaced(pool_of: MakePool, answer: Any) -> None:
    scripted = pool_of()
    stale, fresh = scripted.new_connection(answer), scripted.new_connection(session("pooled"))
    assert await scripted.connect(stale, fresh) is fresh
    assert (stale.closed, fresh.closed) == (True, False)


async def test_endless_stale_sessions_are_a_read_only_server(pool_of: MakePool) -> None:
    assert MAX_STALE_SESSIONS == 32
    scripted = pool_of()
    for _ in range(33):
        scripted.new_connection(session("ended: true"))
    with pytest.raises(ReadOnlyServer):
        await scripted.connect(*scripted.connections)
    assert [bool(connection.messages) for connection in scripted.connections] == [True] * 32 + [False]


async def test_read_only_server_is_an_outage_at_once(pool_of: MakePool) -> None:
    scripted = pool_of()
    connection, not_used = scripted.new_connection(session("read-only")), scripted.new_connection(session("pooled"))
    with pytest.raises(ReadOnlyServer):
        await scripted.connect(connection, not_used)
    assert (connection.closed, not_used.messages, scripted.is_down) == (True, [], True)


async def test_connection_that_fails_its_check_is_closed(pool_of: MakePool) -> None:
    scripted = pool_of()
    connection = scripted.new_connection(psycopg.errors.UndefinedTable())
    with pytest.raises(psycopg.errors.UndefinedTable):
        await scripted.connect(connection)
    assert connection.closed


@table(("failures", "is_down"), [(1, False), (2, True)])
async def test_two_failures_in_a_row_are_an_outage(pool_of: MakePool, failures: int, *, is_down: bool) -> None:
    scripted = pool_of()
    for _ in range(failures):
        with pytest.raises(psycopg.OperationalError):
            await scripted.connect(psycopg.OperationalError("connection refused"))
    assert scripted.is_down is is_down


async def test_one_timeout_is_an_outage(pool_of: MakePool) -> None:
    scripted = pool_of()
    with pytest.raises(psycopg.errors.ConnectionTimeout):
        await scripted.connect(psycopg.errors.ConnectionTimeout("too slow"))
    assert scripted.is_down


async def test_failure_is_no_outage_while_other_connections_are_open(pool_of: MakePool) -> None:
    scripted = pool_of(())
    with pytest.raises(psycopg.errors.ConnectionTimeout):
        await scripted.connect(psycopg.errors.ConnectionTimeout("too many connections"))
    assert not scripted.is_down


async def test_pool_does_not_connect_while_the_breaker_is_open(pool_of: MakePool) -> None:
    scripted = pool_of()
    connection = scripted.new_connection(session("pooled"))
    scripted.record_outage()
    with pytest.raises(psycopg.OperationalError, match="not tried"):
        await scripted.connect(connection)
    assert connection.messages == []


async def test_pool_connects_for_the_caller_that_tests_the_server(pool_of: MakePool) -> None:
    scripted = pool_of()
    connection = scripted.new_connection(session("pooled"))
    scripted.record_outage()
    scripted.pool._breaker._test_at = 0.0
    assert scripted.pool._breaker.try_half_open()
    assert await scripted.connect(connection) is connection


async def test_pool_is_configured_for_poolers_and_outages(monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {}
    calls: list[str] = []

    class PsycopgPool:
        def __init__(self, **named: Any) -> None:
            options.update(named)

        async def open(self) -> None:
            calls.append("open")

        async def close(self) -> None:
            calls.append("close")

    monkeypatch.setattr(postgres_pool, "AsyncConnectionPool", PsycopgPool)
    pool = new_pool()
    await pool.close()
    await pool.open()
    await pool.close()
    assert calls == ["open", "close"]
    kwargs, connection_class = options.pop("kwargs"), options.pop("connection_class")
    assert issubclass(connection_class, Connection)
    assert options == {
        "min_size": 0,
        "max_size": 4,
        "open": False,
        "timeout": 1,
        "max_waiting": 8,
        "max_lifetime": 1800.0,
        "reconnect_timeout": 0,
    }
    assert (kwargs["autocommit"], kwargs["prepare_threshold"]) == (True, None)
    assert logging.getLogger("psycopg.pool").level == logging.ERROR


async def test_connections_of_psycopg_pool_are_made_by_the_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    async def connect(_pool: ConnectionPool, _connect: Any) -> str:
        return "made by the pool"

    monkeypatch.setattr(ConnectionPool, "connect", connect)
    pool = new_pool()
    await pool.open()
    made: Any = await pool._opened.connection_class.connect(URL)
    assert made == "made by the pool"
    await pool.close()
