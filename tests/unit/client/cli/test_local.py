from __future__ import annotations

import base64
import json
import os
import time
from dataclasses import replace
from uuid import UUID

import pytest

from obscura_backup_client.cli.app import COMMANDS
from obscura_backup_client.cli.exits import ExitCode
from obscura_backup_client.device import directory as state_directory
from obscura_backup_client.device.directory import StateDirectory
from support.client.contents import ALICE, BOB, contact
from support.client.terminal import Terminal
from support.table import table

NO_CONTACTS = {"contacts": [], "total": 0, "next_offset": None}


def test_every_command_has_a_help_text(terminal: Terminal) -> None:
    assert [each for each in COMMANDS if "--state DIR" not in terminal.ok(each, "--help")] == []


def test_help_lists_every_exit_code(terminal: Terminal) -> None:
    shown = terminal.ok("--help")
    assert all(f"\n    {code.value} " in shown for code in ExitCode)


def test_an_unknown_command_is_a_usage_error(terminal: Terminal) -> None:
    assert terminal.run("destroy").exit_code == ExitCode.USAGE


# --- new and contacts ---


def test_new_needs_only_a_state_directory(terminal: Terminal) -> None:
    facts = terminal.facts("new", "--state", str(terminal.home / "x"), OBSCURA_TOKEN=None, OBSCURA_STATE=None)
    assert len(bytes.fromhex(facts["identity_public_key"])) == 32
    assert (terminal.home / "x" / "state.json").stat().st_mode & 0o777 == 0o600


def test_new_never_overwrites(created: Terminal) -> None:
    before = (created.home / "phone" / "state.json").read_bytes()
    assert created.run("new").exit_code == ExitCode.STATE
    assert (created.home / "phone" / "state.json").read_bytes() == before


def test_no_output_shows_the_private_key(terminal: Terminal) -> None:
    shown = terminal.ok("new", "--json") + terminal.ok("status", "--json")
    identity = StateDirectory(terminal.home / "phone").read().content.identity
    assert identity.private_key.hex() not in shown
    assert base64.b64encode(identity.private_key).decode() not in shown


def test_contacts_are_added_listed_and_removed(created: Terminal) -> None:
    created.ok("contact", "add", str(BOB), "bob", "--identity-key", "4b" * 32)
    created.ok("contact", "add", str(ALICE), "alice")
    created.ok("contact", "remove", str(ALICE))
    listed = created.facts("contact", "list")["contacts"]
    assert [(each["user_id"], each["username"]) for each in listed] == [(str(BOB), "bob")]
    assert base64.b64decode(listed[0]["identity_key"]) == b"K" * 32


def test_escape_codes_in_a_contacts_name_are_escaped(created: Terminal) -> None:
    with StateDirectory(created.home / "phone").locked() as locked_state:
        state = locked_state.require()
        # As another client may have backed it up.
        named = contact(username="\x1b[2Jalice\x9b2J\n\u202eecila")
        locked_state.write(replace(state, content=replace(state.content, contacts=(named,))))
    shown = created.ok("contact", "list") + created.ok("contact", "list", "--json")
    assert [each for each in shown if each in "\x1b\x9b\u202e"] == []
    assert created.facts("contact", "list")["contacts"][0]["username"] == named.username


@table("user_id", ["alice", "{00112233-4455-6677-8899-aabbccddeeff}", "00112233"])
def test_a_contact_needs_a_uuid(created: Terminal, user_id: str) -> None:
    assert created.run("contact", "add", user_id, "alice").exit_code == ExitCode.USAGE


@table("key", ["4b" * 31 + "4", "é", "4b", "S0tL"])
def test_a_key_that_may_have_been_cut_off_is_not_stored(created: Terminal, key: str) -> None:
    assert created.run("contact", "add", str(BOB), "bob", "--identity-key", key).exit_code == ExitCode.USAGE
    assert created.facts("contact", "list") == NO_CONTACTS


def test_a_name_with_control_characters_is_refused_and_not_echoed(created: Terminal) -> None:
    result = created.run("contact", "add", str(BOB), "\x1b[2Jbob")
    assert (result.exit_code, "\x1b" in result.output) == (ExitCode.REFUSED_INPUT, False)


def test_five_hundred_contacts_are_imported(created: Terminal) -> None:
    rows = "user_id,username\n" + "".join(f"{UUID(int=n)},user{n}\n" for n in range(1, 501))
    started = time.process_time()
    assert created.facts("contact", "import", "-", stdin=rows.encode()) == {"added": 500, "changed": 0, "unchanged": 0}
    assert time.process_time() - started < 5


def test_a_contact_file_with_an_error_changes_nothing(created: Terminal) -> None:
    rows = f"user_id,username\n{ALICE},alice\nnobody,bob\n"
    assert created.run("contact", "import", "-", stdin=rows.encode()).exit_code == ExitCode.REFUSED_INPUT
    assert created.facts("contact", "list") == NO_CONTACTS


def test_a_missing_contact_file_is_a_usage_error(created: Terminal) -> None:
    assert created.run("contact", "import", "/nowhere/contacts.csv").exit_code == ExitCode.USAGE


def test_global_options_are_accepted_before_and_after_the_command(terminal: Terminal) -> None:
    here, there = str(terminal.home / "here"), str(terminal.home / "there")
    assert terminal.facts("--state", here, "new")["state"] == here
    assert terminal.facts("new", "--state", there)["state"] == there
    assert json.loads(terminal.ok("--json", "contact", "--state", here, "list")) == NO_CONTACTS


def test_the_command_line_takes_precedence_over_the_environment(terminal: Terminal) -> None:
    here = str(terminal.home / "here")
    assert terminal.facts("--state", here, "new", OBSCURA_STATE=str(terminal.home / "env"))["state"] == here


def test_the_default_state_is_in_the_users_data_directory(terminal: Terminal) -> None:
    facts = terminal.facts("new", OBSCURA_STATE=None, XDG_DATA_HOME=str(terminal.home))
    assert facts["state"] == str(terminal.home / "obscura-client")


def test_the_server_is_an_option(created: Terminal) -> None:
    created.ok("status", "--server", "https://backup.example")
    created.ok("status")
    assert created.addresses == ["https://backup.example", "http://127.0.0.1:8400"]


# --- options without a value, and files without an end ---


@table("option", ["--state", "--server", "--token-file", "--user-claim", "--password-file"])
@table("arguments", [("{}", "", "status"), ("status", "{}", ""), ("status", "{}=")])
def test_an_empty_option_is_a_usage_error_and_not_the_default(
    created: Terminal, option: str, arguments: tuple[str, ...]
) -> None:
    ended = created.run(*(each.format(option) for each in arguments))
    assert (ended.exit_code, f"'{option}'" in ended.stderr) == (ExitCode.USAGE, True)
    assert created.addresses == []


def test_an_empty_variable_counts_as_not_set(terminal: Terminal) -> None:
    terminal.ok("new", "--state", str(terminal.home / "obscura-client"))
    shown = terminal.facts("status", OBSCURA_STATE="", XDG_DATA_HOME=str(terminal.home), OBSCURA_TOKEN_FILE="")
    assert shown["state"] == str(terminal.home / "obscura-client")


def test_a_contact_file_without_an_end_is_refused(created: Terminal) -> None:
    ended = created.run("contact", "import", "/dev/zero")
    assert (ended.exit_code, "more than 8388608 bytes" in ended.stderr) == (ExitCode.REFUSED_INPUT, True)


def test_a_state_directory_of_another_user_causes_a_warning(created: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    # As a user who is neither the owner nor root.
    monkeypatch.setattr(state_directory, "ROOT", -1)
    monkeypatch.setattr(os, "geteuid", lambda: -1)
    assert "Warning: other users of this machine can write to" in created.run("status").stderr
    monkeypatch.setattr(StateDirectory, "is_writable_by_others", lambda _: False)
    assert "belongs to another user. Is this identity yours?" in created.run("status").stderr
