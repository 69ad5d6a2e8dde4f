from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from obscura_backup_client.cli.exits import ExitCode
from support.client.contents import ALICE, NOW_MS
from support.client.terminal import Terminal


@pytest.fixture
def ready(created: Terminal) -> Terminal:
    created.ok("contact", "add", str(ALICE), "alice")
    return created


def test_export_to_standard_output_is_only_json(ready: Terminal) -> None:
    ended = ready.run("export")
    assert ended.stderr == ""
    document = json.loads(ended.stdout)
    assert [each["username"] for each in document["contacts"]] == ["alice"]
    assert len(document["identity"]["private_key"]) == 44
    assert ready.ok("export", "-") == ended.stdout


def test_export_without_identity_leaves_the_keys_out(ready: Terminal) -> None:
    shown = ready.ok("export", "--without-identity")
    assert "private" not in shown
    assert json.loads(shown)["contacts"]


def test_export_to_a_file_is_private_and_reported(ready: Terminal, tmp_path: Path) -> None:
    facts = ready.facts("export", str(tmp_path / "out.json"))
    assert facts == {"file": str(tmp_path / "out.json"), "contacts": 1, "identity": True}
    assert stat.S_IMODE((tmp_path / "out.json").stat().st_mode) == 0o600
    assert "PRIVATE KEY" in ready.ok("export", str(tmp_path / "out.json"), "--force")


def test_export_replaces_a_file_only_with_force(ready: Terminal, tmp_path: Path) -> None:
    (tmp_path / "out.json").write_text("mine")
    ended = ready.run("export", str(tmp_path / "out.json"))
    assert (ended.exit_code, "[export-exists]" in ended.stderr) == (ExitCode.USAGE, True)
    assert (tmp_path / "out.json").read_text() == "mine"


def test_export_never_replaces_the_state(ready: Terminal) -> None:
    before = (ready.home / "phone" / "state.json").read_bytes()
    ended = ready.run("export", str(ready.home / "phone" / "state.json"), "--force")
    assert (ended.exit_code, "[export-unwritable]" in ended.stderr) == (ExitCode.USAGE, True)
    assert (ready.home / "phone" / "state.json").read_bytes() == before


def test_export_to_a_missing_directory_is_a_usage_error(ready: Terminal, tmp_path: Path) -> None:
    ended = ready.run("export", str(tmp_path / "no" / "where"))
    assert (ended.exit_code, "[export-unwritable]" in ended.stderr) == (ExitCode.USAGE, True)


def test_import_shows_its_changes_and_asks(ready: Terminal) -> None:
    exported = ready.ok("export").encode()
    ended = ready.run("import", "-", stdin=exported, OBSCURA_STATE=str(ready.home / "tablet"))
    assert ended.exit_code == 0
    assert "1 added, 0 changed, 0 removed" in ended.stderr
    assert "There is no identity on this device" in ended.stderr
    assert ready.person.prompts == ["Import this file?"]
    assert "1 added, 0 changed, 0 removed. This device has 1 contact now." in ended.stdout


def test_import_shows_the_counters_that_it_raises(ready: Terminal) -> None:
    document = json.loads(ready.ok("export"))
    document["key_epoch"] = 9
    document["writers"] = [{"device_id": "0b" * 16, "seq": 3}]
    shown = ready.run("import", "-", stdin=json.dumps(document).encode()).stderr
    assert "password set 9 times instead of 0" in shown
    assert "newer uploads of 1" in shown
    assert "identity number" not in shown


def test_import_without_confirmation_changes_nothing(ready: Terminal) -> None:
    ready.person.says_yes = False
    exported = ready.ok("export").replace("alice", "alicia").replace('"edited_at_ms": 17', '"edited_at_ms": 18')
    ended = ready.run("import", "-", stdin=exported.encode())
    assert (ended.exit_code, "[not-confirmed]" in ended.stderr) == (ExitCode.DECIDE, True)
    assert "alice\n" in ready.ok("contact", "list")


def test_import_with_yes_does_not_ask(ready: Terminal, tmp_path: Path) -> None:
    ready.ok("export", str(tmp_path / "out.json"))
    facts = ready.facts("import", str(tmp_path / "out.json"), "--yes", OBSCURA_STATE=str(ready.home / "tablet"))
    added = {"username": "alice", "identity_key": "", "edited_at_ms": NOW_MS}
    assert facts == {
        "added": 1,
        "changed": 0,
        "removed": 0,
        "profile_changed": False,
        "key_epoch": 0,
        "identity_epoch": 1,
        "devices_changed": 0,
        "contacts": 1,
        "new_device": True,
        "named": [{"user_id": str(ALICE), "before": None, "after": added}],
    }
    assert ready.person.prompts == []


def test_import_of_another_identity_needs_a_decision(ready: Terminal) -> None:
    exported = ready.ok("export").encode()
    other = str(ready.home / "other")
    ready.ok("new", OBSCURA_STATE=other)
    ended = ready.run("import", "-", stdin=exported, OBSCURA_STATE=other)
    assert (ended.exit_code, "[identity-conflict]" in ended.stderr) == (ExitCode.DECIDE, True)
    shown = ready.run("import", "-", "--keep", "theirs", "--yes", stdin=exported, OBSCURA_STATE=other)
    assert "replaces this device's keys" in shown.stderr
    assert json.loads(ready.ok("export", OBSCURA_STATE=other))["identity"] == json.loads(exported)["identity"]


def test_import_of_an_invalid_export_names_the_place(ready: Terminal) -> None:
    exported = ready.ok("export").replace(str(ALICE), "alice").encode()
    ended = ready.run("import", "-", stdin=exported)
    assert ended.exit_code == ExitCode.REFUSED_INPUT
    assert "(contacts[0].user_id)" in ended.stderr
    assert "[malformed-export]" in ended.stderr


@pytest.mark.parametrize("name", ["/", "/nowhere/to/be/found", ""])
def test_import_of_a_file_that_cannot_be_read_is_a_usage_error(ready: Terminal, name: str) -> None:
    assert ready.run("import", name).exit_code == ExitCode.USAGE
