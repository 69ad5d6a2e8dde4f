"""A primary and its standby change places, and the address of the database follows some seconds later."""

from __future__ import annotations

import asyncio
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg
import pytest

from contracts import samples
from contracts.metadata_store import saved
from obscura_backup.adapters.postgres.store import PostgresMetadataStore
from obscura_backup.domain.errors import MetadataUnavailable
from obscura_backup.entrypoints.settings import load_settings
from support.servers.proxies.fault_proxy import FaultProxy
from support.servers.service import COMMAND, Person, Service
from support.servers.stores.pgbouncer import fill, pooler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from integration.postgres.conftest import StartStore
    from support.servers.stores.postgres_pair import PostgresPair

RECOVERY_SECONDS = 5.0
"""The promise: uploads work so soon after the address points at a server that takes writes."""
MOVE_SECONDS = 2.0
"""How long after the switch-over the address moves."""
PEOPLE = 6


@pytest.fixture
def address(postgres_pair: PostgresPair) -> Iterator[FaultProxy]:
    """The address of the database: connections that there are stay where they lead when it moves."""
    with FaultProxy(postgres_pair.primary.port) as forwarder:
        yield forwarder


@pytest.fixture
async def store(postgres_pair: PostgresPair, address: FaultProxy, start_store: StartStore) -> PostgresMetadataStore:
    return await start_store(postgres_pair.url_through(address.port))


class Uploads:
    """People who upload one version after the other, and send it again where it was not acknowledged."""

    def __init__(self, service: Service) -> None:
        self.people = [Person.of(service) for _ in range(PEOPLE)]
        self.acknowledged: dict[Person, bytes] = {}
        self.at: dict[int, float] = {}
        self.refusals = 0
        self._ending = threading.Event()

    def go_on(self, number: int) -> tuple[str, bytes]:
        """Upload until `end`: the version and the bytes that were acknowledged last."""
        person, version, acknowledged = self.people[number], "0", b""
        body = f"person {number} version 1".encode().ljust(100, b".")
        while not self._ending.is_set():
            answer = person.upload(body, if_match=version)
            if answer.status == 200:
                self.at[number] = time.monotonic()
                version, acknowledged = answer.etag, body
                body = f"person {number} after {version}".encode().ljust(100, b".")
            else:
                assert answer.status == 503, answer.body
                self.refusals += 1
            time.sleep(0.05)
        return version, acknowledged

    def end(self) -> None:
        self._ending.set()

    def all_since(self, moment: float) -> bool:
        return len(self.at) == PEOPLE and all(at > moment for at in self.at.values())


def restart_as_standby(pair: PostgresPair) -> None:
    pair.demote()
    pair.promote()


def stop(pair: PostgresPair) -> None:
    pair.primary.stop(immediate=False)
    pair.promote()


def crash(pair: PostgresPair) -> None:
    pair.await_standby()  # what was acknowledged is in the object anyway; this keeps the rows' lag small
    pair.primary.stop(immediate=True)
    pair.promote()


def freeze(pair: PostgresPair) -> None:
    pair.primary.freeze()
    pair.promote()


@pytest.mark.parametrize("switch_over", [restart_as_standby, stop, crash, freeze])
def test_uploads_work_soon_after_the_address_moved_and_none_is_lost(
    postgres_pair: PostgresPair, address: FaultProxy, tmp_path: Path, switch_over: Callable[[PostgresPair], None]
) -> None:
    pair = postgres_pair
    service = Service(tmp_path, {"OBSCURA_BACKUP_METADATA_URL": pair.url_through(address.port)})
    service.start()
    uploads = Uploads(service)
    old_primary = pair.primary
    try:
        with ThreadPoolExecutor(PEOPLE) as threads:
            ends = [threads.submit(uploads.go_on, number) for number in range(PEOPLE)]
            try:
                await_true(lambda: uploads.all_since(0.0), 20)
                switch_over(pair)
                switched = time.monotonic()
                time.sleep(MOVE_SECONDS)
                assert not any(at > switched for at in uploads.at.values()), "nothing takes writes at that address"
                assert service.request("GET", "/health/ready", token=None).json["status"] == "degraded"
                address.target_port = pair.primary.port
                moved = time.monotonic()
                await_true(lambda: uploads.all_since(moved), RECOVERY_SECONDS)
                await_true(lambda: is_well(service), RECOVERY_SECONDS)
            finally:
                uploads.end()
            for person, end in zip(uploads.people, ends, strict=True):
                version, body = end.result()
                answer = person.download()
                # The last one of all may have been stored without an answer.
                assert (answer.etag, answer.body) == (version, body) or int(answer.etag[1:-1]) > int(version[1:-1])
                assert person.upload(b"x" * 64, if_match=answer.etag).status == 200
    finally:
        service.kill()
        if switch_over is freeze:
            old_primary.thaw()
        pair.rebuild()


async def test_switching_there_and_back_again(
    postgres_pair: PostgresPair, address: FaultProxy, store: PostgresMetadataStore
) -> None:
    user = samples.user()
    for version in (1, 2, 3):
        revision = samples.revision(version)
        await saved(store, user, revision)
        await asyncio.to_thread(restart_as_standby, postgres_pair)
        address.target_port = postgres_pair.primary.port
        await recovery(store)
        assert await store.get(user) == revision


async def test_server_that_only_reads_is_not_connected_to_over_and_over(
    postgres_pair: PostgresPair, caplog: pytest.LogCaptureFixture
) -> None:
    with FaultProxy(postgres_pair.standby.port) as forwarder:
        store = PostgresMetadataStore(postgres_pair.url_through(forwarder.port))
        await store.start()
        began = time.monotonic()
        refused = 0
        while (lasted := time.monotonic() - began) < 3:
            outcomes = await asyncio.gather(
                *(saved(store, samples.user(), samples.revision(1)) for _ in range(20)), return_exceptions=True
            )
            assert {type(outcome) for outcome in outcomes} == {MetadataUnavailable}
            refused += len(outcomes)
            await asyncio.sleep(0.01)
        assert refused > 200
        # One caller a second may look, and the pool tries at most once more for each connection that it misses.
        assert forwarder.connections <= 5 * (lasted + 1)
        assert forwarder.open_connections == 0
        assert caplog.text.count("read-only") == 1
        await store.close()


async def test_uploads_work_where_the_standby_itself_is_promoted(
    postgres_pair: PostgresPair, start_store: StartStore
) -> None:
    store = await start_store(postgres_pair.url_through(postgres_pair.standby.port))
    with pytest.raises(MetadataUnavailable, match="read-only"):
        await store.check()
    await asyncio.to_thread(restart_as_standby, postgres_pair)
    await recovery(store)
    await saved(store, samples.user(), samples.revision(1))


async def test_server_that_is_told_to_only_read_empties_the_pool(
    postgres_pair: PostgresPair, store: PostgresMetadataStore
) -> None:
    server = postgres_pair.primary
    await asyncio.gather(*(saved(store, samples.user(), samples.revision(1)) for _ in range(20)))
    before = sessions(postgres_pair)
    for statement in ("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"):
        server.execute(statement)
    await asyncio.sleep(0.3)  # each of the server's processes reads its settings when it next has nothing to do
    try:
        with pytest.raises(MetadataUnavailable, match="read-only"):
            await saved(store, samples.user(), samples.revision(1))
        with pytest.raises(MetadataUnavailable, match="read-only"):
            await store.check()
        await await_async(lambda: not before & sessions(postgres_pair))
    finally:
        for statement in (
            "SET default_transaction_read_only = off; ALTER SYSTEM RESET default_transaction_read_only",
            "SELECT pg_reload_conf()",
        ):
            reset(postgres_pair, statement)
    await recovery(store)


async def test_sessions_of_a_pooler_from_before_the_address_moved_are_not_kept(
    postgres_pair: PostgresPair, address: FaultProxy
) -> None:
    """The pooler connects to the demoted server while the address still leads there, and would go on lending that."""
    with pooler(address.port) as port:
        store = PostgresMetadataStore(postgres_pair.url_through(port))
        await store.start()
        await asyncio.gather(*(saved(store, samples.user(), samples.revision(1)) for _ in range(20)))
        await asyncio.to_thread(restart_as_standby, postgres_pair)
        # Sessions of the pooler to the server that only reads, as many as it makes, kept by someone who only reads.
        await asyncio.to_thread(fill, postgres_pair.url_through(port))
        until = time.monotonic() + MOVE_SECONDS
        while time.monotonic() < until:
            with pytest.raises(MetadataUnavailable):
                await saved(store, samples.user(), samples.revision(1))
            await asyncio.sleep(0.05)
        await asyncio.to_thread(fill, postgres_pair.url_through(port))
        address.target_port = postgres_pair.primary.port
        await recovery(store)
        await asyncio.gather(*(saved(store, samples.user(), samples.revision(1)) for _ in range(20)))
        await store.close()


@pytest.mark.parametrize("options", ["?target_session_attrs=read-write", ""])
async def test_several_hosts_in_the_url_lead_to_the_one_that_takes_writes(
    postgres_pair: PostgresPair, tmp_path: Path, options: str
) -> None:
    ports = postgres_pair.standby.port, postgres_pair.primary.port
    url = postgres_pair.url_through(*ports, options=options)
    settings = load_settings({"data_dir": tmp_path}, {"OBSCURA_BACKUP_METADATA_URL": url})
    assert settings.metadata_kind == "postgresql"
    service = Service(tmp_path, {"OBSCURA_BACKUP_METADATA_URL": url})
    service.start()
    try:
        person = Person.of(service)
        assert person.upload(b"x" * 64).status == 200
        assert is_well(service)
        await asyncio.to_thread(restart_as_standby, postgres_pair)
        switched = time.monotonic()
        while person.upload(b"y" * 64, if_match="1").status != 200:
            assert time.monotonic() - switched < RECOVERY_SECONDS
        done = doctor(service)
        assert "✗" not in done.stdout, done.stdout
    finally:
        service.kill()


def test_doctor_says_that_a_standby_takes_no_uploads(postgres_pair: PostgresPair, tmp_path: Path) -> None:
    url = postgres_pair.url_through(postgres_pair.standby.port)
    done = doctor(Service(tmp_path, {"OBSCURA_BACKUP_METADATA_URL": url}))
    assert done.returncode == 5
    assert "target_session_attrs=read-write" in done.stdout


def doctor(service: Service) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(COMMAND), "doctor", "--data-dir", str(service.data_dir)],
        env=service.full_environment(),
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def is_well(service: Service) -> bool:
    return bool(service.request("GET", "/health/ready", token=None).json["status"] == "ok")


def await_true(is_so: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"not within {seconds:g} s"
        time.sleep(0.02)


async def await_async(is_so: Callable[[], bool], seconds: float = 10) -> None:
    await asyncio.to_thread(await_true, is_so, seconds)


async def recovery(store: PostgresMetadataStore) -> None:
    """Wait until an upload's row is saved, no longer than was promised."""
    deadline = time.monotonic() + RECOVERY_SECONDS
    while True:
        try:
            await saved(store, samples.user(), samples.revision(1))
        except MetadataUnavailable:
            assert time.monotonic() < deadline, "the address leads to a server that takes writes, and uploads fail"
            await asyncio.sleep(0.02)
        else:
            return


def sessions(pair: PostgresPair) -> set[int]:
    """The processes that serve the service's connections on the primary."""
    rows = pair.primary.execute("SELECT pid FROM pg_stat_activity WHERE application_name = 'obscura-backup'")
    return {pid for (pid,) in rows}


def reset(pair: PostgresPair, statements: str) -> None:
    with psycopg.connect(pair.url, autocommit=True) as connection:
        for statement in statements.split("; "):
            connection.execute(statement.encode())
