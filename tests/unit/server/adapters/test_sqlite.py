"""`SqliteMetadataStore`: its contract, its file, and what it keeps open and releases."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from contracts import samples
from contracts.metadata_store import LOCK_TIMEOUT_SECONDS, SHORT_LOCK_TIMEOUT_SECONDS, MetadataStoreContract, saved
from contracts.open_files import open_files
from obscura_backup.adapters import sqlite
from obscura_backup.adapters.sqlite import PAGE_ROWS, SCHEMA_VERSION, SqliteMetadataStore
from obscura_backup.domain.errors import MetadataUnavailable, StoreUnusable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteMetadataStore]:
    store = SqliteMetadataStore(tmp_path / "metadata.sqlite3", lock_timeout_seconds=LOCK_TIMEOUT_SECONDS)
    await store.start()
    yield store
    await store.close()


@pytest.fixture
async def impatient(tmp_path: Path) -> AsyncIterator[SqliteMetadataStore]:
    store = SqliteMetadataStore(tmp_path / "metadata.sqlite3", lock_timeout_seconds=SHORT_LOCK_TIMEOUT_SECONDS)
    await store.start()
    yield store
    await store.close()


class TestSqliteMetadataStore(MetadataStoreContract):
    pass


async def test_rows_outlive_the_store(store: SqliteMetadataStore, tmp_path: Path) -> None:
    user, revision = samples.user(), samples.revision(3)
    await saved(store, user, revision)
    await store.close()
    again = SqliteMetadataStore(tmp_path / "metadata.sqlite3")
    await again.start()
    assert await again.get(user) == revision
    await again.close()


async def test_two_processes_worth_of_stores_share_one_file(store: SqliteMetadataStore, tmp_path: Path) -> None:
    other = SqliteMetadataStore(tmp_path / "metadata.sqlite3")
    await other.start()
    user, newer = samples.user(), samples.revision(2)
    await saved(other, user, newer)
    await saved(store, user, samples.revision(1))
    assert await store.get(user) == await other.get(user) == newer
    await other.close()


async def test_writer_outlives_a_row_that_cannot_be_written(store: SqliteMetadataStore) -> None:
    user = samples.user()
    with pytest.raises(MetadataUnavailable):
        await saved(store, user, replace(samples.revision(1), size=2**70))
    await saved(store, user, samples.revision(1))
    assert await store.get(user) is not None


async def test_check_notices_that_no_request_can_write(tmp_path: Path) -> None:
    store = SqliteMetadataStore(tmp_path / "metadata.sqlite3", lock_timeout_seconds=0.05)
    await store.start()
    other = sqlite3.connect(tmp_path / "metadata.sqlite3", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(MetadataUnavailable):
        await store.check()
    other.execute("ROLLBACK")
    other.close()
    await store.check()
    await store.close()


async def test_closed_store_says_so(store: SqliteMetadataStore) -> None:
    await store.close()
    with pytest.raises(MetadataUnavailable):
        await store.save(samples.user(), samples.revision(1))


async def test_commits_are_synced(store: SqliteMetadataStore) -> None:
    """WAL alone survives a crash of the program; only full synchronisation survives one of the machine."""
    assert store._reader.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store._reader.execute("PRAGMA synchronous").fetchone() == (2,)


async def test_file_is_private(store: SqliteMetadataStore, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "metadata.sqlite3").stat().st_mode) == 0o600


async def test_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "metadata.sqlite3"
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(StoreUnusable, match="schema"):
        await SqliteMetadataStore(path).start()


async def test_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "metadata.sqlite3"
    path.write_bytes(b"no database, this" * 100)
    with pytest.raises(StoreUnusable):
        await SqliteMetadataStore(path).start()
    assert path.read_bytes() == b"no database, this" * 100


@pytest.mark.skipif(sys.platform != "linux", reason="Linux lists the open files of a process")
async def test_refused_file_is_closed_again(tmp_path: Path) -> None:
    path = tmp_path / "metadata.sqlite3"
    path.write_bytes(b"no database, this" * 100)
    with pytest.raises(StoreUnusable) as refused:
        await SqliteMetadataStore(path).start()
    assert refused.value.__traceback__ is not None  # whose frames keep alive what was not closed
    assert open_files(path) == []


@pytest.mark.skipif(sys.platform != "linux", reason="Linux lists the open files of a process")
async def test_start_that_fails_half_way_closes_what_it_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, connect = tmp_path / "metadata.sqlite3", SqliteMetadataStore._connect
    connected: list[sqlite3.Connection] = []

    def third_fails(store: SqliteMetadataStore) -> sqlite3.Connection:
        if len(connected) == 2:
            raise sqlite3.OperationalError("unable to open database file")
        connected.append(connect(store))
        return connected[-1]

    monkeypatch.setattr(SqliteMetadataStore, "_connect", third_fails)
    with pytest.raises(StoreUnusable):
        await SqliteMetadataStore(path).start()
    assert open_files(path) == []


async def test_folder_in_the_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable):
        await SqliteMetadataStore(tmp_path).start()


async def test_closing_lets_go_of_every_descriptor(store: SqliteMetadataStore, tmp_path: Path) -> None:
    await saved(store, samples.user(), samples.revision(1))
    await store.close()
    assert open_files(tmp_path) == []


async def test_start_keeps_the_folder_itself_closed(store: SqliteMetadataStore, tmp_path: Path) -> None:
    assert str(tmp_path) not in open_files(tmp_path)


async def test_a_refused_schema_leaves_no_descriptor(tmp_path: Path) -> None:
    path = tmp_path / "metadata.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(StoreUnusable):
        await SqliteMetadataStore(path).start()
    assert open_files(tmp_path) == []


async def test_closing_ends_the_writer_thread(store: SqliteMetadataStore) -> None:
    await store.close()
    assert "metadata" not in {thread.name for thread in threading.enumerate()}


async def test_a_commit_that_fails_leaves_no_lock_on_the_file(store: SqliteMetadataStore, tmp_path: Path) -> None:
    with pytest.raises(MetadataUnavailable):
        await saved(store, samples.user(), replace(samples.revision(1), size=2**70))
    with sqlite3.connect(tmp_path / "metadata.sqlite3", timeout=0.1) as other:
        other.execute("BEGIN IMMEDIATE")
    other.close()


async def test_a_cancelled_save_disturbs_no_other(store: SqliteMetadataStore) -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    first = asyncio.create_task(store.save(samples.user(1), samples.revision(1)))
    await asyncio.sleep(0)
    first.cancel()
    await store.save(samples.user(2), samples.revision(1))
    await asyncio.sleep(0)
    assert complaints == []


async def test_rows_that_wait_are_committed_together(
    store: SqliteMetadataStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []
    begun, go = threading.Event(), threading.Event()

    def commit(connection: sqlite3.Connection, rows: list[tuple[str, *sqlite._Row]]) -> Exception | None:
        batches.append(len(rows))
        begun.set()
        go.wait(10)
        return None

    monkeypatch.setattr(sqlite, "_commit", commit)
    first = asyncio.create_task(store.save(samples.user(1), samples.revision(1)))
    await asyncio.to_thread(begun.wait, 10)
    others = [asyncio.create_task(store.save(samples.user(number), samples.revision(1))) for number in range(2, 6)]
    await asyncio.sleep(0)
    go.set()
    await asyncio.gather(first, *others)
    assert batches == [1, 4]


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 4, 5])
async def test_a_scan_meets_every_row_once_at_the_edges_of_its_pages(
    store: SqliteMetadataStore, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(sqlite, "PAGE_ROWS", 2)
    monkeypatch.setattr(sqlite, "_PAGE", sqlite._PAGE.replace(f"LIMIT {PAGE_ROWS}", "LIMIT 2"))
    users = [samples.user(number) for number in range(1, rows + 1)]
    for user in users:
        await store.save(user, samples.revision(1))
    assert [user async for user, _ in store.scan()] == users


async def test_a_row_of_the_same_version_is_replaced(store: SqliteMetadataStore) -> None:
    user = samples.user()
    first, second = samples.revision(1, tag="first"), samples.revision(1, tag="second")
    await store.save(user, first)
    await store.save(user, second)
    assert await store.get(user) == second


async def test_a_file_that_another_process_locks_is_waited_for_as_long_as_configured(
    impatient: SqliteMetadataStore, tmp_path: Path
) -> None:
    with sqlite3.connect(tmp_path / "metadata.sqlite3") as other:
        other.execute("BEGIN IMMEDIATE")
        async with asyncio.timeout(3):  # sqlite's own patience is 5 s; that of the fixture is shorter
            with pytest.raises(MetadataUnavailable):
                await impatient.check()
    other.close()
