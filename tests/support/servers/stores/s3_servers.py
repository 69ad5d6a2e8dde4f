"""Real S3 servers for the tests, written by different people: MinIO, Versity's gateway over a directory, and gofakes3.

An old version of gofakes3 stands for stores that know no conditional writes.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import socket
import subprocess
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import urllib3
from minio import Minio

from support.servers.programs import containers, native
from support.servers.programs.containers import Container
from support.servers.programs.go_programs import Builds, GoProgram
from support.servers.stores import gcs_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

ACCESS_KEY = "an-access-key"
SECRET_KEY = "a-secret-that-no-log-may-hold"
REGION = "us-east-1"
STOP_SECONDS = 20.0

MINIO = GoProgram("minio", "github.com/minio/minio", containers.minio_version())
GOFAKES3 = GoProgram("gofakes3", "github.com/johannesboyne/gofakes3/cmd/gofakes3", "v1.2.0")
GOFAKES3_OF_2024 = replace(GOFAKES3, version="v0.0.0-20240217095638-c55a48f17be6")
VERSITYGW = GoProgram("versitygw", "github.com/versity/versitygw/cmd/versitygw", "v1.8.0")

_MINIO_ENVIRONMENT = {
    "MINIO_ROOT_USER": ACCESS_KEY,
    "MINIO_ROOT_PASSWORD": SECRET_KEY,
    "MINIO_UPDATE": "off",
    "MINIO_BROWSER": "off",
    "MINIO_CALLHOME_ENABLE": "off",
}
_builds = Builds()


class S3Server(ABC):
    """One server on a port of its own; port and data outlive a stop."""

    def __init__(self) -> None:
        self.port = native.free_port()
        self._numbers = itertools.count(1)
        self._running = False
        self._pool = urllib3.PoolManager(timeout=10.0, retries=False)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

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


class MinioContainer(S3Server):
    """MinIO in a container."""

    def __init__(self) -> None:
        super().__init__()
        self._container = Container(
            containers.image("MINIO_IMAGE"),
            inside=9000,
            port=self.port,
            environment=_MINIO_ENVIRONMENT,
            command="server /data",
        )

    def _start(self) -> tuple[None, None]:
        self._container.start()
        return None, None

    def _kill(self) -> None:
        self._container.kill()

    def _signal(self, number: signal.Signals) -> None:
        self._container.signal(number)

    def _remove(self) -> None:
        self._container.remove()


def minio_runs_in_container() -> bool:
    """Whether `minio` starts containers here; the image that `docker compose build minio` makes is in no registry."""
    return containers.has_image(containers.image("MINIO_IMAGE"), pull="MINIO_IMAGE" in os.environ)


def minio(within: Path | None = None) -> S3Server:
    """MinIO, not started; as a program of this machine it keeps its data `within` a folder."""
    if minio_runs_in_container():
        return MinioContainer()
    program = _builds.path_of(MINIO)
    return ProgramServer(
        "minio",
        lambda port, folder: [program, "server", folder / "data", "--address", f"127.0.0.1:{port}", "--quiet"],
        _MINIO_ENVIRONMENT,
        within=within,
    )


def _versitygw() -> S3Server:
    program = _builds.path_of(VERSITYGW)

    def command(port: int, folder: Path) -> Sequence[str | Path]:
        sidecar: list[str | Path] = [] if _keeps_attributes(folder) else ["--sidecar", _made(folder / "attributes")]
        listen = ["--port", f"127.0.0.1:{port}", "--quiet", "--keep-alive"]
        return [program, *listen, "posix", *sidecar, folder / "data"]

    return ProgramServer("versitygw", command, {"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY})


def _gofakes3(program: GoProgram) -> S3Server:
    path = _builds.path_of(program)

    def command(port: int, _folder: Path) -> Sequence[str | Path]:
        return [path, "-backend", "memory", "-host", f"127.0.0.1:{port}"]

    return ProgramServer("gofakes3", command, {})


def _keeps_attributes(folder: Path) -> bool:
    """Whether this file system keeps extended attributes, where the gateway would like to keep its metadata."""
    if not hasattr(os, "setxattr"):
        return False
    try:
        os.setxattr(folder, "user.obscura-test", b"1")
    except OSError:
        return False
    return True


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


def begin_builds(session: pytest.Session) -> None:
    """Start building what the collected tests will ask for, while the others run."""
    if session.config.getoption("collectonly"):
        return
    wanted = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    for name, program in (
        ("versitygw_server", VERSITYGW),
        ("gofakes3_server", GOFAKES3),
        ("gofakes3_of_2024_server", GOFAKES3_OF_2024),
    ):
        if name in wanted:
            _builds.begin(program)
    if "gcs_server" in wanted:
        gcs_server.begin_build()
    if "minio_server" in wanted and not minio_runs_in_container():
        _builds.begin(MINIO)


@pytest.fixture(scope="session")
def minio_server() -> Iterator[S3Server]:
    """A running MinIO; a test that kills it starts it again."""
    yield from _running(minio())


@pytest.fixture(scope="session")
def versitygw_server() -> Iterator[S3Server]:
    """The same of the gateway."""
    yield from _running(_versitygw())


@pytest.fixture(scope="session")
def gofakes3_server() -> Iterator[S3Server]:
    """A running gofakes3. It looks at no credentials."""
    yield from _running(_gofakes3(GOFAKES3))


@pytest.fixture(scope="session")
def gofakes3_of_2024_server() -> Iterator[S3Server]:
    """The same before it knew conditional writes."""
    yield from _running(_gofakes3(GOFAKES3_OF_2024))


@pytest.fixture
def s3_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The servers' credentials, as an operator gives them, and nothing of this machine's own AWS configuration."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-such-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-such-credentials"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def _running(server: S3Server) -> Iterator[S3Server]:
    try:
        server.start()
        yield server
    finally:
        server.remove()
