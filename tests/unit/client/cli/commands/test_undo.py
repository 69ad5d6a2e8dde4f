"""The command `undo`: what it shows, asks and reports."""

from __future__ import annotations

import pytest

from obscura_backup_client.cli.exits import ExitCode
from support.client.contents import ALICE, BOB
from support.client.terminal import Terminal


@pytest.fixture
def restored(pushed: Terminal, password_file: str) -> Terminal:
    """A device that has just merged Bob from the backup."""
    laptop = ["--state", str(pushed.home / "laptop")]
    pushed.ok("restore", *laptop, "--password-file", password_file, "--yes")
    pushed.ok("contact", "add", str(BOB), "bob", *laptop)
    pushed.ok("push", *laptop, "--password-file", password_file)
    result = pushed.run("restore", "--password-file", password_file, "--yes")
    assert "`undo` brings back what this device had before, until the next push." in result.stderr
    return pushed


def test_the_change_is_shown_asked_and_undone(restored: Terminal) -> None:
    result = restored.run("undo")
    assert "last merged something at 2026-09-21T14:13:20Z.\n  undo would change   1 contact removed\n" in result.stderr
    assert restored.person.prompts == ["Undo the last restore, merge or import?"]
    assert result.stdout.startswith("Undone. This device has 1 contact now.")
    assert [each["user_id"] for each in restored.facts("contact", "list")["contacts"]] == [str(ALICE)]


def test_nothing_is_undone_without_a_yes(restored: Terminal) -> None:
    restored.person.says_yes = False
    result = restored.run("undo")
    assert (result.exit_code, "[not-confirmed]" in result.stderr) == (ExitCode.DECIDE, True)
    assert restored.facts("contact", "list")["total"] == 2


def test_the_result_as_json_has_the_changes(restored: Terminal) -> None:
    facts = restored.facts("undo", "--yes")
    assert (facts["merged_at"], facts["contacts"], facts["changes"]["removed"]) == ("2026-09-21T14:13:20Z", 1, 1)
    assert restored.person.prompts == []


def test_nothing_to_undo_is_reported(restored: Terminal) -> None:
    restored.ok("undo", "--yes")
    result = restored.run("undo", "--yes")
    assert (result.exit_code, "[nothing-to-undo]" in result.stderr) == (ExitCode.NOTHING_THERE, True)


def test_the_status_says_that_something_can_be_undone(restored: Terminal) -> None:
    assert "Undo       takes back what was merged at 2026-09-21T14:13:20Z\n" in restored.ok("status")
    restored.ok("undo", "--yes")
    assert restored.facts("status")["undo_merged_at"] is None
    assert "Undo" not in restored.ok("status")


def test_an_undo_needs_neither_token_nor_server(restored: Terminal) -> None:
    restored.ok("undo", "--yes", OBSCURA_TOKEN=None)
