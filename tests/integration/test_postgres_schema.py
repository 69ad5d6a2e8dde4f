from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg
import pytest

from obscura_backup.adapters.postgres import PostgresMetadataStore
from obscura_backup.adapters.postgres_schema import HEAD, REVISIONS, SchemaState, migrate, schema_state
from obscura_backup.domain.errors import MetadataUnavailable, StoreUnusable
from servers.native import free_port
from servers.postgres_server import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable


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
