"""Commands remind of a password that was not typed for long, and say what to do if it is forgotten."""

from __future__ import annotations

from dataclasses import replace

from obscura_backup_client.cli.exits import ExitCode
from support.client.contents import NOW_MS
from support.client.terminal import PASSWORD, Terminal

DAY_MS = 24 * 60 * 60 * 1000


def later(terminal: Terminal, days: int) -> Terminal:
    return replace(terminal, environment=replace(terminal.environment, now_ms=lambda: NOW_MS + days * DAY_MS))


def test_the_status_shows_when_the_password_was_typed(pushed: Terminal) -> None:
    assert "Password   last typed on this device 2026-09-21T14:13:20Z\n" in pushed.ok("status")
    facts = pushed.facts("status")
    assert (facts["password_typed_at"], facts["password_check_due"]) == ("2026-09-21T14:13:20Z", False)


def test_after_thirty_days_the_status_suggests_verify_which_ends_that(pushed: Terminal) -> None:
    after = later(pushed, 31)
    assert "2026-09-21T14:13:20Z. Do you still know it? `verify` finds out\n" in after.ok("status")
    pushed.person.passwords = [PASSWORD]
    after.ok("verify")
    assert after.facts("status")["password_check_due"] is False


def test_a_password_from_a_file_is_not_typed(pushed: Terminal, password_file: str) -> None:
    after = later(pushed, 31)
    after.ok("verify", "--password-file", password_file)
    assert after.facts("status")["password_check_due"] is True


def test_a_new_password_from_a_file_is_not_typed(pushed: Terminal) -> None:
    path = pushed.home / "new-password"
    path.write_text("quite another battery of horses\n")
    pushed.person.passwords = [PASSWORD]
    pushed.ok("passwd", "--profile", "low-memory", "--new-password-file", str(path))
    assert "Password   never typed on this device. Do you still know it?" in pushed.ok("status")


def test_a_wrong_password_is_reported_with_the_way_to_a_new_one(pushed: Terminal) -> None:
    pushed.person.passwords = ["a wrong password"] * 3
    result = pushed.run("verify")
    assert result.exit_code == ExitCode.PASSWORD
    assert "`delete` the backup, then\n  `push` it under a new password." in result.stderr


def test_that_way_leads_to_a_new_password(pushed: Terminal) -> None:
    pushed.ok("delete", "--yes")
    pushed.person.passwords = ["quite another battery of horses"] * 3
    pushed.ok("push", "--profile", "low-memory")
    assert pushed.facts("verify")["found"]["contacts"] == 1
