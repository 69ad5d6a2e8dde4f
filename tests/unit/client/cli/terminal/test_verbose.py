"""`--verbose` says what is sent and learnt, and names each changed contact. It shows no secret."""

from __future__ import annotations

import base64
from uuid import UUID

import pytest

from obscura_backup_client.cli.exits import ExitCode
from obscura_backup_client.cli.terminal.wording import contact_change_text
from obscura_backup_client.device.directory import StateDirectory
from obscura_backup_client.operations.contact_change import ContactChange
from support.client.contents import ALICE, BOB, contact
from support.client.terminal import PASSWORD, Terminal, token

CAROL = UUID(int=3)


@pytest.fixture
def changed(pushed: Terminal, password_file: str) -> Terminal:
    """Another device renamed Alice, gave her a key, added Bob and Carol, and removed Carol again."""
    laptop = ["--state", str(pushed.home / "laptop")]
    pushed.ok("restore", *laptop, "--password-file", password_file, "--yes")
    pushed.ok("contact", "add", str(ALICE), "alicia", "--identity-key", "4b" * 32, *laptop)
    pushed.ok("contact", "add", str(BOB), "bob", *laptop)
    pushed.ok("push", *laptop, "--password-file", password_file)
    return pushed


def test_a_push_says_what_it_sends_and_learns(pushed: Terminal, password_file: str) -> None:
    pushed.ok("contact", "add", str(BOB), "bob")
    said = pushed.run("push", "--verbose", "--password-file", password_file).stderr
    assert "Server: http://127.0.0.1:8400, user 99999999-8888-4777-8666-555555555555.\n" in said
    assert "Sent: GET /v1/backup, with the token.\nLearnt: the backup is version 1; " in said
    size = len(pushed.server.slot.blob or b"")
    assert f"Sent: POST /v1/backup, with the token and {size} sealed bytes, to replace version 1.\n" in said
    assert "Learnt: stored as version 2. The server learnt the size and the time, and nothing in the backup.\n" in said


def test_a_first_push_a_status_and_a_deletion_say_so_too(pushed: Terminal) -> None:
    pushed.ok("delete", "--yes")
    pushed.person.passwords = [PASSWORD] * 2
    said = pushed.run("push", "--verbose", "--profile", "low-memory").stderr
    assert "Sent: GET /v1/backup, with the token.\nLearnt: no success [not-found].\n" in said
    assert "sealed bytes, as the first backup.\n" in said
    said = pushed.run("status", "--verbose").stderr
    assert "Sent: HEAD /v1/backup, with the token.\nLearnt: the backup is version 3, " in said
    said = pushed.run("delete", "--yes", "--verbose").stderr
    assert "Sent: DELETE /v1/backup, with the token, for version 3 only.\nLearnt: the backup is deleted." in said


def test_without_the_option_nothing_of_that_is_said(changed: Terminal, password_file: str) -> None:
    result = changed.run("push", "--password-file", password_file)
    assert ("Sent" in result.output, "alicia" in result.output) == (False, False)


def test_no_secret_is_shown(changed: Terminal, password_file: str) -> None:
    identity = StateDirectory(changed.home / "phone").read().content.identity
    outputs = [
        changed.run(*command, "--verbose", "--password-file", password_file, *more).output
        for command in (["status"], ["verify"], ["restore", "--yes"], ["push"], ["undo", "--yes"], ["delete", "--yes"])
        for more in ([], ["--json"])
    ]
    secrets = [token(), PASSWORD, identity.private_key.hex(), base64.b64encode(identity.private_key).decode()]
    assert [secret for secret in secrets if secret in "".join(outputs)] == []


# --- which contact changed, from what to what ---

NAMED = f"  changed  {ALICE}  alice is now alicia, ANOTHER IDENTITY KEY\n  added    {BOB}  bob\n"


@pytest.mark.parametrize(
    ("command", "heading"),
    [("push", "Merged from other devices"), ("restore", "Changed on this device"), ("verify", "Incoming")],
)
def test_each_changed_contact_is_named(changed: Terminal, password_file: str, command: str, heading: str) -> None:
    result = changed.run(command, "--verbose", "--yes", "--password-file", password_file)
    assert (result.exit_code, f"{heading}:\n{NAMED}" in result.stderr) == (ExitCode.OK, True)


def test_an_undo_names_what_it_takes_back(changed: Terminal, password_file: str) -> None:
    changed.ok("restore", "--yes", "--password-file", password_file)
    said = changed.run("undo", "--yes", "--verbose").stderr
    assert f"changed  {ALICE}  alicia is now alice, ANOTHER IDENTITY KEY\n  removed  {BOB}  bob\n" in said


def test_the_json_of_a_push_has_each_change_without_the_option(changed: Terminal, password_file: str) -> None:
    named = changed.facts("push", "--password-file", password_file)["merged"]["named"]
    assert [each["user_id"] for each in named] == [str(ALICE), str(BOB)]
    renamed, added = named
    assert (renamed["before"]["username"], renamed["after"]["username"]) == ("alice", "alicia")
    assert (renamed["before"]["identity_key"], renamed["after"]["identity_key"]) == (
        "",
        base64.b64encode(b"K" * 32).decode(),
    )
    assert (added["before"], added["after"]["username"]) == (None, "bob")


def test_invisible_characters_of_names_are_escaped() -> None:
    change = ContactChange(ALICE, contact(username="al\u200bice"), contact(username="\u202eecila"))
    assert contact_change_text(change) == f"changed  {ALICE}  al\\u200bice is now \\u202eecila"
