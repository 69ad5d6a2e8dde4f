"""The pool of connections to PostgreSQL over scripted ones: what is asked again, given up, emptied and told at once."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from obscura_backup.adapters.postgres import pool as postgres_connections
from obscura_backup.adapters.postgres.pool import ConnectionPool
from obscura_backup.adapters.postgres.sessions import CHECK_SESSION, END_SESSION, ReadOnlyServer
from obscura_backup.domain.errors import MetadataUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

URL = "postgresql://someone@localhost/db"
LOST = psycopg.OperationalError("the connection is lost")
SHUTTING_DOWN = psycopg.errors.AdminShutdown("terminating connection due to administrator command")


class Line:
    """A connection, with an end for the server; answers from its script, or fails as it says."""

    def __init__(self, *script: Any) -> None:
        self.near, self.far = socket.socketpair()
        self.script = list(script)
        self.asked: list[str] = []
        self.closed = False
        self.pgconn = SimpleNamespace(transaction_status=TransactionStatus.IDLE)
        self.info = SimpleNamespace(backend_pid=7)

    def fileno(self) -> int:
        return self.near.fileno()

    async def execute(self, query: bytes, values: Any = None) -> Any:
        del values
        self.asked.append(query.decode())
        answer = self.script.pop(0) if self.script else "answer"
        if answer is LOST:
            self.closed = True
        if isinstance(answer, asyncio.Event):
            await answer.wait()
            raise LOST
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def close(self) -> None:
        self.closed = True

    @property
    def is_closed_by_peer(self) -> bool:
        self.far.setblocking(False)  # noqa: FBT003 - the socket's own
        try:
            return self.far.recv(1) == b""
        except BlockingIOError:
            return False

    def end(self) -> None:
        self.near.close()
        self.far.close()


class Pool:
    """Gives out these connections in turn, each of which was made by the pool itself."""

    def __init__(self, *lines: Line) -> None:
        self.lines = list(lines)
        self.back: list[Line] = []

    async def getconn(self) -> Line:
        if not self.lines:
            await asyncio.Event().wait()
        return self.lines.pop(0)

    async def putconn(self, line: Line) -> None:
        self.back.append(line)


class Server:
    """ConnectionPool over such a pool."""

    def __init__(self, *lines: Line, size: int = 4) -> None:
        self.lines = lines
        self.connections = ConnectionPool(
            URL, size=size, waiting=8, wait_seconds=1, connect_timeout_seconds=2, answer_timeout_seconds=3
        )
        self.pool = Pool(*lines)
        pool: Any = self.pool
        self.connections._pool = pool
        for line in lines:
            self.trust(line)

    def trust(self, line: Line) -> None:
        made: Any = line
        self.connections._verified.add(made)

    @property
    def is_down(self) -> bool:
        return self.connections._outage.cause is not None

    async def begin(self) -> Any:
        return await self.connections.begin("SELECT 1", {})


@pytest.fixture
def lines() -> Iterator[list[Line]]:
    made: list[Line] = []
    yield made
    for line in made:
        line.end()


def server(lines: list[Line], *scripts: tuple[Any, ...], size: int = 4) -> Server:
    lines += [Line(*script) for script in scripts]
    return Server(*lines, size=size)


async def test_a_connection_is_given_out_with_its_answer(lines: list[Line]) -> None:
    made = server(lines, ("answer",))
    assert await made.begin() == (lines[0], "answer")
    assert made.pool.back == []


async def test_a_question_whose_connection_was_lost_is_asked_once_more_on_another(lines: list[Line]) -> None:
    made = server(lines, (LOST,), ("answer",))
    assert await made.begin() == (lines[1], "answer")
    assert made.pool.back == [lines[0]]
    assert not made.is_down


async def test_a_question_whose_connections_were_lost_twice_is_an_outage(lines: list[Line]) -> None:
    made = server(lines, (LOST,), (LOST,), ("never asked",))
    with pytest.raises(psycopg.OperationalError):
        await made.begin()
    assert made.is_down
    assert made.pool.back == lines[:2]
    assert lines[2].asked == []


async def test_an_answer_to_the_one_whose_turn_it_is_ends_an_outage(lines: list[Line]) -> None:
    made = server(lines, ("answer",))
    made.connections._outage.begin(LOST)
    made.connections._outage._quiet_until = 0.0
    assert await made.begin() == (lines[0], "answer")
    assert not made.is_down


async def test_a_connection_that_was_lost_while_nobody_may_connect_is_not_replaced(
    lines: list[Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = server(lines, (LOST,), ("never asked",))
    acquire = made.connections._acquire

    async def acquire_as_an_outage_begins() -> Any:
        connection = await acquire()
        made.connections._outage.begin(LOST)
        return connection

    monkeypatch.setattr(made.connections, "_acquire", acquire_as_an_outage_begins)
    with pytest.raises(psycopg.OperationalError):
        await made.begin()
    assert lines[1].asked == []


async def test_an_answer_that_is_an_error_is_not_asked_again(lines: list[Line]) -> None:
    made = server(lines, (psycopg.errors.UndefinedTable("no such table"),), ("never asked",))
    with pytest.raises(psycopg.errors.UndefinedTable):
        await made.begin()
    assert made.pool.back == [lines[0]]
    assert not lines[0].closed
    assert not made.is_down


async def test_a_read_only_session_is_ended_and_all_the_others_are_distrusted(lines: list[Line]) -> None:
    made = server(lines, (ReadOnlyServer(),), ("answer",))
    lines.append(fresh := Line("answer"))
    made.pool.lines.append(fresh)
    made.trust(fresh)
    begun = asyncio.create_task(made.begin())
    await asyncio.sleep(0)
    begun.cancel()
    with pytest.raises(asyncio.CancelledError):
        await begun
    assert lines[0].asked == ["SELECT 1", END_SESSION]
    assert lines[0].closed


async def test_an_interrupted_question_gives_its_connection_back(lines: list[Line]) -> None:
    made = server(lines, (KeyboardInterrupt(),))
    with pytest.raises(KeyboardInterrupt):
        await made.begin()
    assert made.pool.back == lines


@pytest.mark.parametrize("error", [SHUTTING_DOWN, ReadOnlyServer()])
async def test_an_error_that_concerns_all_connections_empties_the_pool(lines: list[Line], error: Exception) -> None:
    made = server(lines, (error,), ("answer",))
    asked: Any = lines[0]
    with pytest.raises(psycopg.Error):
        await made.connections.ask(asked, "SELECT 1")
    assert lines[1].is_closed_by_peer
    assert list(made.connections._verified) == []


async def test_such_an_error_on_a_connection_from_before_leaves_the_new_ones_alone(lines: list[Line]) -> None:
    made = server(lines, ("answer",))
    lines.append(old := Line(SHUTTING_DOWN))
    asked: Any = old
    with pytest.raises(psycopg.Error):
        await made.connections.ask(asked, "SELECT 1")
    assert not lines[0].is_closed_by_peer


async def test_any_answer_ends_an_outage_and_a_lost_connection_does_not(lines: list[Line]) -> None:
    for script, ends in ((("answer",), True), ((psycopg.errors.UndefinedTable(),), True), ((LOST,), False)):
        made = Server()
        made.connections._outage.begin(LOST)
        lines.append(line := Line(*script))
        asked: Any = line
        with suppress(psycopg.Error):
            await made.connections.ask(asked, "SELECT 1")
        assert made.is_down is not ends


async def test_a_server_that_says_nothing_is_hung_up_on_and_is_down(lines: list[Line]) -> None:
    silence = asyncio.Event()
    made = server(lines, (silence,), ("answer",))
    made.connections._answer_timeout_seconds = 0.01
    asked: Any = lines[0]
    asking = asyncio.create_task(made.connections.ask(asked, "SELECT 1", seconds=0.01))
    await asyncio.sleep(0.1)
    assert lines[0].is_closed_by_peer
    assert lines[1].is_closed_by_peer
    assert made.is_down
    silence.set()
    with pytest.raises(psycopg.OperationalError):
        await asking


async def test_an_answer_in_time_leaves_the_connection_alone(lines: list[Line]) -> None:
    made = server(lines, ("answer",))
    made.connections._answer_timeout_seconds = 0.01
    asked: Any = lines[0]
    await made.connections.ask(asked, "SELECT 1")
    await asyncio.sleep(0.05)
    assert not lines[0].is_closed_by_peer


@pytest.mark.parametrize(
    ("status", "asked", "closed"),
    [
        (TransactionStatus.IDLE, [], False),
        (TransactionStatus.INTRANS, ["ROLLBACK"], True),
        (TransactionStatus.INERROR, ["ROLLBACK"], True),
        (TransactionStatus.ACTIVE, [], True),
        (TransactionStatus.UNKNOWN, [], True),
    ],
)
async def test_a_connection_is_given_back_clean_or_closed(
    lines: list[Line], status: TransactionStatus, asked: list[str], *, closed: bool
) -> None:
    """Here the server does not roll back, whatever it says."""
    made = server(lines, ())
    lines[0].pgconn.transaction_status = status
    given: Any = lines[0]
    await made.connections.release(given)
    assert (lines[0].asked, lines[0].closed, made.pool.back) == (asked, closed, lines)


async def test_a_connection_that_is_lost_in_its_rollback_is_given_back_all_the_same(lines: list[Line]) -> None:
    made = server(lines, (LOST,))
    lines[0].pgconn.transaction_status = TransactionStatus.INTRANS
    given: Any = lines[0]
    await made.connections.release(given)
    assert made.pool.back == lines


async def test_a_connection_from_before_the_pool_was_emptied_is_closed(lines: list[Line]) -> None:
    made = server(lines, ())
    made.connections._invalidate_all()
    given: Any = lines[0]
    await made.connections.release(given)
    assert lines[0].closed


async def test_a_connection_that_the_server_left_is_passed_over(lines: list[Line]) -> None:
    made = server(lines, (), ("answer",))
    lines[0].far.close()
    assert (await made.begin())[0] is lines[1]
    assert (lines[0].closed, made.pool.back) == (True, [lines[0]])


async def test_a_server_that_leaves_every_connection_is_told(lines: list[Line]) -> None:
    made = server(lines, *[()] * 5, size=4)
    for line in lines:
        line.far.close()
    with pytest.raises(MetadataUnavailable, match="closes each connection at once"):
        await made.begin()
    assert made.pool.back == lines


async def test_one_whose_patience_ended_with_a_dead_connection_waits_for_no_other(lines: list[Line]) -> None:
    made = server(lines, (), ("never asked",))
    lines[0].far.close()
    ended: Any = SimpleNamespace(expired=lambda: True)
    with pytest.raises(TimeoutError):
        await made.connections._next_alive(ended)
    assert made.pool.back == [lines[0]]


async def test_those_who_wait_for_a_connection_are_told_when_an_outage_begins() -> None:
    made = Server()
    waiting = [asyncio.create_task(made.begin()) for _ in range(3)]
    await asyncio.sleep(0)
    made.connections._begin_outage(LOST)
    for ended in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(ended, MetadataUnavailable)
        assert ended.__cause__ is not None
    with pytest.raises(MetadataUnavailable):
        await asyncio.wait_for(made.begin(), 1)


async def made_by(server_: Server, *lines: Line) -> Any:
    left = list(lines)

    async def connect() -> Any:
        line: Any = left.pop(0)
        if isinstance(line, BaseException):
            raise line
        return line

    return await server_.connections.make(connect)


def cursor(state: str) -> Any:
    async def fetchall() -> list[tuple[str]]:
        return [(state,)]

    return SimpleNamespace(fetchall=fetchall)


async def test_a_new_connection_is_examined_and_trusted(lines: list[Line]) -> None:
    lines.append(Line(cursor("writable")))
    made = Server()
    made.connections._failed_connects = 1
    assert await made_by(made, *lines) is lines[0]
    assert lines[0].asked == [CHECK_SESSION]
    assert [id(each) for each in made.connections._verified] == [id(lines[0])]
    assert made.connections._failed_connects == 0


@pytest.mark.parametrize("stale", ["ended: true", SHUTTING_DOWN])
async def test_a_stale_session_of_a_pooler_is_left_for_another(lines: list[Line], stale: Any) -> None:
    lines += [Line(stale if isinstance(stale, Exception) else cursor(stale)), Line(cursor("writable"))]
    assert await made_by(Server(), *lines) is lines[1]
    assert (lines[0].closed, lines[1].closed) == (True, False)


async def test_stale_sessions_without_end_are_a_read_only_server(lines: list[Line]) -> None:
    lines += [Line(cursor("ended: true")) for _ in range(33)]
    with pytest.raises(ReadOnlyServer):
        await made_by(Server(), *lines)
    assert [bool(line.asked) for line in lines] == [True] * 32 + [False]


async def test_a_server_that_only_reads_is_an_outage_at_once(lines: list[Line]) -> None:
    lines += [Line(cursor("read-only")), Line(cursor("writable"))]
    made = Server()
    with pytest.raises(ReadOnlyServer):
        await made_by(made, *lines)
    assert (lines[0].closed, lines[1].asked, made.is_down) == (True, [], True)


async def test_a_connection_that_breaks_while_it_is_examined_is_closed(lines: list[Line]) -> None:
    lines.append(Line(psycopg.errors.UndefinedTable()))
    with pytest.raises(psycopg.errors.UndefinedTable):
        await made_by(Server(), *lines)
    assert lines[0].closed


@pytest.mark.parametrize(("failures", "is_down"), [(1, False), (2, True)])
async def test_two_failed_connections_in_a_row_are_an_outage(failures: int, *, is_down: bool) -> None:
    made = Server()
    failed: Any = psycopg.OperationalError("connection refused")
    for _ in range(failures):
        with pytest.raises(psycopg.OperationalError):
            await made_by(made, failed)
    assert made.is_down is is_down


async def test_one_connection_that_timed_out_is_an_outage() -> None:
    made = Server()
    failed: Any = psycopg.errors.ConnectionTimeout("too slow")
    with pytest.raises(psycopg.errors.ConnectionTimeout):
        await made_by(made, failed)
    assert made.is_down


async def test_a_server_without_a_connection_to_spare_is_not_down_while_others_work(lines: list[Line]) -> None:
    made = server(lines, ())
    failed: Any = psycopg.errors.ConnectionTimeout("too many")
    with pytest.raises(psycopg.errors.ConnectionTimeout):
        await made_by(made, failed)
    assert not made.is_down


async def test_nobody_connects_to_a_server_that_was_down_a_moment_ago(lines: list[Line]) -> None:
    lines.append(Line(cursor("writable")))
    made = Server()
    made.connections._outage.begin(LOST)
    with pytest.raises(psycopg.OperationalError, match="not tried"):
        await made_by(made, *lines)
    assert lines[0].asked == []


async def test_a_session_that_turns_out_read_only_empties_the_pool_and_is_an_outage(lines: list[Line]) -> None:
    made = server(lines, ())
    assert str(made.connections.report_read_only()) == "The metadata database is read-only."
    assert (made.is_down, lines[0].is_closed_by_peer) == (True, True)


async def test_a_connection_in_use_is_not_hung_up_when_the_pool_is_emptied(lines: list[Line]) -> None:
    made = server(lines, ())
    lines[0].pgconn.transaction_status = TransactionStatus.ACTIVE
    made.connections._invalidate_all()
    assert not lines[0].is_closed_by_peer


async def test_the_pool_is_set_up_for_a_pooler_and_for_outages(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}

    class Opened:
        def __init__(self, **named: Any) -> None:
            given.update(named)

        async def open(self) -> None:
            given["opened"] = True

        async def close(self) -> None:
            given["closed"] = True

    monkeypatch.setattr(postgres_connections, "AsyncConnectionPool", Opened)
    made = Server().connections
    made._pool = None
    await made.close()
    await made.open()
    await made.close()
    kwargs = given.pop("kwargs")
    assert given.pop("connection_class").__name__ == "Reporting"
    assert given == {
        "min_size": 0,
        "max_size": 4,
        "open": False,
        "timeout": 1,
        "max_waiting": 8,
        "max_lifetime": 1800.0,
        "reconnect_timeout": 0,
        "opened": True,
        "closed": True,
    }
    assert (kwargs["autocommit"], kwargs["prepare_threshold"]) == (True, None)
    assert kwargs["cursor_factory"] is psycopg.AsyncClientCursor
    assert logging.getLogger("psycopg.pool").level == logging.ERROR
