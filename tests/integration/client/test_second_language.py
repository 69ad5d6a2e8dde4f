"""The sealed format in Go and JavaScript, from docs/format.md without shared code: each opens the client's backups."""

from __future__ import annotations

import os
import subprocess
from uuid import uuid4

import pytest

from interop.languages import go_program, node_program
from obscura_backup_client.sealing.kdf_parameters import PROFILES
from obscura_backup_client.sealing.sealed import derive_key, open_sealed, seal
from support.client.vectors import FOLDER, vectors

# Each size of a payload with a password: a no-break space and a letter with its accent apart; joined emoji; wide spaces
# and letters that have one form more than others; the shortest one, of letters that NFC puts together.
AWKWARD = [
    pytest.param(1, "correct\u00a0horse battery caf\u0065\u0301 \U0001f9d1\u200d\U0001f680", id="accent apart"),
    pytest.param(16_380, "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 3 + " \u2764\ufe0f", id="emoji"),
    pytest.param(16_381, "\u3000\u212bngstr\u00f6m \ufb01ne \uff21\u2009\u2003 ", id="spaces"),
    pytest.param(300_000, "\u1112\u1161\u11ab" * 13, id="Hangul apart"),
]


@pytest.fixture(scope="module")
def go(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return go_program(tmp_path_factory.mktemp("go"))


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return node_program(tmp_path_factory.mktemp("node"))


@pytest.fixture(params=["go", "node"])
def program(request: pytest.FixtureRequest) -> list[str]:
    command: list[str] = request.getfixturevalue(request.param)
    return command


def run(program: list[str], *arguments: str, password: str = "", content: bytes = b"") -> str:
    given = f"{password.encode().hex()}\n{content.hex()}\n"
    result = subprocess.run(
        [*program, *arguments], input=given, capture_output=True, text=True, timeout=300, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_every_vector_of_the_sealed_format_in_go(go: list[str]) -> None:
    assert run(go, "check", str(FOLDER)) == "14 sealed, 192 altered, 5 damaged"


def test_every_vector_in_javascript(node: list[str]) -> None:
    """It reports every list of every vector file as passed."""
    told = [line.split(" ") for line in run(node, "check", str(FOLDER)).splitlines()]
    passed = {(file, part): int(count) for file, part, count in told}
    opening = {part: len(rows) for part, rows in vectors("opening").items() if isinstance(rows, list)}
    by_themselves = {("opening", part): opening.pop(part) for part in ("asked", "kept_roots")}
    del opening["flipped"]  # ranges, of 192 bytes in all
    assert passed == {
        ("opening", "openings"): 192 + sum(opening.values()),
        **by_themselves,
        **{
            (path.stem, part): len(rows)
            for path in FOLDER.glob("*.json")
            if path.stem != "opening"
            for part, rows in vectors(path.stem).items()
            if isinstance(rows, list)
        },
    }


@pytest.mark.parametrize(("size", "password"), AWKWARD)
def test_it_opens_what_the_client_sealed(program: list[str], size: int, password: str) -> None:
    user, payload = uuid4(), os.urandom(size)
    blob = seal(payload, derive_key(password, PROFILES["low-memory"]), user)
    assert bytes.fromhex(run(program, "open", str(user), password=password, content=blob)) == payload


@pytest.mark.parametrize(("size", "password"), AWKWARD)
def test_the_client_opens_what_it_sealed(program: list[str], size: int, password: str) -> None:
    user, payload = uuid4(), os.urandom(size)
    blob = bytes.fromhex(run(program, "seal", str(user), password=password, content=payload))
    assert open_sealed(blob, password, user).payload == payload
