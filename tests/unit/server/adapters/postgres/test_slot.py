"""A locked slot of PostgreSQL: saved once, let go of once, and waited for no longer than told."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest

from contracts import samples
from obscura_backup.adapters.postgres.store import (
    PostgresMetadataStore,
    _domain_error,
    _last_result,
    _milliseconds,
    _PostgresSlot,
)
from obscura_backup.domain.errors import MetadataUnavailable, SlotBusy

USER = samples.user(1)


class Cursor:
    """Several results of one message."""

    def __init__(self, *messages: str, rows: tuple[Any, ...] = ()) -> None:
        self._left = list(messages)
        self._rows = rows

    @property
    def statusmessage(self) -> str:
        return self._left[0]

    def nextset(self) -> bool:
        self._left = self._left[1:]
        return bool(self._left)

    async def fetchall(self) -> list[Any]:
        return list(self._rows)


class Connections:
    """Answers with this, or fails."""

    def __init__(self, answer: Any = None) -> None:
        self._answer = answer
        self.asked: list[dict[str, Any]] = []
        self.released: list[object] = []

    async def ask(self, _connection: object, _query: str, values: dict[str, Any]) -> Any:
        self.asked.append(values)
        if isinstance(self._answer, BaseException):
            raise self._answer
        return self._answer

    async def begin(self, _query: str, values: dict[str, Any], *, seconds: float = 0) -> Any:
        self.asked.append({**values, "seconds": seconds})
        if isinstance(self._answer, BaseException):
            raise self._answer
        return "connection", self._answer

    async def release(self, connection: object) -> None:
        self.released.append(connection)


def slot(connections: Connections) -> _PostgresSlot:
    given: Any = connections
    connection: Any = "connection"
    return _PostgresSlot(given, connection, USER, None, 2.4)


@pytest.mark.parametrize("insert", ["INSERT 0 1", "INSERT 0 0"])
async def test_a_slot_is_saved_once_and_its_connection_given_back_once(insert: str) -> None:
    connections = Connections(Cursor("SET", insert, "COMMIT"))
    made = slot(connections)
    revision = samples.revision(3)
    await made.save(revision)
    await made.unlock()
    assert connections.released == ["connection"]
    assert {name: connections.asked[0][name] for name in ("user_id", "version", "statement_ms")} == {
        "user_id": USER,
        "version": 3,
        "statement_ms": 2400,
    }
    with pytest.raises(AssertionError):
        await made.save(revision)


async def test_a_slot_that_was_not_saved_is_let_go_of_once() -> None:
    connections = Connections()
    made = slot(connections)
    await made.unlock()
    await made.unlock()
    assert connections.released == ["connection"]


@pytest.mark.parametrize(
    "messages", [("SET", "INSERT 0 1", "ROLLBACK"), ("SET", "INSERT 0 1"), ("SET", "INSERT 0 2", "COMMIT")]
)
async def test_a_save_that_did_not_go_as_it_should_is_told(messages: tuple[str, ...]) -> None:
    connections = Connections(Cursor(*messages))
    with pytest.raises(MetadataUnavailable, match="answered a save with"):
        await slot(connections).save(samples.revision(3))
    assert connections.released == ["connection"]


async def test_a_save_that_fails_gives_its_connection_back() -> None:
    failure = psycopg.OperationalError("lost")
    connections = Connections(failure)
    with pytest.raises(MetadataUnavailable) as told:
        await slot(connections).save(samples.revision(3))
    assert told.value.__cause__ is failure
    assert connections.released == ["connection"]


@pytest.mark.parametrize(("seconds", "milliseconds"), [(0, 1), (0.0004, 1), (0.0016, 2), (1, 1000), (2.4, 2400)])
def test_a_time_limit_is_never_none_at_all(seconds: float, milliseconds: int) -> None:
    assert _milliseconds(seconds) == milliseconds


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (psycopg.errors.LockNotAvailable(), SlotBusy),
        (psycopg.errors.DeadlockDetected(), SlotBusy),
        (psycopg.OperationalError(), MetadataUnavailable),
    ],
)
def test_what_a_failure_means(error: psycopg.Error, kind: type[Exception]) -> None:
    assert type(_domain_error(error)) is kind


async def test_of_several_results_the_last_counts() -> None:
    cursor: Any = Cursor("SET", "SELECT 1", "SELECT 2", rows=("the last",))
    assert await _last_result(cursor) == ["the last"]
    assert cursor._left == []


def store(connections: Connections, **given: Any) -> PostgresMetadataStore:
    made = PostgresMetadataStore("postgresql://someone@localhost/db", **given)
    made._schema_is_current = True
    scripted: Any = connections
    made._connections = scripted
    return made


async def test_a_lock_is_asked_for_with_all_its_times() -> None:
    connections = Connections(Cursor("SET", "SELECT"))
    async with store(
        connections, lock_timeout_seconds=0.5, idle_in_transaction_seconds=7, answer_timeout_seconds=3
    ).locked(USER) as held:
        assert held.record is None
    (asked,) = connections.asked
    assert 0.4 < asked["seconds"] <= 0.5
    assert asked["lock_ms"] == round(asked["seconds"] * 1000)
    assert asked["statement_ms"] == round((asked["seconds"] + 2.4) * 1000)
    assert asked["hold_ms"] == 7000
    assert connections.released == ["connection"]


@pytest.mark.parametrize("lock_seconds", [0.5, 1.0, 2.5])
async def test_a_busy_lock_is_asked_for_in_turns_until_the_time_is_over(
    monkeypatch: pytest.MonkeyPatch, lock_seconds: float
) -> None:
    connections = Connections(psycopg.errors.LockNotAvailable())
    made = store(connections, lock_timeout_seconds=lock_seconds)
    now = [1000.0]
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now[0])
    enter = made._lock_row

    async def entering(*given: Any) -> Any:
        try:
            return await enter(*given)
        finally:
            now[0] += connections.asked[-1]["seconds"]

    monkeypatch.setattr(made, "_lock_row", entering)
    with pytest.raises(SlotBusy):
        await made._lock_row_by(now[0] + lock_seconds, USER)
    turns = [asked["seconds"] for asked in connections.asked]
    assert turns == {0.5: [0.5], 1.0: [1.0], 2.5: [1.0, 1.0, 0.5]}[lock_seconds]
    monkeypatch.undo()


async def test_a_row_that_cannot_be_read_gives_its_connection_back() -> None:
    connections = Connections(Cursor("SET", "SELECT", rows=(("no", "such", "row"),)))
    with pytest.raises(ValueError, match="unpack"):
        await store(connections)._lock_row(USER, 1)
    assert connections.released == ["connection"]


async def test_places_that_are_all_held_are_waited_for_only_so_long() -> None:
    made = store(Connections(), pool_size=4, pool_wait_seconds=0.02)
    async with made._lock_permit(), made._lock_permit(), made._lock_permit():
        with pytest.raises(SlotBusy):
            async with made._lock_permit():
                pytest.fail("a fourth of them is kept for reading")
    async with made._lock_permit():
        pass
