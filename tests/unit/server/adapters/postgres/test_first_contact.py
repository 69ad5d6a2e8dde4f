"""The first contact of a store with its database, and the schema that it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from alembic.script import ScriptDirectory

from contracts import samples
from obscura_backup.adapters.postgres import schema as postgres_schema
from obscura_backup.adapters.postgres import store as postgres
from obscura_backup.adapters.postgres.schema import HEAD
from obscura_backup.adapters.postgres.store import PostgresMetadataStore
from obscura_backup.domain.errors import MetadataUnavailable, StoreUnusable
from support.table import table

if TYPE_CHECKING:
    from collections.abc import Callable

USER = samples.user(1)
CALLS = ("get", "scan", "check", "locked")


class ScriptedStore:
    """A store whose database has this schema version, or raises this."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, version: str | Exception | None) -> None:
        self.store = PostgresMetadataStore("postgresql://someone@localhost/db")
        self.queries: list[str] = []
        self._version = version
        monkeypatch.setattr(self.store, "_read", self._read)
        monkeypatch.setattr(self.store, "_lock_row", self._lock_row)

    async def _read(self, statement: Any, *_: Any) -> list[Any]:
        if statement != postgres._SCHEMA:
            self.queries.append("another")
            return [("off", [])] if statement == postgres._READY else []
        self.queries.append("schema")
        if isinstance(self._version, Exception):
            raise self._version
        return [] if self._version is None else [(self._version,)]

    async def _lock_row(self, *_: Any) -> Any:
        self.queries.append("another")

        class Slot:
            async def unlock(self) -> None:
                """Unlock nothing."""

        return Slot()

    async def call(self, name: str) -> None:
        match name:
            case "get":
                assert await self.store.get(USER) is None
            case "scan":
                assert [row async for row in self.store.scan()] == []
            case "check":
                await self.store.check()
            case _:
                async with self.store.locked(USER):
                    pass


@pytest.fixture
def store_with(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ScriptedStore]:
    return lambda version: ScriptedStore(monkeypatch, version)


@table("call", CALLS)
@table(("version", "message"), [("9999", "newer than this program"), (None, "has no schema yet")])
async def test_no_query_is_sent_to_a_database_with_another_schema(
    store_with: Callable[..., ScriptedStore], call: str, version: str | None, message: str
) -> None:
    made = store_with(version)
    with pytest.raises(MetadataUnavailable, match=message) as raised:
        await made.call(call)
    assert isinstance(raised.value.__cause__, StoreUnusable)
    assert made.queries == ["schema"]


@table("call", CALLS)
async def test_current_schema_is_checked_once(store_with: Callable[..., ScriptedStore], call: str) -> None:
    made = store_with(HEAD)
    await made.call(call)
    await made.call(call)
    assert made.queries == ["schema", "another", "another"]


def caused_by(cause: Exception) -> MetadataUnavailable:
    failure = MetadataUnavailable()
    failure.__cause__ = cause
    return failure


@table(
    ("cause", "kind", "message"),
    [
        (psycopg.errors.UndefinedTable(), StoreUnusable, "has no schema yet"),
        (psycopg.errors.InsufficientPrivilege(), StoreUnusable, "may not read the version of the schema"),
        (psycopg.OperationalError(), MetadataUnavailable, "does not answer"),
    ],
)
async def test_reasons_for_an_unreadable_schema_are_distinguished(
    store_with: Callable[..., ScriptedStore], cause: Exception, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        await store_with(caused_by(cause)).store._require_schema()


@pytest.mark.parametrize("version", ["9999", None])
async def test_store_does_not_start_with_another_schema(
    store_with: Callable[..., ScriptedStore], monkeypatch: pytest.MonkeyPatch, version: str | None
) -> None:
    made = store_with(version)

    async def opened() -> None:
        """Connect to nothing."""

    monkeypatch.setattr(made.store._pool, "open", opened)
    with pytest.raises(StoreUnusable):
        await made.store.start()


async def test_store_starts_without_a_server(
    store_with: Callable[..., ScriptedStore], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made = store_with(caused_by(psycopg.OperationalError()))

    async def opened() -> None:
        """Connect to nothing."""

    monkeypatch.setattr(made.store._pool, "open", opened)
    await made.store.start()
    assert "starting without the metadata store" in caplog.text
    with pytest.raises(MetadataUnavailable):
        await made.call("get")


def test_revisions_are_those_of_the_migrations() -> None:
    scripts = ScriptDirectory.from_config(postgres_schema.alembic_config())
    assert [script.revision for script in scripts.walk_revisions()] == list(reversed(postgres_schema.REVISIONS))
    assert scripts.get_heads() == [postgres_schema.HEAD]


def test_schema_of_the_last_migration_is_accepted() -> None:
    postgres_schema.require_current(postgres_schema.HEAD)


@table(("current", "told"), [(None, "run `obscura-backup migrate`"), ("9999", "newer")])
def test_any_other_schema_is_refused(current: str | None, told: str) -> None:
    with pytest.raises(StoreUnusable, match=told):
        postgres_schema.require_current(current)
