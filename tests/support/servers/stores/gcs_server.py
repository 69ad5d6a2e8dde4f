"""An emulator of Google Cloud Storage: `fake-gcs-server`, built once a machine."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING

import pytest
import urllib3

from support.servers.programs import native
from support.servers.programs.go_programs import BUILDS, GoProgram
from support.servers.proxies.http_front import HttpFront
from support.servers.stores.gcs_uploads import GcsUploads

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

FAKE_GCS_SERVER = GoProgram("fake-gcs-server", "github.com/fsouza/fake-gcs-server", "v1.56.1")
STOP_SECONDS = 20.0


class GcsServer:
    """The emulator with its data in memory, and conditional uploads in front of it."""

    def __init__(self) -> None:
        self.emulator_port = native.free_port()
        self._numbers = itertools.count(1)
        self._pool = urllib3.PoolManager(timeout=10.0, retries=False)
        self._uploads = HttpFront(self.emulator_port, GcsUploads)
        self._folder = native.temporary_folder("fake-gcs-server", user=None)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        return self._uploads.port

    @property
    def endpoint(self) -> str:
        return self.endpoint_at(self.port)

    @property
    def bare_endpoint(self) -> str:
        """Of the emulator as it is."""
        return self.endpoint_at(self.emulator_port)

    def endpoint_at(self, port: int) -> str:
        """The endpoint by another port that leads here."""
        return f"http://127.0.0.1:{port}"

    def new_bucket(self) -> str:
        """The name of a bucket that did not exist before."""
        name = f"bucket-{next(self._numbers)}"
        made = self._ask("POST", "/storage/v1/b?project=tests", json.dumps({"name": name}))
        assert made.status == 200, made.data
        return name

    def remove_bucket(self, name: str) -> None:
        """Remove an empty bucket."""
        assert self._ask("DELETE", f"/storage/v1/b/{name}").status == 200

    def start(self) -> None:
        program = BUILDS.path_of(FAKE_GCS_SERVER)
        command = [str(program), "-scheme", "http", "-host", "127.0.0.1", "-port", str(self.emulator_port)]
        command += ["-public-host", "127.0.0.1", "-backend", "memory", "-log-level", "warn", "-data", str(self._folder)]
        log = self._folder.with_suffix(".log")
        self._process = native.start(command, folder=self._folder, log=log, user=None)
        native.await_answer(self._answers, self._process, log)
        self._uploads.__enter__()

    def remove(self) -> None:
        if self._process is not None:
            self._uploads.__exit__(None, None, None)
            self._process.kill()
            self._process.wait(STOP_SECONDS)
        self._pool.clear()
        self._folder.rmdir()
        self._folder.with_suffix(".log").unlink(missing_ok=True)

    def _answers(self) -> bool:
        try:
            return self._ask("GET", "/_internal/healthcheck").status == 200
        except urllib3.exceptions.HTTPError:
            return False

    def _ask(self, method: str, path: str, body: str | None = None) -> urllib3.BaseHTTPResponse:
        return self._pool.request(method, self.bare_endpoint + path, body=body)


@pytest.fixture(scope="session")
def gcs_server() -> Iterator[GcsServer]:
    """A running emulator."""
    server = GcsServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()
