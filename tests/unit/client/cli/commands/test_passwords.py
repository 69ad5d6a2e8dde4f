"""`passwd`, and the rules of new passwords."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from obscura_backup_client.cli.exits import ExitCode
from obscura_backup_client.sealing import sealed
from obscura_backup_client.sealing.errors import WrongPassword
from obscura_backup_client.sealing.sealed import open_sealed
from support.client.contents import BOB
from support.client.terminal import PASSWORD, USER, Terminal

pytestmark = pytest.mark.usefixtures("cheap_kdf")

NEW = "rusty anvil cloud seven"
WEAK = "password12345"
QUICK = ("--profile", "low-memory")


def opens(terminal: Terminal, password: str) -> bool:
    try:
        open_sealed(terminal.server.slot.blob or b"", password, USER)
    except WrongPassword:
        return False
    return True


def test_passwd_asks_once_for_the_old_password_and_twice_for_the_new_one(pushed: Terminal) -> None:
    pushed.person.passwords = [PASSWORD, NEW, NEW]
    result = pushed.run("passwd", *QUICK)
    assert result.exit_code == 0, result.stderr
    assert [prompt.split(" (")[0] for prompt in pushed.person.prompts] == [
        "Current backup password: ",
        "New backup password",
        "Once more: ",
    ]
    assert (opens(pushed, NEW), opens(pushed, PASSWORD)) == (True, False)


def test_passwd_warns_that_earlier_copies_still_open(pushed: Terminal) -> None:
    pushed.person.passwords = [PASSWORD, NEW, NEW]
    assert "still open with the old password" in pushed.run("passwd", *QUICK).stderr


def test_both_passwords_may_come_from_files(pushed: Terminal, password_file: str, tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.write_text(NEW + "\n")
    files = ["--password-file", password_file, "--new-password-file", str(new)]
    assert pushed.facts("passwd", *files, *QUICK)["changed"]
    # Once more, as a script does after a lost answer.
    assert not pushed.facts("passwd", *files, *QUICK)["changed"]
    assert opens(pushed, NEW)


def test_both_passwords_may_come_from_standard_input(pushed: Terminal) -> None:
    files = ["--password-file", "-", "--new-password-file", "-"]
    pushed.ok("passwd", *files, *QUICK, stdin=f"{PASSWORD}\n{NEW}\n".encode())
    assert opens(pushed, NEW)


def test_a_password_may_come_from_an_open_descriptor(pushed: Terminal) -> None:
    readable, encodable = os.pipe()
    os.write(encodable, PASSWORD.encode())
    os.close(encodable)
    try:
        assert pushed.facts("verify", "--password-file", f"/dev/fd/{readable}")["well"]
    finally:
        os.close(readable)


def test_a_wrong_old_password_from_a_file_is_not_asked_again(pushed: Terminal, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text(NEW)
    result = pushed.run("verify", "--password-file", str(wrong))
    assert (result.exit_code, pushed.person.prompts) == (ExitCode.PASSWORD, [])


def test_a_mistyped_password_is_asked_for_again(pushed: Terminal) -> None:
    pushed.person.passwords = [NEW, PASSWORD]
    result = pushed.run("verify")
    assert result.exit_code == 0
    assert "The password is wrong" in result.stderr


@pytest.mark.parametrize("command", ["push", "passwd"])
def test_a_guessable_new_password_needs_accept_weak(terminal: Terminal, pushed: Terminal, command: str) -> None:
    state = ["--state", str(terminal.home / "fresh")]
    if command == "push":
        terminal.server.slot = type(terminal.server.slot)(0, None, 0)
        terminal.ok("new", *state)
        terminal.person.passwords = [WEAK, WEAK, WEAK]
        arguments = [command, *state, *QUICK]
    else:
        terminal.person.passwords = [PASSWORD, WEAK, WEAK, WEAK]
        arguments = [command, *QUICK]
    refused = terminal.run(*arguments)
    assert (refused.exit_code, "--accept-weak" in refused.stderr) == (ExitCode.PASSWORD, True)
    terminal.person.passwords = [WEAK, WEAK] if command == "push" else [PASSWORD, WEAK, WEAK]
    assert terminal.run(*arguments, "--accept-weak").exit_code == 0
    assert opens(terminal, WEAK)


def test_a_guessable_password_from_a_file_is_refused_before_any_request(created: Terminal, tmp_path: Path) -> None:
    weak = tmp_path / "weak"
    weak.write_text(WEAK)
    assert created.run("push", "--password-file", str(weak)).exit_code == ExitCode.PASSWORD
    assert created.server.pushed == []


def test_an_old_password_need_not_follow_the_rules(created: Terminal, tmp_path: Path) -> None:
    weak = tmp_path / "weak"
    weak.write_text(WEAK)
    created.ok("push", "--password-file", str(weak), "--accept-weak", *QUICK)
    created.ok("contact", "add", str(BOB), "bob")
    assert created.run("push", "--password-file", str(weak)).exit_code == 0


def test_the_same_password_is_refused_as_unchanged(pushed: Terminal, password_file: str) -> None:
    result = pushed.run("passwd", "--password-file", password_file, "--new-password-file", password_file)
    assert (result.exit_code, "[password-unchanged]" in result.stderr) == (ExitCode.PASSWORD, True)


def test_the_calibrated_profile_is_an_error_without_a_calibration(pushed: Terminal) -> None:
    assert pushed.run("push", "--profile", "calibrated").exit_code == ExitCode.NOTHING_THERE


@pytest.mark.parametrize("option", ["--password-file", "--new-password-file"])
@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n" + PASSWORD.encode(), b"\xef\xbb\xbf\n"])
def test_an_empty_first_line_is_refused_before_a_derivation(
    pushed: Terminal, password_file: str, tmp_path: Path, option: str, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_arguments: object) -> bytes:
        raise AssertionError

    monkeypatch.setattr(sealed, "argon2id", never)
    (tmp_path / "empty").write_bytes(content)
    arguments = {
        "--password-file": password_file,
        "--new-password-file": password_file,
        option: str(tmp_path / "empty"),
    }
    ended = pushed.run("passwd", *(each for pair in arguments.items() for each in pair))
    assert (ended.exit_code, "[password-empty]" in ended.stderr) == (ExitCode.PASSWORD, True)


def test_text_after_the_first_line_may_have_any_length(pushed: Terminal, tmp_path: Path) -> None:
    (tmp_path / "long").write_bytes(PASSWORD.encode() + b"\n" + bytes(100_000))
    assert pushed.facts("verify", "--password-file", str(tmp_path / "long"))["well"]
