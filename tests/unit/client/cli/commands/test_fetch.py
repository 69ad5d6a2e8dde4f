"""`fetch` writes the sealed backup for `inspect`, without opening it."""

from __future__ import annotations

import stat

import pytest

from obscura_backup_client.cli.commands import fetch
from obscura_backup_client.cli.exits import ExitCode
from support.client.terminal import Terminal


def test_the_file_has_the_sealed_bytes_and_inspect_reads_it(pushed: Terminal) -> None:
    path = pushed.home / "backup.obk"
    blob = pushed.server.slot.blob
    assert blob is not None
    assert pushed.ok("fetch", str(path)) == f"Wrote version 1, {len(blob)} sealed bytes, to {path}.\n"
    assert path.read_bytes() == blob
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert pushed.facts("inspect", str(path))["size_bytes"] == len(blob)
    assert pushed.person.prompts == []


def test_it_needs_no_identity_and_creates_no_state(pushed: Terminal) -> None:
    elsewhere = pushed.home / "elsewhere"
    facts = pushed.facts("fetch", str(pushed.home / "backup.obk"), "--state", str(elsewhere))
    assert (facts["version"], facts["size_bytes"]) == (1, len(pushed.server.slot.blob or b""))
    assert not elsewhere.exists()


def test_standard_output_gets_the_bytes_alone(pushed: Terminal) -> None:
    assert pushed.run("fetch", "-").stdout_bytes == pushed.server.slot.blob


def test_a_terminal_gets_no_sealed_bytes(pushed: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "is_terminal", lambda _: True)
    result = pushed.run("fetch", "-")
    assert (result.exit_code, result.stdout, pushed.server.calls) == (ExitCode.USAGE, "", [])


def test_an_existing_file_is_replaced_only_on_request(pushed: Terminal) -> None:
    path = pushed.home / "backup.obk"
    path.write_bytes(b"precious")
    result = pushed.run("fetch", str(path))
    assert (result.exit_code, path.read_bytes()) == (ExitCode.USAGE, b"precious")
    pushed.ok("fetch", "--force", str(path))
    assert path.read_bytes() == pushed.server.slot.blob


def test_the_clients_own_files_are_never_replaced(pushed: Terminal) -> None:
    state = pushed.home / "phone" / "state.json"
    before = state.read_bytes()
    result = pushed.run("fetch", "--force", str(state))
    assert (result.exit_code, state.read_bytes() == before) == (ExitCode.USAGE, True)
    assert "The file cannot be written (the client keeps its own files there)" in result.stderr


def test_without_a_backup_there_is_no_file(terminal: Terminal) -> None:
    result = terminal.run("fetch", str(terminal.home / "backup.obk"))
    assert (result.exit_code, "[not-found]" in result.stderr) == (ExitCode.NOTHING_THERE, True)
    assert list(terminal.home.iterdir()) == []


def test_without_a_token_the_missing_token_is_reported(terminal: Terminal) -> None:
    assert terminal.run("fetch", "backup.obk", OBSCURA_TOKEN=None).exit_code == ExitCode.TOKEN
