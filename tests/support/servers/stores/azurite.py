"""Azurite, Microsoft's emulator of Azure Storage, installed once a machine from its package of npm."""

from __future__ import annotations

import base64
import hmac
import itertools
import os
import shutil
import subprocess
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import urllib3

from support.servers.programs import native, npm_packages
from support.servers.proxies.http_front import HttpFront
from support.servers.stores.azurite_ranges import AzuriteRanges

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGES = Path(__file__).parent / "azurite_packages"
STOP_SECONDS = 20.0
ACCOUNT = "testaccount"
KEY = base64.b64encode(b"a key that no log may hold").decode()
_API_VERSION = "2023-11-03"


class Azurite:
    """The blob service of the emulator, with its data in memory."""

    def __init__(self) -> None:
        self.emulator_port = native.free_port()
        self._ranges = HttpFront(self.emulator_port, AzuriteRanges)
        self._numbers = itertools.count(1)
        self._pool = urllib3.PoolManager(timeout=10.0, retries=False)
        self._folder = native.temporary_folder("azurite", user=None)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        return self._ranges.port

    @property
    def endpoint(self) -> str:
        return self.endpoint_at(self.port)

    @property
    def bare_endpoint(self) -> str:
        """Of the emulator as it is."""
        return self.endpoint_at(self.emulator_port)

    def endpoint_at(self, port: int) -> str:
        """The endpoint by another port that leads here."""
        return f"http://127.0.0.1:{port}/{ACCOUNT}"

    def new_bucket(self) -> str:
        """The name of a container (a bucket, for all other stores) that did not exist before."""
        name = f"container-{next(self._numbers)}"
        assert self._ask("PUT", f"/{name}?restype=container").status == 201
        return name

    def remove_bucket(self, name: str) -> None:
        assert self._ask("DELETE", f"/{name}?restype=container").status == 202

    def headers_of(self, container: str, key: str) -> dict[str, str]:
        """What the server says of a blob, to who shares no code with the adapter; names in lower case."""
        answer = self._ask("HEAD", f"/{container}/{key}")
        assert answer.status == 200
        return {name.lower(): value for name, value in answer.headers.items()}

    def lease(self, container: str, key: str) -> None:
        """Take a lease on a blob, without an end."""
        headers = {"x-ms-lease-action": "acquire", "x-ms-lease-duration": "-1"}
        assert self._ask("PUT", f"/{container}/{key}?comp=lease", headers).status == 201

    def start(self) -> None:
        node = npm_packages.node_for("Azurite")
        packages = npm_packages.installed(node, "azurite", PACKAGES, "--omit=optional")
        log = self._folder / "log"
        program = packages / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
        options = ["--blobHost", "127.0.0.1", "--blobPort", str(self.emulator_port), "--inMemoryPersistence"]
        options += ["--silent", "--disableTelemetry", "--skipApiVersionCheck"]
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [node, str(program), *options],
                cwd=self._folder,
                env={**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        native.await_answer(self._answers, self._process, log)
        self._ranges.__enter__()

    def remove(self) -> None:
        if self._process is not None:
            self._ranges.__exit__(None, None, None)
            self._process.kill()
            self._process.wait(STOP_SECONDS)
        self._pool.clear()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            return self._ask("GET", "?comp=list").status == 200
        except urllib3.exceptions.HTTPError:
            return False

    def _ask(self, method: str, path: str, headers: dict[str, str] | None = None) -> urllib3.BaseHTTPResponse:
        """One request, signed by the account's key as Microsoft documents for "Shared Key"."""
        signed = {**(headers or {}), "x-ms-date": formatdate(usegmt=True), "x-ms-version": _API_VERSION}
        place, _, query = path.partition("?")
        lines = [method, *[""] * 11, *(f"{name}:{signed[name]}" for name in sorted(signed))]
        lines += [f"/{ACCOUNT}/{ACCOUNT}{place}", *sorted(query.replace("=", ":").split("&") if query else [])]
        signature = hmac.digest(base64.b64decode(KEY), "\n".join(lines).encode(), "sha256")
        signed["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(signature).decode()}"
        return self._pool.request(method, self.bare_endpoint + path, headers=signed)


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    """A running emulator."""
    server = Azurite()
    try:
        server.start()
        yield server
    finally:
        server.remove()
