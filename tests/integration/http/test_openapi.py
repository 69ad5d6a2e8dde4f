"""A running service against its OpenAPI document, by schemathesis with every check on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.servers.service import Person

if TYPE_CHECKING:
    from support.servers.service import Service

COMMAND = Path(sys.executable).parent / "schemathesis"
FOLDER = Path(__file__).parents[2] / "openapi"
EXAMPLES = os.environ.get("OPENAPI_EXAMPLES", "40")
"""Per operation. For a longer run: OPENAPI_EXAMPLES=5000 OPENAPI_SEED=7."""
SEED = os.environ.get("OPENAPI_SEED", "1")


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """Without rate limits, since requests are sent as fast as possible."""
    return {"OBSCURA_BACKUP_RATE_PER_USER": "0", "OBSCURA_BACKUP_RATE_PER_ADDRESS": "0"}


def test_service_keeps_to_its_description(service: Service, tmp_path: Path) -> None:
    person = Person.of(service)
    run = subprocess.run(
        [
            str(COMMAND),
            f"--config-file={FOLDER / 'schemathesis.toml'}",
            "run",
            f"http://127.0.0.1:{service.port}/docs/openapi.json",
            f"--header=Authorization:Bearer {person.token}",
            "--checks=all",
            f"--seed={SEED}",
            f"--max-examples={EXAMPLES}",
            "--no-color",
        ],
        env={**os.environ, "SCHEMATHESIS_HOOKS": str(FOLDER / "hooks.py")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=3600,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "7 selected / 7 total" in run.stdout, "an operation was passed over"
    assert "4 selected / 4 total" in run.stdout, "a link was passed over"
