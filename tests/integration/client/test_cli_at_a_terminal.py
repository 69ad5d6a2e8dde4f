"""A real terminal: warnings, questions and Ctrl-C."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from obscura_backup_client.cli.exits import ExitCode
from obscura_backup_client.client import BackupClient
from obscura_backup_client.content.editing import NewContact
from support.client.contents import ALICE, BOB
from support.client.pseudo_terminal import PseudoTerminal

Start = Callable[..., PseudoTerminal]


@pytest.fixture
def phone(tmp_path: Path) -> BackupClient:
    client = BackupClient.open(tmp_path / "state")
    client.create()
    client.put_contacts([NewContact(ALICE, "alice")])
    return client


@pytest.fixture
def start(phone: BackupClient, tmp_path: Path) -> Start:
    def start(*arguments: str) -> PseudoTerminal:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "TERM": "dumb",
            "OBSCURA_STATE": str(tmp_path / "state"),
        }
        return PseudoTerminal([sys.executable, "-m", "obscura_backup_client.cli", *arguments], environment)

    return start


@pytest.fixture
def with_bob(phone: BackupClient, tmp_path: Path) -> str:
    """An export with Bob added by another program."""
    document = json.loads(phone.export_payload())
    document["contacts"].append({"user_id": str(BOB), "username": "bob"})
    (tmp_path / "export.json").write_text(json.dumps(document))
    return str(tmp_path / "export.json")


def names(phone: BackupClient) -> list[str]:
    return [each.username for each in phone.contacts()]


def test_a_private_key_on_the_screen_causes_a_warning(start: Start) -> None:
    code, shown = start("export").ended()
    assert code == 0
    assert shown.startswith("Warning: this shows the PRIVATE KEY")
    assert '"private_key": "' in shown


def test_there_is_no_warning_without_a_private_key(start: Start) -> None:
    assert start("export", "--without-identity").ended()[1].startswith("{")


@pytest.mark.parametrize(
    ("keys", "code", "then"),
    [
        ("y\n", ExitCode.OK, ["bob", "alice"]),
        ("n\n", ExitCode.DECIDE, ["alice"]),
        ("\n", ExitCode.DECIDE, ["alice"]),
        ("\x04", ExitCode.DECIDE, ["alice"]),
        ("\x03", ExitCode.INTERRUPTED, ["alice"]),
    ],
    ids=["yes", "no", "enter", "end of input", "interrupted"],
)
def test_an_import_follows_the_answer(
    start: Start, phone: BackupClient, with_bob: str, keys: str, code: ExitCode, then: list[str]
) -> None:
    terminal = start("import", with_bob)
    terminal.wait_for("Import this file? [y/N]")
    terminal.type(keys)
    assert terminal.ended()[0] == code
    assert sorted(names(phone)) == sorted(then)


def test_an_interrupted_calibration_saves_nothing(start: Start, tmp_path: Path) -> None:
    terminal = start("calibrate", "--target-ms", "5000")
    terminal.wait_for("128 MiB")
    terminal.type("\x03")
    assert terminal.ended()[0] == ExitCode.INTERRUPTED
    assert not (tmp_path / "state" / "profile.json").exists()
