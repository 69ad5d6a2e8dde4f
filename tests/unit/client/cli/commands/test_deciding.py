"""Errors that need a decision: what the command shows, and which options continue."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from obscura_backup_client.cli.exits import ExitCode
from support.client.contents import ALICE, BOB
from support.client.terminal import Terminal, token

pytestmark = pytest.mark.usefixtures("cheap_kdf")


@pytest.fixture
def rolled_back(pushed: Terminal, password_file: str) -> Terminal:
    """The server has the version before the phone's last push."""
    old = pushed.server.slot
    pushed.ok("contact", "add", str(BOB), "bob")
    pushed.ok("push", "--password-file", password_file)
    pushed.server.slot = replace(old, version=3)
    return pushed


def test_an_alarm_shows_the_expected_and_the_received_backup(rolled_back: Terminal, password_file: str) -> None:
    result = rolled_back.run("push", "--password-file", password_file)
    assert result.exit_code == ExitCode.DECIDE
    assert "[rollback-suspected]" in result.stderr
    assert "expected     version 2, sealed 2026-09-21T14:13:20Z on phone, 2 contacts" in result.stderr
    assert "received     version 3, sealed 2026-09-21T14:13:20Z on phone, 1 contact" in result.stderr


def test_verify_shows_an_alarm_and_exits_with_the_code_for_a_decision(
    rolled_back: Terminal, password_file: str
) -> None:
    result = rolled_back.run("verify", "--password-file", password_file)
    assert (result.exit_code, "older-writers" in result.stdout) == (ExitCode.DECIDE, True)
    facts = rolled_back.run("verify", "--password-file", password_file, "--json").stdout
    assert '"suspicions": [\n    "older-writers"\n  ]' in facts


def test_an_accepted_rollback_is_pushed(rolled_back: Terminal, password_file: str) -> None:
    assert rolled_back.facts("push", "--accept-rollback", "--password-file", password_file)["version"] == 4


@pytest.fixture
def stranger(pushed: Terminal) -> list[str]:
    """A second state directory with another identity."""
    state = ["--state", str(pushed.home / "stranger")]
    pushed.ok("new", *state)
    pushed.ok("contact", "add", str(BOB), "bob", *state)
    return state


def test_two_identities_are_an_error_with_both_keys_and_both_options(
    pushed: Terminal, stranger: list[str], password_file: str
) -> None:
    result = pushed.run("push", *stranger, "--password-file", password_file)
    assert result.exit_code == ExitCode.DECIDE
    assert pushed.facts("status", *stranger)["identity_public_key"] in result.stderr
    assert pushed.facts("status")["identity_public_key"] in result.stderr
    assert "--keep mine" in result.stderr
    assert "--keep theirs" in result.stderr


@pytest.mark.parametrize("keep", ["mine", "theirs"])
def test_the_person_decides_which_identity_stays(
    pushed: Terminal, stranger: list[str], password_file: str, keep: str
) -> None:
    owner = stranger if keep == "mine" else []
    kept = pushed.facts("status", *owner)["identity_public_key"]
    pushed.ok("push", *stranger, "--keep", keep, "--password-file", password_file)
    pushed.ok("restore", "--password-file", password_file, "--yes")
    for state in (stranger, []):
        assert pushed.facts("status", *state)["identity_public_key"] == kept
        listed = pushed.facts("contact", "list", *state)["contacts"]
        assert {each["user_id"] for each in listed} == {str(ALICE), str(BOB)}


def test_a_push_reports_merged_changes(pushed: Terminal, password_file: str) -> None:
    laptop = ["--state", str(pushed.home / "laptop")]
    pushed.ok("restore", *laptop, "--password-file", password_file, "--yes")
    pushed.ok("contact", "add", str(BOB), "bob", *laptop)
    pushed.ok("contact", "remove", str(ALICE), *laptop)
    pushed.ok("push", *laptop, "--password-file", password_file)
    said = pushed.ok("push", "--password-file", password_file)
    assert "Merged from other devices: 1 contact added, 1 contact removed" in said


def test_nothing_changed_means_nothing_uploaded_and_no_password_asked(pushed: Terminal) -> None:
    assert "Already up to date" in pushed.ok("push")
    assert pushed.person.prompts == []
    assert pushed.server.slot.version == 1


# --- another user ---

SOMEBODY_ELSE: dict[str, Any] = {"OBSCURA_TOKEN": token("11111111-2222-4333-8444-555555555555")}


@pytest.fixture
def empty_slot(pushed: Terminal) -> Terminal:
    """The phone was backed up as one user; the token is now of another user, who has no backup."""
    pushed.server.slot = type(pushed.server.slot)(0, None, 0)
    return pushed


def test_a_push_as_another_user_needs_a_confirmation(empty_slot: Terminal, password_file: str) -> None:
    empty_slot.person.says_yes = False
    result = empty_slot.run("push", "--password-file", password_file, **SOMEBODY_ELSE)
    assert (result.exit_code, "was backed up at" in result.stderr) == (ExitCode.DECIDE, True)
    assert empty_slot.server.slot.version == 0


def test_a_confirmed_push_as_another_user_is_sent(empty_slot: Terminal, password_file: str) -> None:
    arguments = ["push", "--yes", "--profile", "low-memory", "--password-file", password_file]
    assert empty_slot.facts(*arguments, **SOMEBODY_ELSE)["uploaded"]


def test_a_status_with_a_missing_backup_exits_with_the_code_for_a_decision(empty_slot: Terminal) -> None:
    result = empty_slot.run("status")
    assert (result.exit_code, "NO BACKUP" in result.stdout) == (ExitCode.DECIDE, True)
