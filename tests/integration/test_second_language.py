"""The sealed format in Go, written from docs/format.md alone: it agrees with every vector, and with the client."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from uuid import uuid4

import pytest

from obscura_backup_client.parameters import PROFILES
from obscura_backup_client.sealed import derive_key, open_sealed, seal
from servers import native

SOURCE = Path(__file__).parents[1] / "interop" / "go"
VECTORS = Path(__file__).parents[2] / "docs" / "format-vectors.json"
PASSWORD = "correct\u00a0horse battery caf\u0065\u0301 \U0001f9d1\u200d\U0001f680"
"""A no-break space, a letter with its accent apart, and joined emoji."""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    go = shutil.which("go")
    if go is None:
        native.missing("Go, for the format in a second language", "install Go 1.24 or newer")
    built = tmp_path_factory.mktemp("go") / "sealed"
    subprocess.run([go, "build", "-o", str(built), "."], cwd=SOURCE, check=True, timeout=300)
    return built


def run(program: Path, *arguments: str, password: str = "", content: bytes = b"") -> str:
    given = f"{password.encode().hex()}\n{content.hex()}\n"
    result = subprocess.run(
        [str(program), *arguments], input=given, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_every_vector(program: Path) -> None:
    assert run(program, "check", str(VECTORS)) == "14 sealed, 192 altered, 4 damaged"


@pytest.mark.parametrize("size", [1, 16_380, 16_381, 300_000])
def test_it_opens_what_the_client_sealed(program: Path, size: int) -> None:
    user, payload = uuid4(), os.urandom(size)
    blob = seal(payload, derive_key(PASSWORD, PROFILES["low-memory"]), user)
    assert bytes.fromhex(run(program, "open", str(user), password=PASSWORD, content=blob)) == payload


@pytest.mark.parametrize("size", [1, 16_380, 16_381, 300_000])
def test_the_client_opens_what_it_sealed(program: Path, size: int) -> None:
    user, payload = uuid4(), os.urandom(size)
    blob = bytes.fromhex(run(program, "seal", str(user), password=PASSWORD, content=payload))
    assert open_sealed(blob, PASSWORD, user).payload == payload
