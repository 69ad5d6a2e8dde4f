"""`status` shows this device's half first, also if the server cannot be asked."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from obscura_backup_client.cli.exits import ExitCode
from obscura_backup_client.device.directory import StateDirectory
from obscura_backup_client.transport.errors import Unauthorized, Unavailable
from support.client.contents import ALICE, BOB
from support.client.terminal import Terminal


def failing(pushed: Terminal, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def head() -> None:
        raise error

    monkeypatch.setattr(pushed.server, "head", head)


@pytest.mark.parametrize(
    ("error", "code"),
    [(Unavailable("the connection was refused"), ExitCode.SERVER), (Unauthorized(), ExitCode.TOKEN)],
    ids=["unavailable", "expired token"],
)
def test_without_an_answer_this_devices_half_is_shown_and_then_the_error(
    pushed: Terminal, monkeypatch: pytest.MonkeyPatch, error: Any, code: ExitCode
) -> None:
    failing(pushed, monkeypatch, error)
    result = pushed.run("status")
    assert (result.exit_code, f"[{error.code}]" in result.stderr) == (code, True)
    assert "Contacts   1 contact\n" in result.stdout
    assert "Account    99999999-8888-4777-8666-555555555555 at http://127.0.0.1:8400\n" in result.stdout
    assert "Pushed     everything\n" in result.stdout
    assert "Last seen  version 1" in result.stdout
    assert "Server     not known, because it gave no usable answer\n" in result.stdout
    assert result.output.index("Server     not known") < result.output.index("Error:")


def test_as_json_the_servers_state_is_unknown(pushed: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(pushed, monkeypatch, Unavailable("the connection was refused"))
    facts = json.loads(pushed.run("status", "--json").stdout)
    assert (facts["contacts"], facts["pending"], facts["remote"]["state"]) == (1, False, "unknown")


@pytest.mark.parametrize(
    ("arguments", "token", "code"),
    [
        ([], "not a token", ExitCode.TOKEN),
        (["--token-file", "/nowhere/token"], "", ExitCode.USAGE),
    ],
)
def test_with_an_unusable_token_the_device_is_shown_too(
    pushed: Terminal, arguments: list[str], token: str, code: ExitCode
) -> None:
    result = pushed.run("status", *arguments, OBSCURA_TOKEN=token)
    assert (result.exit_code, "Contacts   1 contact\n" in result.stdout) == (code, True)
    assert "Account" not in result.stdout


def test_without_an_identity_the_tokens_error_is_reported_alone(terminal: Terminal) -> None:
    result = terminal.run("status", OBSCURA_TOKEN="not a token")
    assert (result.exit_code, result.stdout) == (ExitCode.TOKEN, "")


# --- after a deletion, and contacts that were removed ---


def test_a_backup_that_this_device_deleted_is_shown_as_deleted_by_it(pushed: Terminal) -> None:
    pushed.ok("delete", "--yes")
    assert "Server     deleted by this device at 2026-09-21T14:13:20Z\n" in pushed.ok("status")
    remote = pushed.facts("status")["remote"]
    assert (remote["state"], remote["deleted_at"]) == ("none", "2026-09-21T14:13:20Z")


def test_a_deletion_that_an_earlier_version_recorded_has_no_time(pushed: Terminal) -> None:
    pushed.ok("delete", "--yes")
    with StateDirectory(pushed.home / "phone").locked() as locked_state:
        state = locked_state.require()
        old = {account: replace(known, deleted_at_ms=None) for account, known in state.last_seen.items()}
        locked_state.write(replace(state, last_seen=old))
    assert "Server     deleted by this device\n" in pushed.ok("status")


def test_before_the_first_push_there_is_no_backup_yet(created: Terminal) -> None:
    assert "Server     no backup yet\n" in created.ok("status")
    assert created.facts("status")["remote"]["deleted_at"] is None


def test_after_a_push_the_deletion_is_history(pushed: Terminal, password_file: str) -> None:
    pushed.ok("delete", "--yes")
    pushed.ok("push", "--profile", "low-memory", "--password-file", password_file)
    assert "unchanged since this device last saw it" in pushed.ok("status")
    assert pushed.facts("status")["remote"]["deleted_at"] is None


def test_removed_contacts_are_counted_apart(created: Terminal) -> None:
    for user_id, name in ((ALICE, "alice"), (BOB, "bob")):
        created.ok("contact", "add", str(user_id), name)
    created.ok("contact", "remove", str(BOB))
    assert "Contacts   1 contact, 1 more removed\n" in created.ok("status")
