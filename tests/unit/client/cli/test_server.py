from __future__ import annotations

from dataclasses import replace

import pytest

from obscura_backup_client.cli.exits import ExitCode
from obscura_backup_client.content.codec import decode, encode
from obscura_backup_client.sealing.kdf_parameters import KdfParameters
from obscura_backup_client.sealing.sealed import Header, open_sealed, seal
from support.client.contents import BOB
from support.client.terminal import PASSWORD, USER, Terminal, token
from support.table import table

pytestmark = pytest.mark.usefixtures("cheap_kdf")


def test_a_new_device_restores_with_a_password_and_a_token(pushed: Terminal, password_file: str) -> None:
    laptop = ["--state", str(pushed.home / "laptop")]
    facts = pushed.facts("restore", *laptop, "--password-file", password_file, "--yes")
    assert (facts["contacts"], facts["sealed_on"], facts["new_device"]) == (1, "phone", True)
    assert [each["username"] for each in pushed.facts("contact", "list", *laptop)["contacts"]] == ["alice"]


def test_a_restore_shows_the_backup_and_asks(pushed: Terminal, password_file: str) -> None:
    pushed.person.says_yes = False
    result = pushed.run("restore", "--state", str(pushed.home / "laptop"), "--password-file", password_file)
    assert result.exit_code == ExitCode.DECIDE
    assert "phone" in result.stderr
    assert "2026-09-21T14:13:20Z" in result.stderr
    assert result.stdout == ""
    assert not (pushed.home / "laptop" / "state.json").exists()


def test_names_from_a_backup_cannot_move_the_cursor(pushed: Terminal, password_file: str) -> None:
    opened = open_sealed(pushed.server.slot.blob or b"", PASSWORD, USER)
    named = replace(decode(opened.payload), device_name="\x1b[2J\r\n")
    pushed.server.slot = replace(pushed.server.slot, blob=seal(encode(named), opened.key, USER))
    laptop = ["--state", str(pushed.home / "laptop")]
    restored = pushed.run("restore", *laptop, "--password-file", password_file, "--yes")
    shown = restored.output + pushed.ok("status", *laptop)
    assert restored.exit_code == 0
    assert [each for each in shown if each in "\x1b\r"] == []


def test_the_first_push_asks_for_the_password_twice_and_shows_its_strength(created: Terminal) -> None:
    created.person.passwords = ["short", PASSWORD, PASSWORD]
    result = created.run("push", "--profile", "low-memory")
    assert result.exit_code == 0
    assert "at least 13" in result.stderr
    assert "Strength: " in result.stderr


def test_a_new_password_whose_entries_differ_is_not_set(created: Terminal) -> None:
    created.person.passwords = [PASSWORD, "correct horse batteri"] * 3
    assert created.run("push").exit_code == ExitCode.PASSWORD
    assert created.server.pushed == []


def test_a_later_push_asks_once(pushed: Terminal) -> None:
    pushed.ok("contact", "add", str(BOB), "bob")
    pushed.person.passwords = [PASSWORD]
    pushed.ok("push")
    assert pushed.person.prompts == ["Backup password: "]


def test_the_password_is_the_first_line_of_the_file(pushed: Terminal) -> None:
    pushed.ok("contact", "add", str(BOB), "bob")
    pushed.ok("push", "--password-file", "-", stdin=b"\xef\xbb\xbf" + PASSWORD.encode() + b"\r\nsomething else\n")


def test_a_password_without_a_terminal_or_file_is_an_error(created: Terminal) -> None:
    assert created.run("push").exit_code == ExitCode.PASSWORD


def test_the_status_needs_neither_password_nor_token(pushed: Terminal) -> None:
    assert pushed.facts("status")["remote"]["state"] == "same"
    assert pushed.facts("status", OBSCURA_TOKEN=None)["remote"]["state"] == "not-asked"
    assert "phone" in pushed.ok("status")


def test_a_deletion_shows_the_backup_and_asks(pushed: Terminal) -> None:
    pushed.person.says_yes = False
    result = pushed.run("delete")
    assert result.exit_code == ExitCode.DECIDE
    assert "version 1" in result.stderr
    assert "It keeps 1 contact." in result.stderr
    assert pushed.server.slot.blob is not None


def test_a_deletion_does_not_change_this_device(pushed: Terminal) -> None:
    assert pushed.facts("delete", "--yes") == {"deleted": True, "version": 1}
    assert pushed.person.prompts == []
    assert pushed.server.slot.blob is None
    assert [each["username"] for each in pushed.facts("contact", "list")["contacts"]] == ["alice"]


@table("command", ["push", "restore", "delete"])
def test_commands_without_a_token_are_an_error(created: Terminal, command: str) -> None:
    assert created.run(command, OBSCURA_TOKEN=None).exit_code == ExitCode.TOKEN


@table("bad", ["opaque", token("alice")])
def test_a_token_without_a_user_is_refused(created: Terminal, bad: str) -> None:
    result = created.run("status", OBSCURA_TOKEN=bad)
    assert result.exit_code == ExitCode.TOKEN
    assert bad not in result.stderr


def test_an_unusual_amount_of_memory_needs_a_confirmation(terminal: Terminal) -> None:
    terminal.person.passwords, terminal.person.says_yes = [PASSWORD], False
    hungry = Header(KdfParameters(memory_kib=300 * 1024, passes=3, lanes=1), b"s" * 16, b"n" * 12, b"c" * 32)
    terminal.server.push(hungry.encoded + bytes(64), 0)
    assert terminal.run("restore").exit_code == ExitCode.UNREADABLE
    assert "300 MiB" in terminal.person.prompts[-1]


def test_commands_without_an_identity_suggest_new_or_restore(terminal: Terminal) -> None:
    result = terminal.run("contact", "list")
    assert result.exit_code == ExitCode.STATE
    assert "restore" in result.stderr
