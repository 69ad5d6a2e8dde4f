"""A real PgBouncer in transaction mode before the PostgreSQL of the tests."""

from __future__ import annotations

import shutil
import signal
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest

from support.servers.programs import native
from support.servers.stores.postgres_server import PASSWORD, USER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.servers.stores.postgres_server import PostgresServer

SERVER_CONNECTIONS = 3
"""Fewer than the clients, so that a client does meet another's server connection."""
STOP_SECONDS = 10.0
_CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={server_port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 200
server_login_retry = 1
"""


class Pooler:
    """A running pooler that lends a connection for one transaction.

    Args:
        server_port: of the server whose databases it has.
        size: how many connections to the server it makes.
    """

    def __init__(self, server_port: int, *, size: int = SERVER_CONNECTIONS) -> None:
        if shutil.which("pgbouncer") is None and not native.install_with_apt("pgbouncer"):
            native.missing("PgBouncer", "install it (Debian: apt-get install pgbouncer)")
        user = native.ordinary_user("postgres")
        self.port = native.free_port()
        self._size = size
        self._folder = native.temporary_folder("pgbouncer", user=user)
        self._configuration, log = self._folder / "pgbouncer.ini", self._folder / "log"
        (self._folder / "users").write_text(f'"{USER}" "{PASSWORD}"\n')
        self._configure(server_port)
        program = shutil.which("pgbouncer") or "pgbouncer"
        self._process = native.start([program, str(self._configuration)], folder=self._folder, log=log, user=user)
        try:
            native.await_answer(self._answers, self._process, log)
        except RuntimeError:
            self.remove()
            raise

    def point_to(self, server_port: int) -> None:
        """Lend connections to another server from now on, as an operator does it: by its file and a reload."""
        self._configure(server_port)
        self._process.send_signal(signal.SIGHUP)

    def remove(self) -> None:
        self._process.kill()
        self._process.wait(STOP_SECONDS)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _configure(self, server_port: int) -> None:
        users = self._folder / "users"
        self._configuration.write_text(
            _CONFIGURATION.format(server_port=server_port, port=self.port, users=users, size=self._size)
        )

    def _answers(self) -> bool:
        try:
            url = f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/postgres"
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def pooler(server_port: int) -> Iterator[int]:
    """The port of a `Pooler`, which is removed at the end."""
    made = Pooler(server_port)
    try:
        yield made.port
    finally:
        made.remove()


@pytest.fixture(scope="session")
def pgbouncer_port(postgres_server: PostgresServer) -> Iterator[int]:
    """The port of a pooler before the server that all tests share."""
    with pooler(postgres_server.port) as port:
        yield port


def fill(url: str) -> None:
    """Let the pooler at this URL make as many sessions as it may."""
    with ExitStack() as stack:
        connections = [
            stack.enter_context(closing(psycopg.connect(url, prepare_threshold=None)))
            for _ in range(SERVER_CONNECTIONS)
        ]
        for connection in connections:
            connection.execute("SELECT 1")  # in a transaction, which keeps the session until it ends
        for connection in connections:
            connection.commit()  # closed within a transaction, the pooler would not keep the session
