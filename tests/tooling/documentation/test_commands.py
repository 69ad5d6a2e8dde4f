"""The commands of README, start page and client manual run as they are printed, against a real service."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

import obscura_backup
from support.client.pseudo_terminal import PseudoTerminal
from support.servers.programs.containers import ROOT
from support.servers.service import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

README = (ROOT / "README.md").read_text(encoding="utf-8")
START = (ROOT / "docs/start.md").read_text(encoding="utf-8")
MANUAL = (ROOT / "client/README.md").read_text(encoding="utf-8")
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PASSWORD = "correct horse battery staple 9"
USER = UUID("5eed5eed-0000-4000-8000-000000000002")
NEW_PASSWORD = [("New backup password", f"{PASSWORD}\n"), ("Once more: ", f"{PASSWORD}\n")]
RESTORE = [("Backup password: ", f"{PASSWORD}\n"), ("[y/N]", "y\n")]


@dataclass
class Checkout:
    """A folder like a checkout after `make serve`, with its service."""

    folder: Path
    port: int
    process: subprocess.Popen[str]
    greeting: str

    def run(self, script: str, typed: list[tuple[str, str]] | None = None, **more: str) -> str:
        """Run it in the shell of a second terminal, and type these answers when these questions are shown."""
        script = script.replace("http://127.0.0.1:8400", f"http://127.0.0.1:{self.port}")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("OBSCURA_")}
        own = {"HOME": str(self.folder), "TERM": "dumb", "OBSCURA_SERVER": f"http://127.0.0.1:{self.port}"}
        terminal = PseudoTerminal(
            ["bash", "--norc", "-euc", f"cd {self.folder}\n{script}"], {**inherited, **own, **more}, 30
        )
        shown = ""
        for question, keys in typed or []:
            shown += terminal.wait_for(question)
            terminal.shown = b""
            terminal.type(keys)
        code, rest = terminal.ended()
        assert code == 0, shown + rest
        return shown + rest


def served(folder: Path, command: str) -> Checkout:
    """Run `make serve` as it is printed, but on free ports, and with the programs of this environment."""
    (folder / ".venv").symlink_to(sys.prefix)
    port, log = free_port(), folder / "log"
    variables = [f"PORT={port}", f"ADMIN_PORT={free_port()}", f"DATA_DIR={folder}/.data", f"VENV={sys.prefix}"]
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command.split(), *variables, "-o", f"{sys.prefix}/.run"],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if not name.startswith("OBSCURA_")},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            text=True,
        )
    deadline = time.monotonic() + 60
    while "A first push" not in log.read_text() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    return Checkout(folder, port, process, log.read_text())


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[str], Checkout]]:
    started: list[Checkout] = []

    def serve(command: str) -> Checkout:
        started.append(served(tmp_path, command))
        return started[-1]

    yield serve
    for each in started:
        each.process.terminate()
        each.process.wait(timeout=40)


def without_comments(block: str) -> list[str]:
    return [line.partition("  #")[0].strip() for line in block.strip().splitlines()]


def test_first_screen_of_the_readme(serve: Callable[[str], Checkout]) -> None:
    first, devices, *_ = SHELL.findall(README)
    start, test = without_comments(first)
    assert test == "make test"
    checkout = serve(start)
    assert (
        f"Obscura Backup {obscura_backup.__version__} listens on http://127.0.0.1:{checkout.port}" in checkout.greeting
    )
    shown = checkout.run(devices, [*NEW_PASSWORD, *RESTORE])
    assert re.search(r"Contacts\s+2\b", shown)


def test_greeting_of_the_service(serve: Callable[[str], Checkout]) -> None:
    checkout = serve("make serve")
    commands = [line.strip() for line in checkout.greeting.partition("A first push")[2].splitlines() if "/bin/" in line]
    assert len(commands) == 3
    assert "version 1" in checkout.run("\n".join(commands), NEW_PASSWORD)


def test_curl_block_of_the_readme(serve: Callable[[str], Checkout]) -> None:
    checkout = serve("make serve")
    blocks = SHELL.findall(README)
    token = "\n".join(line for line in blocks[1].splitlines() if line.startswith(("export", "obscura-backup token")))
    (curl,) = (block for block in blocks if "curl" in block)
    checkout.run(token)
    shown = checkout.run(f"export PATH=$PWD/.venv/bin:$PATH\n{curl}")
    assert re.findall(r"HTTP/1.1 (\d+)", shown) == ["200", "200"]
    assert '"version":1' in shown


def test_start_page(serve: Callable[[str], Checkout]) -> None:
    start, *blocks = SHELL.findall(START)
    checkout = serve(start.strip())
    shown = checkout.run("\n".join(blocks), [*NEW_PASSWORD, *RESTORE])
    assert "alice" in shown.rpartition("[y/N]")[2]


def token(checkout: Checkout) -> str:
    return checkout.run(f".venv/bin/obscura-backup token {USER} --data-dir .data").strip()


def test_first_commands_of_the_manual(serve: Callable[[str], Checkout]) -> None:
    checkout = serve("make serve")
    (block,) = re.findall(r"^    pip install.*?(?=^```)", MANUAL, re.MULTILINE | re.DOTALL)
    install, *lines = [line for line in textwrap.dedent(block).splitlines() if line]
    assert install.startswith("pip install obscura-backup-client")
    assert lines[0].startswith("export OBSCURA_TOKEN=…")
    script = "\n".join(["export PATH=$PWD/.venv/bin:$PATH", *lines[1:]])
    answers = [*NEW_PASSWORD, *RESTORE, ("Backup password: ", f"{PASSWORD}\n")]
    shown = checkout.run(script, answers, OBSCURA_TOKEN=token(checkout))
    assert "version 1" in shown


def test_first_program_of_the_manual(
    serve: Callable[[str], Checkout], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = serve("make serve")
    program = PYTHON.findall(MANUAL)[0].replace("https://backup.example", f"http://127.0.0.1:{checkout.port}")
    first, second = program.split("# on another device\n")
    asked: list[str] = []

    def ask(device_name: str, _sealed_at_ms: int) -> bool:
        asked.append(device_name)
        return True

    names: dict[str, Any] = {
        "token": token(checkout),
        "bob_id": USER,
        "bob_public_key": bytes(range(32)),
        "ask": ask,
    }
    monkeypatch.setenv("HOME", str(tmp_path / "first"))
    exec(first, names)  # noqa: S102 - the program of the manual
    monkeypatch.setenv("HOME", str(tmp_path / "second"))
    exec(second, names)  # noqa: S102
    assert [contact.username for contact in names["client"].contacts()] == ["bob"]
    assert asked == ["Pixel 9"]
