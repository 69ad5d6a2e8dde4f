"""A real S3 server for the tests, and one that is a program of this machine."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import socket
import subprocess
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import urllib3
from minio import Minio

from support.servers.programs import native

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

ACCESS_KEY = "an-access-key"
SECRET_KEY = "a-secret-that-no-log-may-hold"
REGION = "us-east-1"
STOP_SECONDS = 20.0


class S3Server(ABC):
    """One server on a port of its own; port and data outlive a stop."""

    def __init__(self) -> None:
        self.port = native.free_port()
        self._numbers = itertools.count(1)
        self._running = False
        self._pool = urllib3.PoolManager(timeout=10.0, retries=False)

    @property
    def endpoint(self) -> str:
        return self.endpoint_at(self.port)

    def endpoint_at(self, port: int) -> str:
        """The endpoint by another port that leads here."""
        return f"http://127.0.0.1:{port}"

    @property
    def pid(self) -> int | None:
        """Of the running program; None in a container."""
        return None

    def witness(self, access_key: str = ACCESS_KEY, secret_key: str = SECRET_KEY) -> Minio:
        """MinIO's own client, which shares no code with the adapter, to see what is really in a bucket."""
        return Minio(
            endpoint=f"127.0.0.1:{self.port}",
            access_key=access_key,
            secret_key=secret_key,
            secure=False,
            region=REGION,
            http_client=self._pool,
        )

    def new_bucket(self) -> str:
        """The name of a bucket that did not exist before."""
        name = f"bucket-{next(self._numbers)}"
        self.witness().make_bucket(bucket_name=name)
        return name

    def remove_bucket(self, name: str) -> None:
        """Remove a bucket and what is in it."""
        for entry in self.witness().list_objects(bucket_name=name, recursive=True):
            self.witness().remove_object(bucket_name=name, object_name=entry.object_name or "")
        self.witness().remove_bucket(bucket_name=name)

    def start(self) -> None:
        if not self._running:
            process, log = self._start()
            self._running = True
            native.await_answer(self._answers, process, log)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._running:
            self._kill()
            self._running = False
            self._pool.clear()

    def is_well(self) -> bool:
        """Whether it answers, or will within some seconds."""
        try:
            native.await_answer(self._answers, None, None, seconds=5)
        except RuntimeError:
            return False
        return True

    def freeze(self) -> None:
        """Let it be silent, its connections open, until `thaw`."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def remove(self) -> None:
        self.kill()
        self._remove()

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                pass
            self.witness().list_buckets()
        except Exception:  # noqa: BLE001  # whatever it says, it is not ready
            return False
        return True

    @abstractmethod
    def _start(self) -> tuple[subprocess.Popen[bytes] | None, Path | None]: ...

    @abstractmethod
    def _kill(self) -> None: ...

    @abstractmethod
    def _signal(self, number: signal.Signals) -> None: ...

    @abstractmethod
    def _remove(self) -> None: ...


class ProgramServer(S3Server):
    """A server as a program of this machine."""

    def __init__(
        self,
        name: str,
        command: Callable[[int, Path], Sequence[str | Path]],
        environment: dict[str, str],
        *,
        within: Path | None = None,
    ) -> None:
        super().__init__()
        self._command = command
        self._environment = environment
        self._folder = native.temporary_folder(name, user=None, within=within)
        (self._folder / "data").mkdir()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def _start(self) -> tuple[subprocess.Popen[bytes], Path]:
        log = self._folder / "log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command(self.port, self._folder),
                cwd=self._folder,
                env={"PATH": os.environ.get("PATH", ""), "HOME": str(self._folder), **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        return self._process, log

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_SECONDS)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _remove(self) -> None:
        self._pool.clear()
        shutil.rmtree(self._folder, ignore_errors=True)
