"""A PostgreSQL server with the settings of a small production server rather than those of the tests."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from support.servers.stores.postgres_server import PASSWORD, USER, PostgresServer, _Native, _programs

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = {
    "shared_buffers": "1GB",
    "maintenance_work_mem": "512MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
}
"""What differs from the defaults. Autovacuum has its defaults."""


class _Tuned(_Native):
    def __init__(self) -> None:
        programs = _programs()
        super().__init__(programs, None)
        self._installed = programs[1]

    def start(self) -> None:
        with (self._data / "postgresql.auto.conf").open("a") as settings:
            settings.writelines(f"{name} = '{value}'\n" for name, value in SETTINGS.items())
        super().start()

    def program(self, name: str) -> str:
        return str(self._bin / name)

    @property
    def folder(self) -> Path:
        return self._folder


class TunedPostgres(PostgresServer):
    """It runs as a program of this machine, never in a container, since its files are measured, too."""

    def __init__(self) -> None:
        self._tuned = _Tuned()
        super().__init__(machine=self._tuned)

    @property
    def folder(self) -> Path:
        """Of its data, with room for copies. It goes with the server."""
        return self._tuned.folder

    @property
    def process_id(self) -> int:
        """Of its first process."""
        return self._tuned.process.pid

    @property
    def version(self) -> str:
        """Of the server."""
        return str(self.execute("SHOW server_version")[0][0])

    def command(self, program: str, *arguments: str) -> list[str]:
        """The command line of a program of the same version."""
        return [self._tuned.program(program), *arguments]

    def environment(self, database: str = "postgres") -> dict[str, str]:
        """For libpq, of such a program."""
        connection = {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": USER, "PGPASSWORD": PASSWORD}
        return {**os.environ, **connection, "PGDATABASE": database}
