"""`compose.yaml` on a real engine, with passwords by `make compose-env`; the real client pushes and restores."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from support.servers.programs.compose import Compose, require_compose

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENT = Path(sys.executable).parent / "obscura-client"
UNAVAILABLE = 7
SECONDS = 60


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    """A deployment that runs; a test that stops a part of it starts it again."""
    require_compose()
    compose = Compose(tmp_path_factory.mktemp("compose"))
    try:
        compose.build()
        compose.up()
        yield compose
    finally:
        compose.remove()


class Device:
    """State folders of one user, used only by the real client."""

    def __init__(self, compose: Compose, folder: Path) -> None:
        self._server = f"http://127.0.0.1:{compose.port}"
        self._folder = folder
        (folder / "password").write_text("correct horse battery\n")
        token = compose.run("exec", "-T", "service", "obscura-backup", "token", str(uuid4()))
        (folder / "token").write_text(token)

    def run(self, *arguments: str, state: str = "phone") -> subprocess.CompletedProcess[str]:
        options = ["--state", str(self._folder / state), "--server", self._server]
        options += ["--token-file", str(self._folder / "token"), "--password-file", str(self._folder / "password")]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("OBSCURA_")}
        return subprocess.run(
            [str(CLIENT), *arguments, *options],
            env=inherited,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def does(self, *arguments: str, state: str = "phone") -> str:
        result = self.run(*arguments, state=state)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def push(self, name: str) -> None:
        """Add a contact and push it."""
        self.does("contact", "add", str(uuid4()), name)
        self.does("push", "--profile", "low-memory")

    def restored(self) -> list[str]:
        """The names of the contacts that a new device restores."""
        state = f"new-{uuid4()}"
        self.does("restore", "--yes", state=state)
        listed: dict[str, Any] = json.loads(self.does("contact", "list", "--json", state=state))
        return sorted(contact["username"] for contact in listed["contacts"])


@pytest.fixture
def device(compose: Compose, tmp_path: Path) -> Device:
    """Of a new user, with one contact pushed."""
    device = Device(compose, tmp_path)
    device.does("new")
    device.push("alice")
    return device


def await_ready(compose: Compose) -> None:
    """Wait until the service answers: what ended is being started again."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        with suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", compose.port, timeout=5)
            try:
                connection.request("GET", "/health/ready")
                answer = connection.getresponse()
                if answer.status == 200 and json.load(answer)["status"] == "ok":
                    return
            finally:
                connection.close()
        time.sleep(0.1)
    raise AssertionError("the service is not ready")


def test_backup_is_pushed_and_restored(device: Device) -> None:
    assert device.restored() == ["alice"]


def test_doctor_finds_the_deployment_in_order(compose: Compose) -> None:
    compose.run("exec", "-T", "service", "obscura-backup", "doctor")


def test_ports_are_published_on_this_machine_only(compose: Compose) -> None:
    published = {name: compose.container(name)["NetworkSettings"]["Ports"] for name in ("postgres", "minio", "service")}
    addresses = {
        name: sorted(each["HostIp"] for bindings in ports.values() for each in bindings or [])
        for name, ports in published.items()
    }
    assert addresses == {"postgres": [], "minio": [], "service": ["127.0.0.1"] * 2}


def test_service_has_no_rights_in_its_container(compose: Compose) -> None:
    status = compose.run("exec", "-T", "service", "cat", "/proc/1/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["Uid"].split() == ["10001"] * 4
    assert (int(fields["CapPrm"], 16), int(fields["CapBnd"], 16), fields["NoNewPrivs"]) == (0, 0, "1")
    with pytest.raises(RuntimeError, match="Read-only file system"):
        compose.run("exec", "-T", "--user", "root", "service", "touch", "/opt/venv/written")


def test_crashed_service_is_restarted(compose: Compose, device: Device) -> None:
    compose.crash("service")
    await_ready(compose)
    assert compose.container("service")["RestartCount"] >= 1
    device.push("bob")
    assert device.restored() == ["alice", "bob"]


@pytest.mark.parametrize("store", ["postgres", "minio"])
def test_crashed_store_is_restarted_with_its_data(compose: Compose, device: Device, store: str) -> None:
    compose.crash(store)
    compose.up()
    await_ready(compose)
    assert compose.container(store)["RestartCount"] >= 1
    device.push("bob")
    assert device.restored() == ["alice", "bob"]


@pytest.mark.parametrize("store", ["postgres", "minio"])
def test_push_without_a_store_is_refused_until_the_store_is_back(compose: Compose, device: Device, store: str) -> None:
    compose.run("kill", store)
    device.does("contact", "add", str(uuid4()), "bob")
    refused = device.run("push", "--profile", "low-memory")
    assert refused.returncode == UNAVAILABLE, refused.stderr
    if store == "postgres":
        assert device.restored() == ["alice"], "downloads need the blob store only"
    compose.up()
    await_ready(compose)
    device.does("push", "--profile", "low-memory")
    assert device.restored() == ["alice", "bob"]


def test_data_and_passwords_outlive_the_containers(compose: Compose, device: Device) -> None:
    before = compose.container("service")["Id"]
    compose.run("down")
    compose.up()
    assert compose.container("service")["Id"] != before
    assert device.restored() == ["alice"]
    device.push("bob")
    assert device.restored() == ["alice", "bob"]
