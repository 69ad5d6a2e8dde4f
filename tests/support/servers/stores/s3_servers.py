"""Real S3 servers for the tests, written by different people: MinIO, Versity's gateway over a directory, and gofakes3.

An old version of gofakes3 stands for stores that know no conditional writes.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.servers.programs import containers
from support.servers.programs.containers import Container
from support.servers.programs.go_programs import BUILDS, GoProgram
from support.servers.stores.gcs_server import FAKE_GCS_SERVER
from support.servers.stores.s3_server import ACCESS_KEY, SECRET_KEY, ProgramServer, S3Server

if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator, Sequence
    from pathlib import Path

MINIO = GoProgram("minio", "github.com/minio/minio", containers.minio_version())
GOFAKES3 = GoProgram("gofakes3", "github.com/johannesboyne/gofakes3/cmd/gofakes3", "v1.2.0")
GOFAKES3_OF_2024 = replace(GOFAKES3, version="v0.0.0-20240217095638-c55a48f17be6")
VERSITYGW = GoProgram("versitygw", "github.com/versity/versitygw/cmd/versitygw", "v1.8.0")

MINIO_ENVIRONMENT = {
    "MINIO_ROOT_USER": ACCESS_KEY,
    "MINIO_ROOT_PASSWORD": SECRET_KEY,
    "MINIO_UPDATE": "off",
    "MINIO_BROWSER": "off",
    "MINIO_CALLHOME_ENABLE": "off",
}


class MinioContainer(S3Server):
    """MinIO in a container."""

    def __init__(self) -> None:
        super().__init__()
        self._container = Container(
            containers.image("MINIO_IMAGE"),
            inside=9000,
            port=self.port,
            environment=MINIO_ENVIRONMENT,
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
    program = BUILDS.path_of(MINIO)
    return ProgramServer(
        "minio",
        lambda port, folder: [program, "server", folder / "data", "--address", f"127.0.0.1:{port}", "--quiet"],
        MINIO_ENVIRONMENT,
        within=within,
    )


def _versitygw() -> S3Server:
    program = BUILDS.path_of(VERSITYGW)

    def command(port: int, folder: Path) -> Sequence[str | Path]:
        sidecar: list[str | Path] = [] if _keeps_attributes(folder) else ["--sidecar", _made(folder / "attributes")]
        listen = ["--port", f"127.0.0.1:{port}", "--quiet", "--keep-alive"]
        return [program, *listen, "posix", *sidecar, folder / "data"]

    return ProgramServer("versitygw", command, {"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY})


def _gofakes3(program: GoProgram) -> S3Server:
    path = BUILDS.path_of(program)

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
        ("gcs_server", FAKE_GCS_SERVER),
    ):
        if name in wanted:
            BUILDS.begin(program)
    if "minio_server" in wanted and not minio_runs_in_container():
        BUILDS.begin(MINIO)


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
