from __future__ import annotations

import asyncio
import time
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psycopg
import pytest

from contracts import samples
from contracts.metadata_store import saved
from obscura_backup.adapters.postgres.store import PostgresMetadataStore
from obscura_backup.domain.errors import MetadataUnavailable
from support.servers.stores.postgres_server import PASSWORD, PostgresServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from integration.postgres.conftest import StartStore
    from support.servers.wire import Wire

AT_ONCE_SECONDS = 1.9
"""For hundreds of calls together, on a machine that has other things to do, too; one time-out alone would be longer."""


@pytest.fixture
async def store(postgres_url: str, start_store: StartStore) -> PostgresMetadataStore:
    """As the service runs it."""
    return await start_store(postgres_url)


async def test_server_that_went_down_fails_all_at_once_and_is_found_again(
    store: PostgresMetadataStore, postgres_server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    user, revision = samples.user(), samples.revision(1)
    await asyncio.gather(*(saved(store, samples.user(), revision) for _ in range(50)))  # fills the pool
    await saved(store, user, revision)
    async with store.locked(user) as slot:
        postgres_server.stop(immediate=True)
        try:
            started = time.monotonic()
            outcomes = await asyncio.gather(
                *(store.get(user) for _ in range(200)),
                *(saved(store, samples.user(), revision) for _ in range(200)),
                slot.save(samples.revision(2)),
                store.check(),
                return_exceptions=True,
            )
            assert time.monotonic() - started < AT_ONCE_SECONDS
            assert {type(outcome) for outcome in outcomes} == {MetadataUnavailable}
        finally:
            postgres_server.start()
    started = time.monotonic()
    await recovery(store)
    assert time.monotonic() - started < 10
    assert await store.get(user) == revision
    assert PASSWORD not in caplog.text
    assert len([line for line in caplog.records if line.name == "obscura_backup"]) == 2, "once down, once up again"


async def test_restart_between_requests_fails_no_request(
    store: PostgresMetadataStore, postgres_server: PostgresServer
) -> None:
    user, revision = samples.user(), samples.revision(1)
    await asyncio.gather(*(saved(store, samples.user(), revision) for _ in range(50)))
    postgres_server.stop(immediate=False)
    postgres_server.start()
    await saved(store, user, revision)
    assert await asyncio.gather(*(store.get(user) for _ in range(50))) == [revision] * 50


async def test_wire_that_goes_dead_is_given_up(wired: PostgresMetadataStore, wire: Wire) -> None:
    user, before = samples.user(), samples.revision(1)
    await saved(wired, user, before)
    async with wired.locked(user) as slot:
        wire.go_dead()
        started = time.monotonic()
        outcomes = await asyncio.gather(
            slot.save(samples.revision(2)), *(wired.get(user) for _ in range(50)), return_exceptions=True
        )
        assert time.monotonic() - started < 5, "as long as one of the callers, not as long as all of them"
        assert {type(outcome) for outcome in outcomes} == {MetadataUnavailable}
        sent = wire.pieces
        assert isinstance(await answer(wired), MetadataUnavailable)
        assert wire.pieces == sent, "no request waits for a server that is known to be down"
    wire.come_back()
    await recovery(wired)
    async with wired.locked(user) as slot:
        assert slot.record is not None
        assert slot.record.version in (1, 2), "the save was on its way when the wire went dead"


async def test_table_locked_by_another_session_is_not_waited_for(
    postgres_url: str, postgres_server: PostgresServer, start_store: StartStore
) -> None:
    """A statement is given up by the server itself, so that no queue builds up there."""
    store = await start_store(postgres_url, answer_timeout_seconds=0.25)
    with psycopg.connect(postgres_url) as other:
        other.execute("LOCK TABLE backups IN ACCESS EXCLUSIVE MODE")
        outcomes = await asyncio.gather(*(store.get(samples.user()) for _ in range(5)), return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {MetadataUnavailable}
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        assert await asyncio.to_thread(postgres_server.execute, waiting) == [(0,)]
    await recovery(store)


async def test_service_may_start_before_the_server(
    postgres_url: str, postgres_server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    store = PostgresMetadataStore(postgres_url)
    postgres_server.stop(immediate=False)
    try:
        await store.start()
        assert isinstance(await answer(store), MetadataUnavailable)
    finally:
        postgres_server.start()
    assert "starting without the metadata store" in caplog.text
    assert PASSWORD not in caplog.text
    await recovery(store)
    await saved(store, samples.user(), samples.revision(1))
    await store.close()


@pytest.fixture
async def narrow(
    postgres_url: str, postgres_server: PostgresServer, postgres_database: str
) -> AsyncIterator[PostgresMetadataStore]:
    """A store whose role gets two connections, though its pool may have more."""
    for statement in (
        f"CREATE ROLE narrow LOGIN PASSWORD '{PASSWORD}' CONNECTION LIMIT 2",
        "GRANT SELECT ON obscura_backup_schema TO narrow",
        "GRANT SELECT, INSERT, UPDATE ON backups TO narrow",
    ):
        postgres_server.execute(statement, database=postgres_database)
    store = PostgresMetadataStore(postgres_url.replace("postgres:", "narrow:", 1))
    await store.start()
    yield store
    await store.close()
    postgres_server.execute("DROP OWNED BY narrow; DROP ROLE narrow", database=postgres_database)


async def test_server_without_a_connection_to_spare_is_not_taken_for_down(narrow: PostgresMetadataStore) -> None:
    async with narrow.locked(samples.user()), narrow.locked(samples.user()):
        waiting = [asyncio.create_task(narrow.get(samples.user())) for _ in range(5)]
        await asyncio.sleep(0.05)
        assert not any(task.done() for task in waiting)
    assert await asyncio.gather(*waiting) == [None] * 5


async def test_connections_that_rest_in_the_pool_speak_against_an_outage(
    narrow: PostgresMetadataStore, caplog: pytest.LogCaptureFixture
) -> None:
    """The refusals come when those who asked have long had their answers on the connections that there are."""
    for _ in range(20):
        await asyncio.gather(*(narrow.get(samples.user()) for _ in range(5)))
        await asyncio.sleep(0.02)
    assert "not available" not in caplog.text


async def test_wrong_password_is_not_told(
    postgres_url: str, caplog: pytest.LogCaptureFixture, start_store: StartStore
) -> None:
    store = await start_store(postgres_url.replace(PASSWORD, "another-secret"))
    with pytest.raises(MetadataUnavailable) as refused:
        await store.get(samples.user())
    told = "".join(traceback.format_exception(refused.value)) + caplog.text + repr(store)
    assert "another-secret" not in told
    assert "password authentication failed" in told


async def answer(store: PostgresMetadataStore) -> Exception | None:
    try:
        await store.check()
    except MetadataUnavailable as error:
        return error
    return None


async def recovery(store: PostgresMetadataStore) -> None:
    while await answer(store) is not None:  # noqa: ASYNC110  # there is no event: clients ask again, too
        await asyncio.sleep(0.02)


async def test_changed_password_in_a_file_is_used_for_new_connections(
    postgres_url: str,
    postgres_server: PostgresServer,
    postgres_database: str,
    start_store: StartStore,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    def set_password(password: str) -> None:
        file = tmp_path / "pgpass"
        file.write_text(f"*:*:*:rotated:{password}\n")
        file.chmod(0o600)
        postgres_server.execute(f"ALTER ROLE rotated PASSWORD '{password}'", database=postgres_database)

    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "pgpass"))
    parts = urlsplit(postgres_url)
    try:
        for statement in (
            "CREATE ROLE rotated LOGIN",
            "GRANT SELECT ON obscura_backup_schema TO rotated",
            "GRANT SELECT, INSERT, UPDATE ON backups TO rotated",
        ):
            postgres_server.execute(statement, database=postgres_database)
        set_password("the-first")
        store = await start_store(parts._replace(netloc=f"rotated@127.0.0.1:{parts.port}").geturl())
        await store.check()
        set_password("the-second")
        postgres_server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'rotated'",
            database=postgres_database,
        )
        async with asyncio.timeout(30):
            while True:
                with suppress(MetadataUnavailable):
                    await store.check()
                    break
                await asyncio.sleep(0.1)
        await store.close()
    finally:
        postgres_server.execute("DROP OWNED BY rotated; DROP ROLE rotated", database=postgres_database)
