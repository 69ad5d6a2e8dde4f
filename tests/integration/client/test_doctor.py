"""`doctor`, `fetch` and `status` with a real service."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from support.servers.service import Service


@pytest.fixture
def environment(service: Service, tmp_path: Path) -> dict[str, str]:
    """A device's variables; the token and the password are in files with a line end."""
    (tmp_path / "token").write_text(service.token(uuid4()) + "\n")
    (tmp_path / "password").write_text("correct horse battery\n")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OBSCURA_")}
    return {
        **inherited,
        "OBSCURA_STATE": str(tmp_path / "phone"),
        "OBSCURA_SERVER": f"http://127.0.0.1:{service.port}",
        "OBSCURA_TOKEN_FILE": str(tmp_path / "token"),
        "OBSCURA_PASSWORD_FILE": str(tmp_path / "password"),
    }


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "obscura_backup_client.cli", *arguments]
    return subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )


def facts(environment: dict[str, str], *arguments: str) -> Any:
    result = run(environment, *arguments, "--json")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_doctor_finds_a_healthy_device_and_service(environment: dict[str, str]) -> None:
    run(environment, "new")
    found = {each["check"]: (each["outcome"], each["detail"]) for each in facts(environment, "doctor")["checks"]}
    # How long a derivation takes depends on the machine.
    assert found.pop("kdf")[0] in ("ok", "warning")
    assert {outcome for outcome, _ in found.values()} == {"ok"}
    assert found["clock"][1] == "agrees with the server's within a minute"
    assert found["service"][1] == "accepts the token, and has no backup yet"


def test_doctor_and_status_say_that_a_service_does_not_answer(environment: dict[str, str]) -> None:
    run(environment, "new")
    nowhere = {**environment, "OBSCURA_SERVER": "http://127.0.0.1:1"}
    result = run(nowhere, "doctor")
    assert (result.returncode, "failed   tls" in result.stdout, "[unavailable]" in result.stdout) == (7, True, True)
    result = run(nowhere, "status")
    assert (result.returncode, "Contacts   0 contacts\n" in result.stdout) == (7, True)
    assert "[unavailable]" in result.stderr


def test_a_fetched_file_can_be_inspected(environment: dict[str, str], tmp_path: Path) -> None:
    run(environment, "new")
    pushed = facts(environment, "push", "--profile", "low-memory")
    fetched = facts(environment, "fetch", str(tmp_path / "backup.obk"))
    assert (fetched["version"], fetched["size_bytes"]) == (pushed["version"], pushed["size_bytes"])
    assert facts(environment, "inspect", str(tmp_path / "backup.obk"))["memory_kib"] == 64 * 1024
