"""A deployment by `compose.yaml`, as an operator makes one: a checkout, `make compose-env`, `docker compose up`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from support.servers.programs import native
from support.servers.programs.containers import ROOT

if TYPE_CHECKING:
    from pathlib import Path

BUILD_SECONDS = 1200
NEEDED = ("Makefile", "compose.yaml", "Dockerfile", ".dockerignore", "deploy", "requirements", "src")
NEEDED_BY_THE_PACKAGE = ("pyproject.toml", "README.md", "LICENSE", "THIRD-PARTY-NOTICES.md", "CHANGELOG.md")


class Compose:
    """A project of its own: containers, network, volumes and passwords that no other deployment shares.

    Attributes:
        folder: with `compose.yaml` and `.env`.
        port: of the service, on 127.0.0.1.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = native.free_port()
        self._ports = {"OBSCURA_PORT": str(self.port), "OBSCURA_ADMIN_PORT": str(native.free_port())}
        self._project = f"obscura-test-{uuid.uuid4().hex[:8]}"
        for name in (*NEEDED, *NEEDED_BY_THE_PACKAGE):
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, folder / name)
        subprocess.run(["make", "--silent", "compose-env"], cwd=folder, check=True, capture_output=True, timeout=20)

    def run(self, *arguments: str, seconds: float = 120) -> str:
        """The output of `docker compose` with these arguments.

        Raises:
            RuntimeError: it failed; with its output.
        """
        command = ("compose", "--project-name", self._project, *arguments)
        return docker(*command, cwd=self.folder, env=self._ports, seconds=seconds)

    def up(self) -> None:
        """Start what is not running, and wait until everything is healthy."""
        self.run("up", "--detach", "--wait", seconds=BUILD_SECONDS)

    def build(self) -> None:
        """Make the images of this source; `up` would take those of an earlier one."""
        self.run("build", "service", "init-bucket", seconds=BUILD_SECONDS)

    def container(self, service: str) -> dict[str, Any]:
        """What Docker knows of the container of a service."""
        (found,) = json.loads(docker("inspect", self.run("ps", "--all", "--quiet", service).strip()))
        return dict(found)

    def crash(self, service: str) -> None:
        """Kill the first process of a service as the kernel would; `docker kill` counts as a stop by the operator.

        A container among the processes of the engine's machine sends the signal, so the tests need no rights there.
        """
        pid = self.container(service)["State"]["Pid"]
        image = self.container("service")["Image"]
        docker("run", "--rm", "--pid=host", "--user=root", "--entrypoint=bash", image, "-c", f"kill -KILL {pid}")

    def remove(self) -> None:
        """Remove everything of this project, also its data."""
        self.run("down", "--volumes", "--remove-orphans")


def docker(*arguments: str, cwd: Path = ROOT, env: dict[str, str] | None = None, seconds: float = 120) -> str:
    done = subprocess.run(
        ["docker", *arguments],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"docker {' '.join(arguments)}: {done.stderr[-3000:]}")
    return done.stdout


def require_compose() -> None:
    """Skip where `docker compose` cannot work, and say why; in CI that is a failure."""
    reason = _missing()
    if reason is None:
        return
    if native.IN_CI:
        raise RuntimeError(reason)
    pytest.skip(reason)


def _missing() -> str | None:
    way_out = 'install Docker with Compose 2, or as root on Debian: eval "$(tools/engine/engine.sh start)"'
    if shutil.which("docker") is None:
        return f"There is no docker command: {way_out}."
    for what, command in {"Docker engine": ("version",), "Compose 2": ("compose", "version")}.items():
        try:
            docker(*command, seconds=20)
        except (RuntimeError, subprocess.TimeoutExpired):
            return f"There is no {what}: {way_out}."
    return None
