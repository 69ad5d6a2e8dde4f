"""Each package runs in an environment of its own that holds its wheel and the locked packages, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

import obscura_backup
from support.servers.programs.containers import ROOT
from support.servers.service import Service

UV = Path(sys.executable).parent / "uv"
USER = UUID("5eed5eed-0000-4000-8000-000000000001")
PASSWORD = "correct horse battery staple 9"


def run(*command: str | Path, folder: str | Path = "/", environment: dict[str, str] | None = None) -> str:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OBSCURA_", "PYTHON"))}
    done = subprocess.run(
        [str(part) for part in command],
        env={**inherited, **(environment or {})},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def installed(folder: Path, *, project: Path, lock: str) -> Path:
    """The folder of the commands in a fresh environment with this project's wheel."""
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder / "wheel", folder=project)
    (wheel,) = (folder / "wheel").iterdir()
    environment = folder / "environment"
    run(UV, "venv", "--quiet", "--python", sys.executable, environment)
    install = (UV, "pip", "install", "--quiet", "--python", environment / "bin" / "python", "--no-deps")
    run(*install, "--require-hashes", "--only-binary", ":all:", "-r", ROOT / "requirements" / lock)
    run(*install, wheel)
    run(UV, "pip", "check", "--quiet", "--python", environment / "bin" / "python")
    return environment / "bin"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed(tmp_path_factory.mktemp("server"), project=ROOT, lock="server.txt")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed(tmp_path_factory.mktemp("client"), project=ROOT / "client", lock="client.txt")


def test_installed_packages_back_up_and_restore(server: Path, client: Path, tmp_path: Path) -> None:
    service = Service(tmp_path / "data", command=server / "obscura-backup")
    service.start()
    try:
        (tmp_path / "password").write_text(PASSWORD)
        environment = {
            "HOME": str(tmp_path),
            "OBSCURA_SERVER": f"http://127.0.0.1:{service.port}",
            "OBSCURA_TOKEN": service.token(USER),
            "OBSCURA_PASSWORD_FILE": str(tmp_path / "password"),
        }
        command = client / "obscura-client"
        run(command, "new", "--state", tmp_path / "old", environment=environment)
        contact = ("contact", "add", "0b0b0b0b-0000-4000-8000-000000000b0b", "bob")
        run(command, *contact, "--state", tmp_path / "old", environment=environment)
        run(command, "push", "--profile", "low-memory", "--state", tmp_path / "old", environment=environment)
        run(command, "restore", "--yes", "--state", tmp_path / "new", environment=environment)
        shown = run(command, "contact", "list", "--json", "--state", tmp_path / "new", environment=environment)
        assert "bob" in json.dumps(json.loads(shown))
    finally:
        service.stop()


def test_installed_packages_tell_their_version(server: Path, client: Path) -> None:
    for command in (server / "obscura-backup", client / "obscura-client"):
        assert run(command, "--version").split()[-1] == obscura_backup.__version__


def test_neither_environment_holds_the_other_package(server: Path, client: Path) -> None:
    for commands, other in ((server, "obscura_backup_client"), (client, "obscura_backup")):
        found = run(commands / "python", "-c", f"import importlib.util; print(importlib.util.find_spec({other!r}))")
        assert found.strip() == "None"
