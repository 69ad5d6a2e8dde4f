"""Behind a real PgBouncer in transaction mode, old enough to know no prepared statements."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from contracts import samples
from contracts.metadata_store import SHORT_LOCK_TIMEOUT_SECONDS, MetadataStoreContract, saved
from obscura_backup.adapters.postgres.connection import Statement
from obscura_backup.adapters.postgres.schema import HEAD, migrate, schema_state
from obscura_backup.domain.errors import MetadataUnavailable, SlotBusy

if TYPE_CHECKING:
    from integration.postgres.conftest import StartStore
    from obscura_backup.adapters.postgres.store import PostgresMetadataStore
    from support.servers.stores.postgres_server import PostgresServer


@pytest.fixture
def pooler_url(postgres_url: str, postgres_server: PostgresServer, postgres_database: str, pgbouncer_port: int) -> str:
    """Of the database of `postgres_url`, through the pooler."""
    return postgres_server.url_of(postgres_database, port=pgbouncer_port)


@pytest.fixture
def store_url(pooler_url: str) -> str:
    return pooler_url


class TestBehindPgBouncer(MetadataStoreContract):
    pass


async def test_row_excludes_processes_that_come_another_way(
    store: PostgresMetadataStore, postgres_url: str, start_store: StartStore
) -> None:
    direct = await start_store(postgres_url, lock_timeout_seconds=SHORT_LOCK_TIMEOUT_SECONDS)
    user = samples.user()
    await saved(store, user, samples.revision(1))
    async with store.locked(user):
        with pytest.raises(SlotBusy):
            async with direct.locked(user):
                pytest.fail("two inside at once")


async def test_no_setting_stays_on_a_connection(
    store: PostgresMetadataStore,
    postgres_server: PostgresServer,
    postgres_database: str,
    pgbouncer_port: int,
    start_store: StartStore,
) -> None:
    await saved(store, samples.user(), samples.revision(1))
    await store.get(samples.user())
    probe = await start_store(postgres_server.url_of(postgres_database, port=pgbouncer_port), pool_size=1)
    settings = Statement(b"""
        SELECT current_setting('lock_timeout'), current_setting('statement_timeout'),
               (SELECT count(*) FROM pg_prepared_statements)
        """)
    connection, answer = await probe._pool.checkout([(settings, ())])
    assert answer.rows == [("0", "0", 0)]
    await probe._pool.release(connection)


async def test_lock_that_the_server_took_away_is_noticed_by_save(
    store: PostgresMetadataStore, postgres_server: PostgresServer
) -> None:
    user, before = samples.user(), samples.revision(1)
    await saved(store, user, before)
    async with store.locked(user) as slot:
        postgres_server.execute(
            "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE state = 'idle in transaction'"
        )
        with pytest.raises(MetadataUnavailable):
            await slot.save(samples.revision(2))
    assert await store.get(user) == before


async def test_outage_behind_it_is_noticed_and_ends(
    pooler_url: str, postgres_server: PostgresServer, start_store: StartStore
) -> None:
    store = await start_store(pooler_url, answer_timeout_seconds=1.0)
    user, revision = samples.user(), samples.revision(1)
    await saved(store, user, revision)
    postgres_server.stop(immediate=True)
    try:
        started = time.monotonic()
        outcomes = await asyncio.gather(*(store.get(user) for _ in range(100)), return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {MetadataUnavailable}
        assert time.monotonic() - started < 20, "as long as one of the callers, not as long as all of them"
    finally:
        postgres_server.start()
    started = time.monotonic()
    while time.monotonic() - started < 10:  # the pooler has a pause of its own before it connects again
        try:
            assert await store.get(user) == revision
            break
        except MetadataUnavailable:
            await asyncio.sleep(0.02)
    else:
        pytest.fail("the server is back, and the service has not noticed")


def test_migrations_run_through_it(pooler_url: str) -> None:
    assert migrate(pooler_url) == []
    assert schema_state(pooler_url) == (HEAD, HEAD)
