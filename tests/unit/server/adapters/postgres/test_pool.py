"""The pool of connections: what it keeps, replaces and closes, and how long an operation waits for one."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from obscura_backup.adapters.postgres.connection import Answer
from obscura_backup.adapters.postgres.sessions import END_SESSION, ROLLBACK, ReadOnlyServer
from obscura_backup.domain.errors import MetadataUnavailable
from support.servers.in_process.scripted_postgres import LOST, QUESTION, SHUTTING_DOWN, MakePool
from support.table import table

if TYPE_CHECKING:
    from obscura_backup.adapters.postgres.connection import Message
    from support.servers.in_process.scripted_postgres import ScriptedPool

NO_TABLE = psycopg.errors.UndefinedTable("no such table")


async def used_up(scripted: ScriptedPool) -> None:
    """Check out until there is no connection left; `psycopg_pool` would connect again."""
    checkout = asyncio.create_task(scripted.checkout())
    await scripted.used_up.wait()
    checkout.cancel()
    with pytest.raises(asyncio.CancelledError):
        await checkout


async def test_checkout_gives_a_connection_and_its_answer(pool_of: MakePool) -> None:
    scripted = pool_of(("answer",))
    assert await scripted.checkout() == (scripted.connections[0], "answer")
    assert scripted.returned == []


async def test_query_is_sent_again_after_a_lost_connection(pool_of: MakePool) -> None:
    scripted = pool_of((LOST,), ("answer",))
    assert await scripted.checkout() == (scripted.connections[1], "answer")
    assert scripted.returned == scripted.connections[:1]
    assert not scripted.is_down


async def test_two_lost_connections_are_an_outage(pool_of: MakePool) -> None:
    scripted = pool_of((LOST,), (LOST,), ("not used",))
    with pytest.raises(psycopg.OperationalError):
        await scripted.checkout()
    assert scripted.is_down
    assert scripted.returned == scripted.connections[:2]
    assert scripted.connections[2].messages == []


async def test_query_is_not_sent_again_during_an_outage(pool_of: MakePool, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted = pool_of((LOST,), ("not used",))
    acquire = scripted.pool._acquire

    async def acquire_as_an_outage_begins() -> Any:
        connection = await acquire()
        scripted.record_outage()
        return connection

    monkeypatch.setattr(scripted.pool, "_acquire", acquire_as_an_outage_begins)
    with pytest.raises(psycopg.OperationalError):
        await scripted.checkout()
    assert scripted.connections[1].messages == []


async def test_query_is_not_sent_again_after_an_error_of_the_server(pool_of: MakePool) -> None:
    scripted = pool_of((NO_TABLE,), ("not used",))
    with pytest.raises(psycopg.errors.UndefinedTable):
        await scripted.checkout()
    assert scripted.returned == scripted.connections[:1]
    assert not scripted.connections[0].closed
    assert not scripted.is_down


async def test_read_only_session_is_ended_and_the_other_connections_are_not_used(pool_of: MakePool) -> None:
    scripted = pool_of((ReadOnlyServer(),), ("not used",))
    await used_up(scripted)
    ended, other = scripted.connections
    assert (ended.messages, ended.closed) == ([QUESTION, END_SESSION], True)
    assert (other.messages, other.closed) == ([], True)
    assert scripted.returned == [ended, other]


async def test_pooler_that_looks_like_a_server_is_noticed(pool_of: MakePool) -> None:
    """Another of its sessions lacks the prepared statement. From then on, connections are used as a pooler's."""
    scripted = pool_of((psycopg.errors.InvalidSqlStatementName(),), ("not used",))
    await used_up(scripted)
    assert [connection.closed for connection in scripted.connections] == [True, True]
    assert not scripted.is_down
    next_one = await scripted.connect(scripted.new_connection(Answer(["SELECT 1"], [("direct",)])))
    assert (len(next_one.messages), next_one.prepared) == (1, frozenset())


async def test_interrupted_query_returns_its_connection(pool_of: MakePool) -> None:
    scripted = pool_of((KeyboardInterrupt(),))
    with pytest.raises(KeyboardInterrupt):
        await scripted.checkout()
    assert scripted.returned == scripted.connections


@table("error", [SHUTTING_DOWN, ReadOnlyServer()])
async def test_error_that_affects_all_connections_empties_the_pool(pool_of: MakePool, error: Exception) -> None:
    scripted = pool_of((error,), ())
    with pytest.raises(psycopg.Error):
        await scripted.execute(scripted.connections[0])
    assert scripted.connections[1].is_aborted
    assert list(scripted.pool._valid) == []


async def test_such_an_error_on_an_earlier_connection_keeps_the_pool(pool_of: MakePool) -> None:
    scripted = pool_of(())
    with pytest.raises(psycopg.Error):
        await scripted.execute(scripted.new_connection(SHUTTING_DOWN))
    assert not scripted.connections[0].is_aborted


@table(("answer", "ends"), [("answer", True), (NO_TABLE, True), (LOST, False)])
async def test_any_answer_ends_an_outage(pool_of: MakePool, answer: Any, *, ends: bool) -> None:
    scripted = pool_of()
    scripted.record_outage()
    with suppress(psycopg.Error):
        await scripted.execute(scripted.new_connection(answer))
    assert scripted.is_down is not ends


async def test_silent_server_is_an_outage_and_its_connections_are_aborted(pool_of: MakePool) -> None:
    silence = asyncio.Event()
    scripted = pool_of((silence,), ())
    scripted.pool._answer_timeout_seconds = 0.01
    executing = asyncio.create_task(scripted.execute(scripted.connections[0], seconds=0.01))
    await asyncio.sleep(0.1)
    assert [connection.is_aborted for connection in scripted.connections] == [True, True]
    assert scripted.is_down
    silence.set()
    with pytest.raises(psycopg.OperationalError):
        await executing


async def test_silence_on_an_earlier_connection_is_no_outage(pool_of: MakePool) -> None:
    silence = asyncio.Event()
    scripted = pool_of(())
    scripted.pool._answer_timeout_seconds = 0.01
    earlier = scripted.new_connection(silence)
    executing = asyncio.create_task(scripted.execute(earlier))
    await asyncio.sleep(0.1)
    assert (earlier.is_aborted, scripted.connections[0].is_aborted, scripted.is_down) == (True, False, False)
    silence.set()
    with pytest.raises(psycopg.OperationalError):
        await executing


async def test_connection_is_not_aborted_after_an_answer_in_time(pool_of: MakePool) -> None:
    scripted = pool_of(("answer",))
    scripted.pool._answer_timeout_seconds = 0.01
    await scripted.execute(scripted.connections[0])
    await asyncio.sleep(0.05)
    assert not scripted.connections[0].is_aborted


@table(
    ("status", "messages", "closed"),
    [
        (TransactionStatus.IDLE, [], False),
        (TransactionStatus.INTRANS, [ROLLBACK], True),
        (TransactionStatus.INERROR, [ROLLBACK], True),
        (TransactionStatus.ACTIVE, [], True),
        (TransactionStatus.UNKNOWN, [], True),
    ],
)
async def test_connection_is_returned_idle_or_closed(
    pool_of: MakePool, status: TransactionStatus, messages: list[Message], *, closed: bool
) -> None:
    """The scripted server never rolls back, so that the state stays."""
    scripted = pool_of(())
    (connection,) = scripted.connections
    connection.pgconn.transaction_status = status
    await scripted.release(connection)
    assert (connection.messages, connection.closed, scripted.returned) == (messages, closed, [connection])


async def test_connection_lost_during_its_rollback_is_returned(pool_of: MakePool) -> None:
    scripted = pool_of((LOST,))
    scripted.connections[0].pgconn.transaction_status = TransactionStatus.INTRANS
    await scripted.release(scripted.connections[0])
    assert scripted.returned == scripted.connections


async def test_connection_from_before_the_pool_was_emptied_is_closed_on_release(pool_of: MakePool) -> None:
    scripted = pool_of(())
    scripted.pool._invalidate_all()
    await scripted.release(scripted.connections[0])
    assert scripted.connections[0].closed


async def test_emptying_the_pool_does_not_abort_a_connection_in_use(pool_of: MakePool) -> None:
    scripted = pool_of(())
    scripted.connections[0].pgconn.transaction_status = TransactionStatus.ACTIVE
    scripted.pool._invalidate_all()
    assert not scripted.connections[0].is_aborted


async def test_reported_read_only_session_empties_the_pool_and_is_an_outage(pool_of: MakePool) -> None:
    scripted = pool_of(())
    assert str(scripted.pool.report_read_only()) == "The metadata database is read-only."
    assert (scripted.is_down, scripted.connections[0].is_aborted) == (True, True)


async def test_one_caller_tests_the_server_and_its_answer_ends_the_outage(pool_of: MakePool) -> None:
    scripted = pool_of(("answer",))
    scripted.record_outage()
    scripted.pool._breaker._test_at = 0.0
    assert await scripted.checkout() == (scripted.connections[0], "answer")
    assert not scripted.is_down


async def test_connection_closed_by_the_server_is_skipped(pool_of: MakePool) -> None:
    scripted = pool_of((), ("answer",))
    closed, good = scripted.connections
    closed.far.close()
    assert (await scripted.checkout())[0] is good
    assert (closed.closed, scripted.returned) == (True, [closed])


async def test_server_that_closes_each_connection_is_named(pool_of: MakePool) -> None:
    scripted = pool_of(*[()] * 5, size=4)
    for connection in scripted.connections:
        connection.far.close()
    with pytest.raises(MetadataUnavailable, match="closes each connection at once"):
        await scripted.checkout()
    assert scripted.returned == scripted.connections


async def test_caller_whose_time_is_over_takes_no_further_connection(pool_of: MakePool) -> None:
    scripted = pool_of((), ("not used",))
    scripted.connections[0].far.close()
    wait: Any = SimpleNamespace(expired=lambda: True)
    with pytest.raises(TimeoutError):
        await scripted.pool._next_valid(wait)
    assert scripted.returned == scripted.connections[:1]


async def test_callers_fail_at_once_when_an_outage_begins_and_while_it_lasts(pool_of: MakePool) -> None:
    scripted = pool_of()
    waiting = [asyncio.create_task(scripted.checkout()) for _ in range(3)]
    await asyncio.sleep(0)
    scripted.record_outage()
    for failure in await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 1):
        assert isinstance(failure, MetadataUnavailable)
        assert failure.__cause__ is LOST
    with pytest.raises(MetadataUnavailable) as raised:
        await asyncio.wait_for(scripted.checkout(), 1)
    assert raised.value.__cause__ is LOST


async def test_kept_cause_of_an_outage_is_the_latest_and_holds_no_frames(pool_of: MakePool) -> None:
    scripted = pool_of()
    scripted.record_outage()
    with pytest.raises(psycopg.OperationalError) as latest:
        raise psycopg.OperationalError("kept for hours")
    assert latest.value.__traceback__ is not None
    scripted.pool._record_failure(latest.value, is_certain=True)
    assert scripted.pool._cause is latest.value
    assert latest.value.__traceback__ is None
