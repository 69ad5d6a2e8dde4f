"""The servers of a benchmark: the service on each kind of store, and beneath or beside it what sets the floor."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from uuid import NAMESPACE_OID, uuid5

from support.servers.programs import native
from support.servers.service import COMMAND, SECRET, Service, signed
from support.servers.stores.postgres_server import PostgresServer
from support.servers.stores.s3_server import ACCESS_KEY, REGION, SECRET_KEY, S3Server
from support.servers.stores.s3_servers import minio
from support.sessions.signals import give_children_default_signals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from benchmarks.cases import Case

ROOT = Path(__file__).parents[1]
FAR_MS = 40
"""Round trip to the object store that is far away. PostgreSQL stays near."""
CONNECTIONS = 16
"""To PostgreSQL, for the floor as for the service (its default)."""
TOKEN_SECONDS = 6 * 3600
# High enough never to matter. 0 would switch the accounting off, which is part of what is measured.
UNLIMITED = {"OBSCURA_BACKUP_RATE_PER_USER": "1000000000", "OBSCURA_BACKUP_RATE_PER_ADDRESS": "1000000000"}


@dataclass(frozen=True)
class Target:
    """What the generator puts load on.

    Attributes:
        job: the fields of the generator's job that describe it.
        processes: whose processor time counts, by name.
    """

    job: Mapping[str, Any]
    processes: Mapping[str, int]

    def job_for(self, case: Case, *, per_second: float = 0.0) -> dict[str, Any]:
        """A whole job; with `per_second` an open loop."""
        users = [str(uuid5(NAMESPACE_OID, f"user {number}")) for number in range(case.clients)]
        expires = int(time.time()) + TOKEN_SECONDS
        return {
            **self.job,
            "call": case.call,
            "bytes": case.bytes,
            "users": users,
            "tokens": [signed({"sub": user, "exp": expires}, SECRET) for user in users],
            "per_second": per_second,
        }


@dataclass(frozen=True)
class Testbed:
    """A running service and its floor."""

    service: Target
    floor: Target


class Servers:
    """Starts what backends need, in a folder of its own; closes all of it at the end.

    Args:
        generator: the Go program, which also forwards with a delay.
        workers: processes of each service.
    """

    def __init__(self, generator: Path, *, workers: int = 1) -> None:
        self._generator = generator
        self._workers = workers
        self._stack = ExitStack()
        self.folder = Path(tempfile.mkdtemp(prefix="obscura-bench-"))
        self._stack.callback(shutil.rmtree, self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @cached_property
    def postgres(self) -> PostgresServer:
        """PostgreSQL, started when it is first asked for."""
        server = PostgresServer()
        self._stack.callback(server.remove)
        server.start()
        return server

    @cached_property
    def s3(self) -> S3Server:
        """MinIO, in the same way."""
        server = minio()
        self._stack.callback(server.remove)
        server.start()
        return server

    @contextmanager
    def memory(self, command: Path = COMMAND) -> Iterator[Testbed]:
        """The service on stores in memory; the floor is a bare Litestar route."""
        stores = {"OBSCURA_BACKUP_METADATA_URL": "memory:", "OBSCURA_BACKUP_BLOBS_URL": "memory:"}
        with self._service(command, stores) as service, self._bare_route() as floor:
            yield Testbed(service, floor)

    @contextmanager
    def embedded(self, command: Path = COMMAND) -> Iterator[Testbed]:
        """The service on files and SQLite; the floor is the same durable write, and the row in SQLite."""
        with self._service(command, {}) as service:
            folder = tempfile.mkdtemp(prefix="floor-", dir=self.folder)
            yield Testbed(service, Target({"target": "files", "folder": folder}, {}))

    @contextmanager
    def near(self, command: Path = COMMAND) -> Iterator[Testbed]:
        """The service on PostgreSQL and MinIO; the floor is the same conditional PUT within one transaction."""
        with self._on_servers(command, self.s3.port) as testbed:
            yield testbed

    @contextmanager
    def far(self, command: Path = COMMAND) -> Iterator[Testbed]:
        """The same with MinIO 40 ms away."""
        port = native.free_port()
        forward = [str(self._generator), "forward", str(port), str(self.s3.port), str(FAR_MS / 2)]
        with _running(forward, port), self._on_servers(command, port) as testbed:
            yield testbed

    @contextmanager
    def _on_servers(self, command: Path, s3_port: int) -> Iterator[Testbed]:
        database = self.postgres.url_of(self.postgres.new_database())
        bucket = self.s3.new_bucket()
        stores = {
            "OBSCURA_BACKUP_METADATA_URL": database,
            "OBSCURA_BACKUP_BLOBS_URL": f"s3://{bucket}?endpoint=http://127.0.0.1:{s3_port}",
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        }
        pids = {"postgres": self.postgres.pid, "minio": self.s3.pid}
        processes = {name: pid for name, pid in pids.items() if pid is not None}  # without those in containers
        floor = {
            "target": "stores",
            "database_url": database,
            "connections": CONNECTIONS,
            "bucket": {
                "address": f"127.0.0.1:{s3_port}",
                "name": bucket,
                "access_key": ACCESS_KEY,
                "secret_key": SECRET_KEY,
                "region": REGION,
            },
        }
        with self._service(command, stores, migrated=True) as service:
            yield Testbed(Target(service.job, {**service.processes, **processes}), Target(floor, processes))

    @contextmanager
    def _service(self, command: Path, stores: dict[str, str], *, migrated: bool = False) -> Iterator[Target]:
        data_dir = Path(tempfile.mkdtemp(prefix="data-", dir=self.folder))
        arguments = ("--workers", str(self._workers), "--log-level", "warning")
        service = Service(data_dir, {**UNLIMITED, **stores}, arguments, command=command)
        if migrated:
            subprocess.run([str(command), "migrate"], env=service.full_environment(), check=True, capture_output=True)
        try:
            with (self.folder / "log").open("a") as log:
                service.start(stderr=log)
            yield _service_at(service.port, service.pid)
        finally:
            service.kill()

    @contextmanager
    def _bare_route(self) -> Iterator[Target]:
        port = native.free_port()
        command = [sys.executable, "-m", "uvicorn", "benchmarks.bare_app:app", "--port", str(port), "--loop", "uvloop"]
        with _running([*command, "--http", "httptools", "--log-level", "warning"], port) as process:
            yield _service_at(port, process.pid)


BACKENDS: Mapping[str, Callable[[Servers, Path], AbstractContextManager[Testbed]]] = {
    "memory": Servers.memory,
    "embedded": Servers.embedded,
    "near": Servers.near,
    "far": Servers.far,
}
TITLES = {
    "memory": "stores in memory; floor: a bare Litestar route",
    "embedded": "files and SQLite; floor: the same durable write and commit, without a service",
    "near": "PostgreSQL and MinIO; floor: the same PUT and transaction, without a service",
    "far": f"PostgreSQL, and MinIO {FAR_MS} ms away; floor: the same PUT and transaction, without a service",
}


def prepare_to_be_ended() -> None:
    """Let a signal to end this process stop the servers first, and let them start with the default signal actions."""
    give_children_default_signals()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def _service_at(port: int, pid: int) -> Target:
    return Target({"target": "service", "address": f"127.0.0.1:{port}"}, {"service": pid})


@contextmanager
def _running(command: list[str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL)
    try:
        native.await_answer(lambda: _listens(port), process, None, seconds=30)
        yield process
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
