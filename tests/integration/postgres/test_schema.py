from __future__ import annotations

import asyncio
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psycopg
import pytest

from obscura_backup.adapters.postgres.admin_connection import INSPECT_TIMEOUT_SECONDS, open_connection
from obscura_backup.adapters.postgres.schema import HEAD, REVISIONS, SchemaState, migrate, schema_state
from obscura_backup.adapters.postgres.store import PostgresMetadataStore
from obscura_backup.domain.errors import MetadataUnavailable, StoreUnusable
from obscura_backup.entrypoints.doctor import examine
from obscura_backup.entrypoints.settings import Settings
from support.servers.programs.native import free_port
from support.servers.stores.postgres_server import PASSWORD
from support.servers.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.servers.stores.postgres_server import PostgresServer

DOCTOR_SECONDS = 12.0


def test_empty_database_is_migrated_to_the_head(new_postgres_url: Callable[[], str]) -> None:
    url = new_postgres_url()
    assert schema_state(url) == SchemaState(None, HEAD)
    assert migrate(url) == list(REVISIONS)
    assert schema_state(url) == SchemaState(HEAD, HEAD)


def test_migrating_again_changes_nothing(new_postgres_url: Callable[[], str]) -> None:
    url = new_postgres_url()
    migrate(url)
    assert migrate(url) == []


def test_replicas_that_migrate_together_take_turns(new_postgres_url: Callable[[], str]) -> None:
    url = new_postgres_url()
    with ThreadPoolExecutor(4) as replicas:
        outcomes = list(replicas.map(migrate, [url] * 4))
    assert sorted(outcomes) == [[], [], [], list(REVISIONS)]


def test_migration_leaves_the_tables_of_others_alone(new_postgres_url: Callable[[], str]) -> None:
    url = new_postgres_url()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE alembic_version AS SELECT 'of another application' AS version_num")
    migrate(url)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT * FROM alembic_version").fetchall() == [("of another application",)]


@pytest.mark.parametrize(
    "change",
    ["version = 0", "base = -1", "kind = 'other'", "sha256 = 'short'", "size = -1", "tag = NULL", "updated_at = NULL"],
)
def test_rows_that_make_no_sense_are_refused(new_postgres_url: Callable[[], str], change: str) -> None:
    url = new_postgres_url()
    migrate(url)
    row = "INSERT INTO backups VALUES (gen_random_uuid(), 1, 0, 'live', sha256(''), 32, 'id', now(), 'tag')"
    with psycopg.connect(url) as connection:
        connection.execute(row)
        with pytest.raises(psycopg.IntegrityError):
            connection.execute(b"UPDATE backups SET " + change.encode())


@pytest.fixture
def locked_schema(new_postgres_url: Callable[[], str]) -> Iterator[str]:
    """A database whose schema version another session keeps locked."""
    url = new_postgres_url()
    migrate(url)
    with psycopg.connect(url) as connection:
        connection.execute("LOCK TABLE obscura_backup_schema IN ACCESS EXCLUSIVE MODE")
        yield url


def test_locked_schema_is_looked_at_for_seconds_at_most(locked_schema: str) -> None:
    started = time.monotonic()
    with pytest.raises(MetadataUnavailable):
        schema_state(locked_schema)
    assert time.monotonic() - started < 2 * INSPECT_TIMEOUT_SECONDS


def test_locked_schema_does_not_keep_a_migration(locked_schema: str) -> None:
    started = time.monotonic()
    with pytest.raises(MetadataUnavailable):
        migrate(locked_schema, lock_seconds=0.2)
    assert time.monotonic() - started < INSPECT_TIMEOUT_SECONDS


async def test_locked_schema_does_not_keep_the_doctor(locked_schema: str, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, metadata_url=locked_schema, blobs_url="memory:")
    started = time.monotonic()
    found = {(check.part, check.name): check.holds async for check in examine(settings)}
    assert time.monotonic() - started < DOCTOR_SECONDS
    assert not found["metadata", "PostgreSQL answers"]


@pytest.mark.parametrize("change", ["password", "user", "database"])
async def test_server_that_refuses_is_told_from_one_that_does_not_answer(
    new_postgres_url: Callable[[], str], tmp_path: Path, change: str
) -> None:
    parts = urlsplit(new_postgres_url())
    wrong = {
        "password": parts._replace(netloc=f"{parts.username}:wrong@127.0.0.1:{parts.port}"),
        "user": parts._replace(netloc=f"stranger:wrong@127.0.0.1:{parts.port}"),
        "database": parts._replace(path="/nowhere"),
    }[change].geturl()
    settings = Settings(data_dir=tmp_path, metadata_url=wrong, blobs_url="memory:")
    found = {check.name: check async for check in examine(settings) if check.part == "metadata"}
    assert [(name, check.holds) for name, check in found.items()] == [("PostgreSQL accepts this user", False)]
    detail = found["PostgreSQL accepts this user"].detail
    assert "The database server answers, and refuses the connection" in detail
    assert "wrong" not in detail


async def test_server_that_freezes_while_it_is_asked_is_hung_up_on(
    new_postgres_url: Callable[[], str], postgres_server: PostgresServer
) -> None:
    async with Wire(postgres_server.port) as wire:
        url = wire.through(new_postgres_url())

        def ask() -> None:
            with open_connection(url, seconds=0.3) as connection:
                wire.go_dead()
                connection.execute("SELECT 1")

        started = time.monotonic()
        with pytest.raises(MetadataUnavailable, match=r"did not finish within 0\.3 s"):
            await asyncio.to_thread(ask)
        assert time.monotonic() - started < INSPECT_TIMEOUT_SECONDS


async def test_migration_gives_a_frozen_server_up(locked_schema: str, postgres_server: PostgresServer) -> None:
    async with Wire(postgres_server.port) as wire:
        migration = asyncio.create_task(
            asyncio.to_thread(migrate, wire.through(locked_schema), lock_seconds=1, statement_seconds=1)
        )
        await asyncio.sleep(0.5)
        wire.go_dead()
        with pytest.raises(MetadataUnavailable):
            await asyncio.wait_for(migration, 5)


def test_doctor_ends_where_a_server_takes_calls_and_says_nothing(silent_url: str, tmp_path: Path) -> None:
    started = time.monotonic()
    asyncio.run(examined(silent_url, tmp_path))
    assert time.monotonic() - started < DOCTOR_SECONDS


def test_interrupted_doctor_ends_at_once(silent_url: str, tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(examined(silent_url, tmp_path), 0.3))
    assert time.monotonic() - started < 2


@pytest.fixture
def silent_url() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"postgresql://somebody:{PASSWORD}@127.0.0.1:{listening.getsockname()[1]}/nothing"


async def examined(url: str, folder: Path) -> None:
    async for _ in examine(Settings(data_dir=folder, metadata_url=url, blobs_url="memory:")):
        pass


async def test_missing_schema_is_refused_and_the_way_out_named(new_postgres_url: Callable[[], str]) -> None:
    store = PostgresMetadataStore(new_postgres_url())
    with pytest.raises(StoreUnusable, match="run `obscura-backup migrate`"):
        await store.start()
    await store.close()


async def test_schema_from_the_future_is_refused(new_postgres_url: Callable[[], str]) -> None:
    url = new_postgres_url()
    migrate(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE obscura_backup_schema SET version_num = '9999'")
    store = PostgresMetadataStore(url)
    with pytest.raises(StoreUnusable, match="newer"):
        await store.start()
    await store.close()
    with pytest.raises(StoreUnusable, match="newer"):
        migrate(url)


async def test_table_that_is_not_ours_is_refused(new_postgres_url: Callable[[], str]) -> None:
    url = new_postgres_url()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE backups (of_somebody_else text)")
    with pytest.raises(StoreUnusable, match="already exists"):
        migrate(url)
    assert schema_state(url).current is None


def test_server_that_does_not_answer() -> None:
    url = f"postgresql://somebody:{PASSWORD}@127.0.0.1:{free_port()}/nothing"
    for operation in (migrate, schema_state):
        with pytest.raises(MetadataUnavailable) as refused:
            operation(url)
        assert PASSWORD not in f"{refused.value} {refused.value.__cause__}"


def test_malformed_url_is_refused() -> None:
    for operation in (migrate, schema_state):
        with pytest.raises(StoreUnusable):
            operation("postgresql://u:pa@ss@h/d")
