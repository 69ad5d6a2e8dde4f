"""The sealed format in Go and TypeScript, from docs/format.md without shared code: each opens the client's backups."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

import pytest

from interop.actors import Actor, ChromiumActor, in_chromium, in_node, result
from interop.languages import TypeScriptClient, go_program, typescript_client
from obscura_backup_client.sealing.kdf_parameters import PROFILES
from obscura_backup_client.sealing.sealed import derive_key, open_sealed, seal
from support.client.vectors import FOLDER, vectors

if TYPE_CHECKING:
    from collections.abc import Iterator

# Each size of a payload with a password: a no-break space and a letter with its accent apart; joined emoji; wide spaces
# and letters that have one form more than others; the shortest one, of letters that NFC puts together.
AWKWARD = [
    pytest.param(1, "correct\u00a0horse battery caf\u0065\u0301 \U0001f9d1\u200d\U0001f680", id="accent apart"),
    pytest.param(16_380, "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 3 + " \u2764\ufe0f", id="emoji"),
    pytest.param(16_381, "\u3000\u212bngstr\u00f6m \ufb01ne \uff21\u2009\u2003 ", id="spaces"),
    pytest.param(300_000, "\u1112\u1161\u11ab" * 13, id="Hangul apart"),
]


class Program(Protocol):
    """The sealed format in another language. All bytes are in hex."""

    def open(self, user_id: str, password: str, blob: str) -> str:
        """The payload."""
        ...

    def seal(self, user_id: str, password: str, payload: str) -> str:
        """The blob."""
        ...


class GoProgram:
    """The program in Go, which runs once per call."""

    def __init__(self, command: list[str]) -> None:
        self.command = command

    def open(self, user_id: str, password: str, blob: str) -> str:
        return self.run("open", user_id, given=f"{password.encode().hex()}\n{blob}\n")

    def seal(self, user_id: str, password: str, payload: str) -> str:
        return self.run("seal", user_id, given=f"{password.encode().hex()}\n{payload}\n")

    def run(self, *arguments: str, given: str = "") -> str:
        done = subprocess.run(
            [*self.command, *arguments], input=given, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


class TypeScriptProgram:
    """The client in TypeScript, wherever it runs."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor

    def open(self, user_id: str, password: str, blob: str) -> str:
        return str(result(self.actor, "open", userId=user_id, password=password, blob=blob))

    def seal(self, user_id: str, password: str, payload: str) -> str:
        return str(result(self.actor, "seal", userId=user_id, password=password, payload=payload))


@pytest.fixture(scope="module")
def go(tmp_path_factory: pytest.TempPathFactory) -> GoProgram:
    return GoProgram(go_program(tmp_path_factory.mktemp("go")))


@pytest.fixture(scope="module")
def typescript() -> TypeScriptClient:
    return typescript_client()


@pytest.fixture(scope="module")
def node(typescript: TypeScriptClient) -> Iterator[TypeScriptProgram]:
    with in_node(typescript) as actor:
        yield TypeScriptProgram(actor)


@pytest.fixture(scope="module")
def chromium_actor(typescript: TypeScriptClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChromiumActor]:
    with in_chromium(typescript, tmp_path_factory.mktemp("browser")) as (actor, _):
        yield actor


@pytest.fixture
def chromium(chromium_actor: ChromiumActor) -> TypeScriptProgram:
    return TypeScriptProgram(chromium_actor)


@pytest.fixture(params=["go", "node", "chromium"])
def program(request: pytest.FixtureRequest) -> Program:
    found: Program = request.getfixturevalue(request.param)
    return found


def test_every_vector_of_the_sealed_format_in_go(go: GoProgram) -> None:
    assert go.run("check", str(FOLDER)) == "14 sealed, 192 altered, 5 damaged"


def test_every_vector_in_node(typescript: TypeScriptClient) -> None:
    done = subprocess.run([*typescript.program, "check", str(FOLDER)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == rows_of_all_vectors()


def test_every_vector_in_chromium(chromium_actor: ChromiumActor) -> None:
    assert chromium_actor.vectors() == rows_of_all_vectors()


def rows_of_all_vectors() -> dict[str, dict[str, int]]:
    """The number of rows in every list of every file. Most lists of openings are checked as one."""
    files = {path.stem: vectors(path.stem) for path in FOLDER.glob("*.json")}
    counts = {
        file: {part: len(rows) for part, rows in lists.items() if isinstance(rows, list)}
        for file, lists in files.items()
    }
    opening = counts["opening"]
    del opening["flipped"]  # ranges, of 192 bytes in all
    by_themselves = {part: opening.pop(part) for part in ("asked", "kept_roots")}
    counts["opening"] = {"openings": 192 + sum(opening.values()), **by_themselves}
    return counts


@pytest.mark.parametrize(("size", "password"), AWKWARD)
def test_it_opens_what_the_client_sealed(program: Program, size: int, password: str) -> None:
    user, payload = uuid4(), os.urandom(size)
    blob = seal(payload, derive_key(password, PROFILES["low-memory"]), user)
    assert bytes.fromhex(program.open(str(user), password, blob.hex())) == payload


@pytest.mark.parametrize(("size", "password"), AWKWARD)
def test_the_client_opens_what_it_sealed(program: Program, size: int, password: str) -> None:
    user, payload = uuid4(), os.urandom(size)
    blob = bytes.fromhex(program.seal(str(user), password, payload.hex()))
    assert open_sealed(blob, password, user).payload == payload
