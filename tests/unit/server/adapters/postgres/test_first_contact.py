"""A server of PostgreSQL that was down at the start: whatever is asked of it first, its schema is looked at before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from contracts import samples
from obscura_backup.adapters.postgres import store as postgres
from obscura_backup.adapters.postgres.schema import HEAD
from obscura_backup.adapters.postgres.store import PostgresMetadataStore
from obscura_backup.domain.errors import MetadataUnavailable, StoreUnusable

if TYPE_CHECKING:
    from collections.abc import Callable

USER = samples.user(1)
CALLS = ("get", "scan", "check", "locked")


class Asked:
    """A store whose questions are answered from a script, by what is in them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, version: str | Exception | None) -> None:
        self.store = PostgresMetadataStore("postgresql://someone@localhost/db")
        self.questions: list[str] = []
        self._version = version
        monkeypatch.setattr(self.store, "_read", self._read)
        monkeypatch.setattr(self.store, "_lock_row", self._lock_row)

    async def _read(self, query: str, values: Any) -> list[Any]:
        del values
        if query != postgres._SCHEMA:
            self.questions.append("another")
            return [("off", [])] if query == postgres._READY else []
        self.questions.append("schema")
        if isinstance(self._version, Exception):
            raise self._version
        return [] if self._version is None else [(self._version,)]

    async def _lock_row(self, *_: Any) -> Any:
        self.questions.append("another")

        class Slot:
            async def leave(self) -> None:
                """Let go of nothing."""

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
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Asked]:
    return lambda version: Asked(monkeypatch, version)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("version", "says"), [("9999", "newer than this program"), (None, "has no schema yet")])
async def test_nothing_is_asked_of_a_server_whose_schema_is_another(
    asked: Callable[..., Asked], call: str, version: str | None, says: str
) -> None:
    made = asked(version)
    with pytest.raises(MetadataUnavailable, match=says) as refused:
        await made.call(call)
    assert isinstance(refused.value.__cause__, StoreUnusable)
    assert made.questions == ["schema"]


@pytest.mark.parametrize("call", CALLS)
async def test_a_schema_that_is_ours_is_looked_at_once(asked: Callable[..., Asked], call: str) -> None:
    made = asked(HEAD)
    await made.call(call)
    await made.call(call)
    assert made.questions == ["schema", "another", "another"]


def caused_by(cause: Exception) -> MetadataUnavailable:
    failure = MetadataUnavailable()
    failure.__cause__ = cause
    return failure


@pytest.mark.parametrize(
    ("cause", "kind", "says"),
    [
        (psycopg.errors.UndefinedTable(), StoreUnusable, "has no schema yet"),
        (psycopg.errors.InsufficientPrivilege(), StoreUnusable, "lets this role not read the schema's version"),
        (psycopg.OperationalError(), MetadataUnavailable, "does not answer"),
    ],
)
async def test_why_a_schema_cannot_be_read_is_told_apart(
    asked: Callable[..., Asked], cause: Exception, kind: type[Exception], says: str
) -> None:
    with pytest.raises(kind, match=says):
        await asked(caused_by(cause)).store._require_schema()


@pytest.mark.parametrize("version", ["9999", None])
async def test_a_store_does_not_start_on_another_schema(
    asked: Callable[..., Asked], monkeypatch: pytest.MonkeyPatch, version: str | None
) -> None:
    made = asked(version)

    async def opened() -> None:
        """Connect to nothing."""

    monkeypatch.setattr(made.store._connections, "open", opened)
    with pytest.raises(StoreUnusable):
        await made.store.start()


async def test_a_store_starts_without_a_server(
    asked: Callable[..., Asked], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made = asked(caused_by(psycopg.OperationalError()))

    async def opened() -> None:
        """Connect to nothing."""

    monkeypatch.setattr(made.store._connections, "open", opened)
    await made.store.start()
    assert "starting without the metadata store" in caplog.text
    with pytest.raises(MetadataUnavailable):
        await made.call("get")
