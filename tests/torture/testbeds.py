"""What is tortured: services over the embedded stores, or over PostgreSQL and MinIO, all of them real processes."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from obscura_backup.adapters.object_stores.probe import SCRATCH_PREFIX
from support.servers.fleet import Fleet
from support.servers.service import COMMAND, Service
from support.servers.stores import postgres_server, s3_servers
from support.servers.stores.postgres_server import PostgresServer
from torture.clock import Clock
from torture.disk import FileLimit, SmallDisk, may_mount

if TYPE_CHECKING:
    import signal
    from collections.abc import Iterable
    from pathlib import Path
    from types import TracebackType

REVIVAL_SECONDS = 120.0


@dataclass
class Runner:
    """One service, its log and its clock; a thread that changes the process holds the lock."""

    service: Service
    log: Path
    clock: Clock | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)

    def revive(self) -> None:
        """Start it, again and again: its disk may be full, its stores silent.

        Raises:
            RuntimeError: it did not start in all that time.
        """
        deadline = time.monotonic() + REVIVAL_SECONDS
        with self.lock, self.log.open("a") as log:
            while True:
                try:
                    # On a busy machine a start takes its time; only one that ended has failed.
                    self.service.start(stderr=log, seconds=deadline - time.monotonic())
                except RuntimeError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.2)
                else:
                    return

    def kill(self) -> None:
        with self.lock:
            self.service.kill()

    def pids(self) -> list[int]:
        """Of all its processes."""
        process = self.service.process
        if process is None or process.poll() is not None:
            return []
        with suppress(OSError):
            return [process.pid, *self.service.workers()]
        return [process.pid]

    def signal(self, number: signal.Signals) -> None:
        for pid in self.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def died_alone(self) -> str | None:
        """What to say of a service that ended by itself."""
        with self.lock:
            process = self.service.process
            if process is None or process.poll() is None:
                return None
            said = f"a service ended by itself, with code {process.returncode}; its log is {self.log}"
            self.service.process = None
            return said


class Testbed:
    """Two services on one pair of stores: one of two workers, to be killed, and one that has to stand all the rest.

    Attributes:
        runners: both, the one to be killed first.
        disks: that can be full, by whose they are.
        figures: of what the faults did, beside their numbers.
        arguments: of each service.
    """

    arguments: tuple[tuple[str, ...], ...] = (("--workers", "2"), ())

    def __init__(self, folder: Path, library: Path | None) -> None:
        self.folder = folder
        self.runners: list[Runner] = []
        self.disks: dict[str, SmallDisk | FileLimit] = {}
        self.figures: Counter[str] = Counter()
        self._library = library
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with self._stack:
            self._prepare()
            for arguments in self.arguments:
                self.runners.append(self._runner(arguments))
                self._stack.callback(self.runners[-1].kill)
            with ThreadPoolExecutor(len(self.runners)) as threads:
                list(threads.map(Runner.revive, self.runners))
            self._stack = self._stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def excuses_loss(self) -> bool:
        """Whether the object store may now deny objects that it has, so that a service takes a backup for lost."""
        return False

    @property
    def impossible(self) -> dict[str, str]:
        """Kinds of faults that this machine does not allow, each with its reason."""
        reasons = {}
        if not self.disks:
            reasons["full disks"] = "no file system can be mounted, or the stores are in containers"
        if self._library is None:
            reasons["clock jumps"] = "there is no libfaketime"
        return reasons

    def scrub(self, *options: str) -> dict[str, object]:
        """The summary of a scrub."""
        done = subprocess.run(
            [str(COMMAND), "scrub", "--json", *options, *self._operator_arguments()],
            env=self.runners[0].service.full_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        lines = done.stdout.splitlines()
        if not lines:
            raise RuntimeError(f"scrub said nothing: {done.stderr}")
        summary: dict[str, object] = json.loads(lines[-1])
        return summary

    def mend(self) -> None:
        """Have the stores running, whatever was done to them."""

    def leftovers(self) -> Iterable[str]:
        """What is in the stores, now that the services are stopped, and should not be."""
        return ()

    def _prepare(self) -> None:
        raise NotImplementedError

    def _service(self, number: int, arguments: tuple[str, ...], environment: dict[str, str]) -> Service:
        raise NotImplementedError

    def _operator_arguments(self) -> tuple[str, ...]:
        return ()

    def _small_disk(self, name: str, mebibytes: int) -> SmallDisk | None:
        if not may_mount(self.folder):
            return None
        disk = self._stack.enter_context(SmallDisk(self.folder / name, mebibytes))
        self.disks[name] = disk
        return disk

    def _runner(self, arguments: tuple[str, ...]) -> Runner:
        number = len(self.runners)
        clock = Clock(self._library, self.folder / f"clock-{number}") if self._library else None
        service = self._service(number, arguments, clock.environment() if clock else {})
        return Runner(service, self.folder / f"service-{number}.log", clock)


class EmbeddedTestbed(Testbed):
    """Both services on one data directory."""

    def _prepare(self) -> None:
        disk = self._small_disk("embedded", 64)
        if disk is None and FileLimit.is_possible():
            self.disks["embedded"] = FileLimit(lambda: [pid for runner in self.runners for pid in runner.pids()])
        home = disk.folder if disk else self.folder
        self._data, self._spools = home / "data", home / "spools"
        self._spools.mkdir()

    def _service(self, number: int, arguments: tuple[str, ...], environment: dict[str, str]) -> Service:
        return Service(self._data, {**environment, "TMPDIR": str(self._spools)}, arguments)

    def _operator_arguments(self) -> tuple[str, ...]:
        return ("--data-dir", str(self._data))

    def leftovers(self) -> Iterable[str]:
        """Uploads that were being written, and bodies that were being received.

        The workers' counts are ignored: a parent that is killed leaves its folder of them in /tmp.
        """
        spools = [path for path in self._spools.iterdir() if not path.name.startswith("obscura-backup-metrics-")]
        for path in (*self._data.glob("blobs/incoming/*"), *self._data.glob("blobs/backups/*/.*"), *spools):
            yield str(path.relative_to(self._data.parent))


class FleetTestbed(Testbed):
    """Both services on PostgreSQL and MinIO, each behind a proxy."""

    def _prepare(self) -> None:
        # The disk of a container is out of reach.
        disk = None if postgres_server.runs_in_container() else self._small_disk("postgres", 256)
        self.postgres = PostgresServer(within=disk.folder if disk else None)
        self._stack.callback(self.postgres.remove)
        self.postgres.start()
        disk = None if s3_servers.minio_runs_in_container() else self._small_disk("minio", 256)
        self.minio = s3_servers.minio(disk.folder if disk else None)
        self._stack.callback(self.minio.remove)
        self.minio.start()
        self.fleet = self._stack.enter_context(Fleet(self.postgres, self.minio, self.folder))
        self.locks = {"postgres": threading.RLock(), "minio": threading.RLock()}

    def _service(self, number: int, arguments: tuple[str, ...], environment: dict[str, str]) -> Service:
        return Service(self.folder / f"data-{number}", {**self.fleet.environment(), **environment}, arguments)

    def mend(self) -> None:
        """See `Testbed.mend`. Without room for its log PostgreSQL gives up, and an operator has to start it."""
        with self.locks["postgres"]:
            if not self.postgres.is_well():
                self.postgres.kill()
                self.postgres.start()
        with self.locks["minio"]:
            if not self.minio.is_well():
                self.minio.kill()
                self.minio.start()

    def leftovers(self) -> Iterable[str]:
        """Objects without an owner, and connections that no process holds any more.

        A scratch object may be there: a service that is killed while it tries the store out leaves one.
        """
        witness = self.minio.witness()
        users = {f"backups/{row[0]}" for row in self._rows("SELECT user_id FROM backups")}
        for entry in witness.list_objects(bucket_name=self.fleet.bucket, recursive=True):
            if entry.object_name not in users and not str(entry.object_name).startswith(SCRATCH_PREFIX):
                yield f"object {entry.object_name}"
        for row in self._rows(
            "SELECT state, query FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ):
            yield f"connection {row}"

    def _rows(self, statement: str) -> list[tuple[object, ...]]:
        return self.postgres.execute(statement, database=self.fleet.database)
