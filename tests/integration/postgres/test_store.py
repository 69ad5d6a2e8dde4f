from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import psycopg
import pytest

from contracts import samples
from contracts.metadata_store import SHORT_LOCK_TIMEOUT_SECONDS, MetadataStoreContract, saved
from obscura_backup.adapters.postgres.connection import Statement
from obscura_backup.adapters.postgres.diagnosis import diagnose
from obscura_backup.adapters.postgres.schema import migrate
from obscura_backup.adapters.postgres.store import PostgresMetadataStore
from obscura_backup.domain.errors import MetadataUnavailable, SlotBusy
from obscura_backup.entrypoints.container import Container
from obscura_backup.entrypoints.settings import load_settings
from support.servers.stores.postgres_server import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from integration.postgres.conftest import StartStore
    from support.servers.stores.postgres_server import PostgresServer
    from support.servers.wire import Wire


class TestPostgresMetadataStore(MetadataStoreContract):
    pass


async def test_row_excludes_other_processes(store: PostgresMetadataStore, impatient: PostgresMetadataStore) -> None:
    user, revision = samples.user(), samples.revision(1)
    await saved(store, user, revision)
    async with store.locked(user):
        with pytest.raises(SlotBusy):
            async with impatient.locked(user):
                pytest.fail("two inside at once")
        assert await impatient.get(user) == revision


async def test_session_gets_limits_and_statements_once(store: PostgresMetadataStore) -> None:
    settings = Statement(b"""
        SELECT current_setting('lock_timeout'), current_setting('statement_timeout'),
               current_setting('idle_in_transaction_session_timeout'),
               (SELECT array_agg(name ORDER BY name) FROM pg_prepared_statements)
        """)
    connection, answer = await store._pool.checkout([(settings, ())])
    await store._pool.release(connection)
    assert answer.rows == [("1s", "2400ms", "1min", ["obscura_lock", "obscura_save", "obscura_select"])]


async def test_session_that_lost_its_statements_is_not_used_again(store: PostgresMetadataStore) -> None:
    """As behind a pooler that names the server's own process."""
    user, revision = samples.user(), samples.revision(1)
    await saved(store, user, revision)
    connection, _ = await store._pool.checkout([(Statement(b"DEALLOCATE ALL"), ())])
    await store._pool.release(connection)
    assert await store.get(user) == revision
    assert connection.closed
    await saved(store, user, samples.revision(2))


async def test_uploads_of_many_processes_lose_no_version(
    store: PostgresMetadataStore, elsewhere: PostgresMetadataStore
) -> None:
    user = samples.user()
    await saved(store, user, samples.revision(1))

    async def count_up(through: PostgresMetadataStore) -> None:
        for _ in range(5):
            async with through.locked(user) as slot:
                assert slot.record is not None
                await slot.save(samples.revision(slot.record.version + 1))

    await asyncio.gather(*(count_up(through) for through in (store, elsewhere) * 2))
    row = await store.get(user)
    assert row is not None
    assert row.version == 21


async def test_first_uploads_of_two_processes_leave_the_newest_row(
    store: PostgresMetadataStore, elsewhere: PostgresMetadataStore
) -> None:
    user, newer = samples.user(), samples.revision(2)
    async with store.locked(user) as one, elsewhere.locked(user) as other:
        await one.save(newer)
        await other.save(samples.revision(1))
    assert await store.get(user) == newer


async def test_queue_of_one_user_takes_one_connection(postgres_url: str, start_store: StartStore) -> None:
    store = await start_store(postgres_url, lock_timeout_seconds=SHORT_LOCK_TIMEOUT_SECONDS, pool_size=2)
    user = samples.user()
    await saved(store, user, samples.revision(1))

    async def enter() -> None:
        async with store.locked(user):
            pytest.fail("two inside at once")

    async with store.locked(user):
        waiters = [asyncio.create_task(enter()) for _ in range(8)]
        await asyncio.sleep(0.02)
        await store.get(user)
        outcomes = await asyncio.gather(*waiters, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {SlotBusy}


async def test_upload_is_two_round_trips_and_the_question_before_it_one(
    wired: PostgresMetadataStore, wire: Wire
) -> None:
    user = samples.user()
    for version in (1, 2):
        wire.round_trips = 0
        await wired.get(user)
        assert wire.round_trips == 1
        async with wired.locked(user) as slot:
            assert wire.round_trips == 2
            await slot.save(samples.revision(version))
            assert wire.round_trips == 3
        assert wire.round_trips == 3


async def test_leaving_without_save_is_one_more_round_trip(wired: PostgresMetadataStore, wire: Wire) -> None:
    wire.round_trips = 0
    async with wired.locked(samples.user()):
        pass
    assert wire.round_trips == 2


async def test_lock_that_the_server_took_away_is_noticed_by_save(
    store: PostgresMetadataStore, postgres_server: PostgresServer
) -> None:
    user, before = samples.user(), samples.revision(1)
    await saved(store, user, before)
    async with store.locked(user) as slot:
        hang_up_on_holders(postgres_server)
        with pytest.raises(MetadataUnavailable):
            await slot.save(samples.revision(2))
    assert await store.get(user) == before


async def test_lock_that_the_server_took_away_can_be_left(
    store: PostgresMetadataStore, postgres_server: PostgresServer
) -> None:
    async with store.locked(samples.user()):
        hang_up_on_holders(postgres_server)
    await store.check()


async def test_silent_holder_loses_its_lock(
    postgres_url: str, elsewhere: PostgresMetadataStore, start_store: StartStore
) -> None:
    store = await start_store(postgres_url, idle_in_transaction_seconds=0.05)
    user, newer = samples.user(), samples.revision(2)
    await saved(store, user, samples.revision(1))
    async with store.locked(user) as slot:
        await saved(elsewhere, user, newer)
        with pytest.raises(MetadataUnavailable):
            await slot.save(samples.revision(3))
    assert await store.get(user) == newer


async def test_cancelled_upload_leaves_the_pool_whole(
    postgres_url: str, elsewhere: PostgresMetadataStore, start_store: StartStore
) -> None:
    store = await start_store(postgres_url, pool_size=1)
    user = samples.user()
    await saved(store, user, samples.revision(1))
    async with elsewhere.locked(user):
        upload = asyncio.create_task(saved(store, user, samples.revision(2)))
        await asyncio.sleep(0.05)
        upload.cancel()
        with pytest.raises(asyncio.CancelledError):
            await upload
    await saved(store, user, samples.revision(3))


async def test_uploads_that_wait_for_the_blob_store_do_not_keep_out_the_rest(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, start_store: StartStore
) -> None:
    store = await start_store(postgres_url, pool_size=4, pool_wait_seconds=60)
    async with AsyncExitStack() as held:
        for _ in range(3):
            await held.enter_async_context(store.locked(samples.user()))
        # The wait for a place is over at once; that for a connection, which may take its time, is not.
        monkeypatch.setattr(store, "_pool_wait_seconds", 0.0)
        with pytest.raises(SlotBusy):
            await held.enter_async_context(store.locked(samples.user()))
        await store.check()
        assert await store.get(samples.user()) is None
    async with store.locked(samples.user()):
        pass  # what was held is free again


async def test_pool_that_is_taken_does_not_keep_anyone_for_long(postgres_url: str, start_store: StartStore) -> None:
    store = await start_store(postgres_url, pool_size=1, pool_waiting=3, pool_wait_seconds=2)
    async with store.locked(samples.user()):
        outcomes = await asyncio.gather(*(store.get(samples.user()) for _ in range(50)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {MetadataUnavailable}
    await store.check()


async def test_pool_is_as_large_as_the_setting_says(new_postgres_url: Callable[[], str], tmp_path: Path) -> None:
    url = new_postgres_url()
    migrate(url)
    settings = load_settings(
        {"data_dir": tmp_path}, {"OBSCURA_BACKUP_METADATA_URL": url, "OBSCURA_BACKUP_POSTGRES_POOL": "2"}
    )
    store = Container(settings=settings).metadata()
    await store.start()
    async with store.locked(samples.user()), store.locked(samples.user()):
        third = asyncio.create_task(store.get(samples.user()))
        await asyncio.sleep(0.1)
        assert not third.done()
    assert await third is None
    await store.close()


async def test_standby_is_not_ready(postgres_url: str, postgres_server: PostgresServer, postgres_database: str) -> None:
    """A standby cannot be had in a second; a database that only reads looks the same to `check`."""
    store = PostgresMetadataStore(postgres_url)
    postgres_server.execute(f"ALTER DATABASE {postgres_database} SET default_transaction_read_only = on")
    try:
        await store.start()
        with pytest.raises(MetadataUnavailable, match="read-only"):
            await store.check()
    finally:
        postgres_server.execute(f"ALTER DATABASE {postgres_database} RESET default_transaction_read_only")
    await store.close()


@pytest.mark.parametrize("privilege", ["SELECT", "INSERT", "UPDATE"])
async def test_role_that_lacks_a_privilege_is_not_ready(
    postgres_url: str, postgres_server: PostgresServer, postgres_database: str, privilege: str
) -> None:
    for statement in (
        f"CREATE ROLE lesser LOGIN PASSWORD '{PASSWORD}'",
        "GRANT SELECT ON obscura_backup_schema TO lesser",
        "GRANT SELECT, INSERT, UPDATE ON backups TO lesser",
        f"REVOKE {privilege} ON backups FROM lesser",
    ):
        postgres_server.execute(statement, database=postgres_database)
    url = postgres_url.replace("postgres:", "lesser:", 1)
    store = PostgresMetadataStore(url)
    try:
        await store.start()
        with pytest.raises(MetadataUnavailable, match=f"lacks {privilege} on the table `backups`"):
            await store.check()
        diagnosis = await asyncio.to_thread(diagnose, url)
        assert privilege in diagnosis.missing_privileges
    finally:
        await store.close()
        postgres_server.execute("DROP OWNED BY lesser; DROP ROLE lesser", database=postgres_database)


async def test_database_whose_table_is_gone_is_not_ready(
    new_postgres_url: Callable[[], str], start_store: StartStore
) -> None:
    url = new_postgres_url()
    migrate(url)
    store = await start_store(url)
    with psycopg.connect(url) as connection:
        connection.execute("ALTER TABLE backups RENAME TO elsewhere")
    with pytest.raises(MetadataUnavailable, match="no table `backups`"):
        await store.check()
    assert "no table `backups`" in (await asyncio.to_thread(diagnose, url)).missing_privileges


async def test_readiness_is_one_round_trip(wired: PostgresMetadataStore, wire: Wire) -> None:
    wire.round_trips = 0
    await wired.check()
    assert wire.round_trips == 1


async def test_habits_of_the_server_do_not_matter(
    postgres_url: str, postgres_server: PostgresServer, postgres_database: str
) -> None:
    habits = {
        "timezone": "'Asia/Kathmandu'",
        "datestyle": "'SQL, DMY'",
        "default_transaction_isolation": "serializable",
    }
    for name, value in habits.items():
        postgres_server.execute(f"ALTER DATABASE {postgres_database} SET {name} = {value}")
    try:
        store = PostgresMetadataStore(postgres_url)
        await store.start()
        user, revision = samples.user(), samples.retagged(samples.revision(1), "a 'quoted' \\tag\" %s ü")
        await saved(store, user, revision)
        assert await store.get(user) == revision
        await store.close()
    finally:
        postgres_server.execute(f"ALTER DATABASE {postgres_database} RESET ALL")


def hang_up_on_holders(server: PostgresServer) -> None:
    hung_up = server.execute(
        "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE state = 'idle in transaction'"
    )
    assert hung_up == [(True,)]
