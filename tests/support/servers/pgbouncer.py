"""A real PgBouncer in transaction mode before the PostgreSQL of the tests."""

from __future__ import annotations

import shutil
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest

from support.servers import native
from support.servers.postgres_server import PASSWORD, USER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.servers.postgres_server import PostgresServer

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


@contextmanager
def pooler(server_port: int) -> Iterator[int]:
    """The port of a pooler that lends a connection for one transaction, to the databases behind the server's port."""
    if shutil.which("pgbouncer") is None and not native.install_with_apt("pgbouncer"):
        native.missing("PgBouncer", "install it (Debian: apt-get install pgbouncer)")
    program = shutil.which("pgbouncer") or "pgbouncer"
    user = native.ordinary_user("postgres")
    folder = native.temporary_folder("pgbouncer", user=user)
    users, configuration, log = folder / "users", folder / "pgbouncer.ini", folder / "log"
    port = native.free_port()
    users.write_text(f'"{USER}" "{PASSWORD}"\n')
    configuration.write_text(
        _CONFIGURATION.format(server_port=server_port, port=port, users=users, size=SERVER_CONNECTIONS)
    )

    def answers() -> bool:
        try:
            url = f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{port}/postgres"
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    process = native.start([program, str(configuration)], folder=folder, log=log, user=user)
    try:
        native.await_answer(answers, process, log)
        yield port
    finally:
        process.kill()
        process.wait(STOP_SECONDS)
        shutil.rmtree(folder, ignore_errors=True)


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
