"""Two real PostgreSQL servers, a primary and a standby that follows it by streaming replication."""

from __future__ import annotations

import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from obscura_backup.adapters.postgres import schema as postgres_schema
from support.servers.stores.postgres_server import PASSWORD, USER, PostgresServer, _Native, _programs

if TYPE_CHECKING:
    from collections.abc import Iterator

DATABASE = "switched"
FOLLOW_SECONDS = 30.0
PROMOTE_SECONDS = 30


class _Member(_Native):
    """A server that can follow another one."""

    def __init__(self) -> None:
        programs = _programs()
        super().__init__(programs, None)
        self._installed = programs[1]

    def copy(self, other: _Member) -> None:
        """Have the data of the other one, which is stopped."""
        shutil.rmtree(self._data)
        subprocess.run(["cp", "-a", str(other._data), str(self._data)], check=True, timeout=60)

    def follow(self, port: int) -> None:
        """From the next start on, be the standby of the server at this port."""
        conninfo = f"host=127.0.0.1 port={port} user={USER} password={PASSWORD}"
        self.configure(f"primary_conninfo = '{conninfo}'", "wal_keep_size = '64MB'")
        signal = self._data / "standby.signal"
        signal.touch()
        if self._user is not None:
            shutil.chown(signal, self._user)

    def promote(self) -> None:
        self._run("pg_ctl", "promote", "--wait", "--timeout", str(PROMOTE_SECONDS), "--pgdata", str(self._data))

    def configure(self, *lines: str) -> None:
        """From the next start on, have these settings."""
        with (self._data / "postgresql.auto.conf").open("a") as settings:
            settings.writelines(f"{line}\n" for line in lines)

    def rewind(self, source: str) -> None:
        """Have the data of the server at the URL `source`, by way of `pg_rewind`; it is stopped.

        Raises:
            RuntimeError: `pg_rewind` refuses.
        """
        self._run("pg_rewind", "--target-pgdata", str(self._data), "--source-server", source, "--no-sync")

    def replace_by_base_backup(self, source: str) -> None:
        """Have the data of the server at the URL `source`, all of it sent anew; it is stopped."""
        shutil.rmtree(self._data)
        options = ("--checkpoint", "fast", "--no-sync")
        self._run("pg_basebackup", "--pgdata", str(self._data), "--dbname", source, *options)

    def lead(self) -> None:
        """From the next start on, be no standby."""
        (self._data / "standby.signal").unlink(missing_ok=True)


class PostgresPair:
    """`primary` and `standby`, until a switch-over makes the one the other."""

    def __init__(self) -> None:
        self._members = [_Member(), _Member()]
        self._servers = [PostgresServer(machine=member) for member in self._members]
        self._leader = 0
        self.primary.start()
        self.primary.execute(f"CREATE DATABASE {DATABASE}")
        postgres_schema.migrate(self.url)
        self.rebuild()

    @property
    def primary(self) -> PostgresServer:
        return self._servers[self._leader]

    @property
    def standby(self) -> PostgresServer:
        return self._servers[1 - self._leader]

    @property
    def url(self) -> str:
        """Of the database on the primary."""
        return self.primary.url_of(DATABASE)

    def url_through(self, *ports: int, options: str = "") -> str:
        """Of the database, by the addresses with these ports."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        return f"postgresql://{USER}:{PASSWORD}@{hosts}/{DATABASE}{options}"

    def rebuild(self) -> None:
        """Make the standby anew from the primary, whatever became of it."""
        leading, following = self._members[self._leader], self._members[1 - self._leader]
        for server in self._servers:
            server.stop(immediate=False)
        following.copy(leading)
        leading.lead()
        following.follow(self.replication_port(self.primary))
        for server in (self.primary, self.standby):
            server.start()
        self.await_standby()

    def replication_port(self, server: PostgresServer) -> int:
        """Where a standby of this server finds it."""
        return server.port

    def await_standby(self) -> None:
        """Wait until the standby has all that the primary wrote so far."""
        deadline = time.monotonic() + FOLLOW_SECONDS
        ((written,),) = self.primary.execute("SELECT pg_current_wal_lsn()::text")
        while self.standby.execute(f"SELECT pg_last_wal_replay_lsn() >= '{written}'::pg_lsn") != [(True,)]:
            assert time.monotonic() < deadline, "the standby does not follow"
            time.sleep(0.05)

    def promote(self) -> None:
        """Make the standby the primary, as `pg_ctl promote` does; what becomes of the other one is for the caller."""
        self._members[1 - self._leader].promote()
        self._leader = 1 - self._leader

    def demote(self) -> None:
        """Restart the primary as a standby of what is going to be promoted."""
        self.primary.stop(immediate=False)
        self._members[self._leader].follow(self.standby.port)
        self.primary.start()

    def remove(self) -> None:
        for server in self._servers:
            server.remove()


@pytest.fixture(scope="module")
def postgres_pair() -> Iterator[PostgresPair]:
    """A primary and its standby with a migrated database; a test that breaks them rebuilds them."""
    pair = PostgresPair()
    try:
        yield pair
    finally:
        pair.remove()
