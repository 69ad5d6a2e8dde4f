"""A locked slot of PostgreSQL: it is saved once, unlocked once, and waited for in bounded time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from contracts import samples
from obscura_backup.adapters.postgres.connection import Answer
from obscura_backup.adapters.postgres.rows import values_of
from obscura_backup.adapters.postgres.slot import PostgresSlot
from obscura_backup.adapters.postgres.store import PostgresMetadataStore, _domain_error, _milliseconds, lock_permits
from obscura_backup.domain.errors import MetadataUnavailable, SlotBusy
from support.table import table

if TYPE_CHECKING:
    from obscura_backup.adapters.postgres.connection import Message

USER = samples.user(1)


class RecordingPool:
    """A pool whose connection gives this answer, or raises it."""

    def __init__(self, answer: Any = None) -> None:
        self._answer = answer
        self.messages: list[Message] = []
        self.seconds: list[float] = []
        self.released: list[object] = []

    async def execute(self, _connection: object, message: Message) -> Any:
        self.messages.append(message)
        if isinstance(self._answer, BaseException):
            raise self._answer
        return self._answer

    async def checkout(self, message: Message, *, seconds: float = 0) -> Any:
        self.seconds.append(seconds)
        return "connection", await self.execute("connection", message)

    async def release(self, connection: object) -> None:
        self.released.append(connection)


def slot(pool: RecordingPool) -> PostgresSlot:
    given: Any = pool
    connection: Any = "connection"
    return PostgresSlot(given, connection, USER, None)


@table("insert", ["INSERT 0 1", "INSERT 0 0"])
async def test_slot_is_saved_once_and_its_connection_returned_once(insert: str) -> None:
    pool = RecordingPool(Answer([insert, "COMMIT"], []))
    made = slot(pool)
    revision = samples.revision(3)
    await made.save(revision)
    await made.unlock()
    assert pool.released == ["connection"]
    ((_, values), (commit, _)) = pool.messages[0]
    assert (values, commit.sql) == (values_of(USER, revision), b"COMMIT")
    with pytest.raises(AssertionError):
        await made.save(revision)


async def test_unsaved_slot_is_unlocked_once() -> None:
    pool = RecordingPool()
    made = slot(pool)
    await made.unlock()
    await made.unlock()
    assert pool.released == ["connection"]


@table("statuses", [("INSERT 0 1", "ROLLBACK"), ("INSERT 0 1",), ("INSERT 0 2", "COMMIT")])
async def test_save_with_an_unexpected_answer_is_an_error(statuses: tuple[str, ...]) -> None:
    pool = RecordingPool(Answer(list(statuses), []))
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


@table(("seconds", "milliseconds"), [(0, 1), (0.0004, 1), (0.0016, 2), (1, 1000), (2.4, 2400)])
def test_time_limit_is_never_zero(seconds: float, milliseconds: int) -> None:
    assert _milliseconds(seconds) == milliseconds


@table(
    ("error", "kind"),
    [
        (psycopg.errors.LockNotAvailable(), SlotBusy),
        (psycopg.errors.DeadlockDetected(), SlotBusy),
        (psycopg.OperationalError(), MetadataUnavailable),
    ],
)
def test_error_of_the_driver_becomes_one_of_the_domain(error: psycopg.Error, kind: type[Exception]) -> None:
    assert type(_domain_error(error)) is kind


def store(pool: RecordingPool, **given: Any) -> PostgresMetadataStore:
    made = PostgresMetadataStore("postgresql://someone@localhost/db", **given)
    made._schema_is_current = True
    scripted: Any = pool
    made._pool = scripted
    return made


async def test_lock_request_carries_its_time_limits() -> None:
    pool = RecordingPool(Answer([], []))
    async with store(pool, lock_timeout_seconds=0.5, idle_in_transaction_seconds=7, answer_timeout_seconds=3).locked(
        USER
    ) as held:
        assert held.record is None
    (_, (_, limits), (lock, values)) = pool.messages[0]
    (seconds,) = pool.seconds
    assert 0.4 < seconds <= 0.5
    assert limits == (b"%d" % round(seconds * 1000), b"2400", b"7000", b"true")
    assert (lock.sql.endswith(b"FOR UPDATE"), values) == (True, (str(USER).encode(),))
    assert pool.released == ["connection"]


async def test_ordinary_requests_carry_the_limits_of_a_session() -> None:
    pool = RecordingPool(Answer([], []))
    made = store(pool)
    async with made.locked(USER):
        assert await made.get(USER) is None
    (_, of_lock, _), (of_get, _) = pool.messages
    assert of_lock == of_get == made._limits(1.0)


async def test_lock_is_given_up_before_its_statement_is() -> None:
    pool = RecordingPool(Answer([], []))
    async with store(pool, answer_timeout_seconds=0.5).locked(USER):
        pass
    assert pool.messages[0][1][1][:2] == (b"200", b"400")


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
            now[0] += pool.seconds[-1]

    monkeypatch.setattr(made, "_lock_row", entering)
    with pytest.raises(SlotBusy):
        await made._lock_row_by(now[0] + lock_seconds, USER)
    assert pool.seconds == {0.5: [0.5], 1.0: [1.0], 2.5: [1.0, 1.0, 0.5]}[lock_seconds]
    monkeypatch.undo()


async def test_unreadable_row_returns_its_connection() -> None:
    pool = RecordingPool(Answer([], [("no", "such", "row")]))
    with pytest.raises(ValueError, match="unpack"):
        await store(pool)._lock_row(USER, 1)
    assert pool.released == ["connection"]


def test_some_connections_are_kept_for_short_queries() -> None:
    cases: list[tuple[int, int]] = [(1, 1), (2, 2), (3, 3), (4, 3), (8, 7), (16, 14), (32, 28)]
    for pool_size, permits in cases:
        assert lock_permits(pool_size) == permits


async def test_lock_permits_are_waited_for_in_bounded_time() -> None:
    made = store(RecordingPool(), pool_size=4, pool_wait_seconds=0.02)
    for _ in range(3):
        await made._acquire_permit()
    with pytest.raises(SlotBusy):  # one connection is kept for reads
        await made._acquire_permit()
    made._lock_permits.release()
    await made._acquire_permit()
