"""A locked slot of PostgreSQL: it is saved once, unlocked once, and waited for in bounded time."""

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


class RecordingPool:
    """A pool whose connection gives this answer, or raises it."""

    def __init__(self, answer: Any = None) -> None:
        self._answer = answer
        self.values: list[dict[str, Any]] = []
        self.released: list[object] = []

    async def execute(self, _connection: object, _query: str, values: dict[str, Any]) -> Any:
        self.values.append(values)
        if isinstance(self._answer, BaseException):
            raise self._answer
        return self._answer

    async def checkout(self, _query: str, values: dict[str, Any], *, seconds: float = 0) -> Any:
        self.values.append({**values, "seconds": seconds})
        if isinstance(self._answer, BaseException):
            raise self._answer
        return "connection", self._answer

    async def release(self, connection: object) -> None:
        self.released.append(connection)


def slot(pool: RecordingPool) -> _PostgresSlot:
    given: Any = pool
    connection: Any = "connection"
    return _PostgresSlot(given, connection, USER, None, 2.4)


@pytest.mark.parametrize("insert", ["INSERT 0 1", "INSERT 0 0"])
async def test_slot_is_saved_once_and_its_connection_returned_once(insert: str) -> None:
    pool = RecordingPool(Cursor("SET", insert, "COMMIT"))
    made = slot(pool)
    revision = samples.revision(3)
    await made.save(revision)
    await made.unlock()
    assert pool.released == ["connection"]
    assert {name: pool.values[0][name] for name in ("user_id", "version", "statement_ms")} == {
        "user_id": USER,
        "version": 3,
        "statement_ms": 2400,
    }
    with pytest.raises(AssertionError):
        await made.save(revision)


async def test_unsaved_slot_is_unlocked_once() -> None:
    pool = RecordingPool()
    made = slot(pool)
    await made.unlock()
    await made.unlock()
    assert pool.released == ["connection"]


@pytest.mark.parametrize(
    "messages", [("SET", "INSERT 0 1", "ROLLBACK"), ("SET", "INSERT 0 1"), ("SET", "INSERT 0 2", "COMMIT")]
)
async def test_save_with_an_unexpected_answer_is_an_error(messages: tuple[str, ...]) -> None:
    pool = RecordingPool(Cursor(*messages))
    with pytest.raises(MetadataUnavailable, match="answered a save with"):
        await slot(pool).save(samples.revision(3))
    assert pool.released == ["connection"]


async def test_failed_save_returns_its_connection() -> None:
    failure = psycopg.OperationalError("lost")
    pool = RecordingPool(failure)
    with pytest.raises(MetadataUnavailable) as raised:
        await slot(pool).save(samples.revision(3))
    assert raised.value.__cause__ is failure
    assert pool.released == ["connection"]


@pytest.mark.parametrize(("seconds", "milliseconds"), [(0, 1), (0.0004, 1), (0.0016, 2), (1, 1000), (2.4, 2400)])
def test_time_limit_is_never_zero(seconds: float, milliseconds: int) -> None:
    assert _milliseconds(seconds) == milliseconds


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (psycopg.errors.LockNotAvailable(), SlotBusy),
        (psycopg.errors.DeadlockDetected(), SlotBusy),
        (psycopg.OperationalError(), MetadataUnavailable),
    ],
)
def test_error_of_the_driver_becomes_one_of_the_domain(error: psycopg.Error, kind: type[Exception]) -> None:
    assert type(_domain_error(error)) is kind


async def test_last_of_several_results_counts() -> None:
    cursor: Any = Cursor("SET", "SELECT 1", "SELECT 2", rows=("the last",))
    assert await _last_result(cursor) == ["the last"]
    assert cursor._left == []


def store(pool: RecordingPool, **given: Any) -> PostgresMetadataStore:
    made = PostgresMetadataStore("postgresql://someone@localhost/db", **given)
    made._schema_is_current = True
    scripted: Any = pool
    made._pool = scripted
    return made


async def test_lock_request_carries_its_time_limits() -> None:
    pool = RecordingPool(Cursor("SET", "SELECT"))
    async with store(pool, lock_timeout_seconds=0.5, idle_in_transaction_seconds=7, answer_timeout_seconds=3).locked(
        USER
    ) as held:
        assert held.record is None
    (values,) = pool.values
    assert 0.4 < values["seconds"] <= 0.5
    assert values["lock_ms"] == round(values["seconds"] * 1000)
    assert values["statement_ms"] == round((values["seconds"] + 2.4) * 1000)
    assert values["hold_ms"] == 7000
    assert pool.released == ["connection"]


@pytest.mark.parametrize("lock_seconds", [0.5, 1.0, 2.5])
async def test_busy_lock_is_requested_repeatedly_until_the_deadline(
    monkeypatch: pytest.MonkeyPatch, lock_seconds: float
) -> None:
    pool = RecordingPool(psycopg.errors.LockNotAvailable())
    made = store(pool, lock_timeout_seconds=lock_seconds)
    now = [1000.0]
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now[0])
    enter = made._lock_row

    async def entering(*given: Any) -> Any:
        try:
            return await enter(*given)
        finally:
            now[0] += pool.values[-1]["seconds"]

    monkeypatch.setattr(made, "_lock_row", entering)
    with pytest.raises(SlotBusy):
        await made._lock_row_by(now[0] + lock_seconds, USER)
    turns = [values["seconds"] for values in pool.values]
    assert turns == {0.5: [0.5], 1.0: [1.0], 2.5: [1.0, 1.0, 0.5]}[lock_seconds]
    monkeypatch.undo()


async def test_unreadable_row_returns_its_connection() -> None:
    pool = RecordingPool(Cursor("SET", "SELECT", rows=(("no", "such", "row"),)))
    with pytest.raises(ValueError, match="unpack"):
        await store(pool)._lock_row(USER, 1)
    assert pool.released == ["connection"]


async def test_lock_permits_are_waited_for_in_bounded_time() -> None:
    made = store(RecordingPool(), pool_size=4, pool_wait_seconds=0.02)
    async with made._lock_permit(), made._lock_permit(), made._lock_permit():
        with pytest.raises(SlotBusy):
            async with made._lock_permit():
                pytest.fail("a fourth of the pool is kept for reads")
    async with made._lock_permit():
        pass
