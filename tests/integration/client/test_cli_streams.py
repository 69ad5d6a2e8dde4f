"""The command with closed or full streams, and without a home directory."""

from __future__ import annotations

import getpass
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from obscura_backup_client.cli import environment
from obscura_backup_client.cli.exits import ExitCode, NoHome, PasswordNotText, exit_code
from obscura_backup_client.cli.settings import Settings
from obscura_backup_client.client import BackupClient
from support.client.contents import ALICE

TOKEN = "e30.eyJzdWIiOiI5OTk5OTk5OS04ODg4LTQ3NzctODY2Ni01NTU1NTU1NTU1NTUifQ.c2ln"

Shell = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Run a command line in a shell, with redirections."""
    program = shlex.join([sys.executable, "-m", "obscura_backup_client.cli"])

    def run(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
        env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "OBSCURA_TOKEN": TOKEN, **environment}
        command = ["/bin/sh", "-c", line.replace("obscura-client", program)]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=30)

    return run


@pytest.fixture
def ready(shell: Shell, tmp_path: Path) -> Shell:
    """The same, with an identity in the default state directory."""
    BackupClient.open(tmp_path / ".local" / "share" / "obscura-client").create()
    return shell


def is_one_sentence(text: str) -> bool:
    return text.count("\n") == 1 and "Traceback" not in text and "bug" not in text


@pytest.mark.parametrize(
    "line",
    [
        "obscura-client contact import - <&-",
        "obscura-client status --token-file - <&-",
        "obscura-client contact import /",
        "obscura-client import - <&-",
        "obscura-client import /",
        "obscura-client inspect - <&-",
        "obscura-client inspect /",
    ],
)
def test_an_input_that_cannot_be_read_is_one_sentence(ready: Shell, line: str) -> None:
    ended = ready(line)
    assert (ended.returncode, is_one_sentence(ended.stderr)) == (ExitCode.USAGE, True), ended.stderr


def test_a_password_from_a_closed_input_is_one_sentence() -> None:
    code = (
        "import click\nfrom obscura_backup_client.cli.exits import UnreadableFile\n"
        "from obscura_backup_client.cli.terminal.password_prompt import password\n"
        "from obscura_backup_client.cli.settings import Settings, global_options\n"
        "from obscura_backup_client.cli.environment import Environment\n"
        "from obscura_backup_client.operations.keys import Purpose\n"
        "@click.command()\n@global_options\n@click.pass_context\ndef ask(context):\n"
        "    try:\n        password(Environment(), Purpose.OPEN, Settings(context).password_file, accept_weak=False)\n"
        "    except UnreadableFile as error:\n        print(error)\n"
        "ask(['--password-file', '-'])"
    )
    shown = subprocess.run(
        ["/bin/sh", "-c", f"{shlex.join([sys.executable, '-c', code])} <&-"], capture_output=True, text=True, check=True
    )
    assert shown.stdout == "standard input cannot be read: it is closed.\n"


def test_a_closed_standard_error_does_not_matter(shell: Shell) -> None:
    assert shell("obscura-client new 2>&-").returncode == 0
    assert shell(f"obscura-client contact add {ALICE} alice 2>&-").returncode == 0
    assert "alice" in shell("obscura-client contact list 2>&-").stdout


def test_an_error_without_a_standard_error_keeps_its_code(shell: Shell) -> None:
    assert shell("obscura-client contact list 2>&-").returncode == ExitCode.STATE


def test_no_file_gets_the_descriptor_of_a_closed_stream(shell: Shell, tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom obscura_backup_client.cli.terminal.output import open_closed_descriptors\n"
        "open_closed_descriptors()\nsys.exit(os.open('/dev/null', os.O_RDONLY) <= 2)"
    )
    assert shell(f"{shlex.join([sys.executable, '-c', code])} <&- >&- 2>&-").returncode == 0


@pytest.mark.parametrize(
    "line",
    [
        "obscura-client contact list --json > /dev/full",
        "obscura-client export > /dev/full",
        "obscura-client completion bash > /dev/full",
        "obscura-client --help > /dev/full",
        "obscura-client contact --help > /dev/full",
        "obscura-client --version > /dev/full",
    ],
)
def test_a_result_that_cannot_be_written_is_one_sentence(ready: Shell, line: str) -> None:
    ended = ready(line, OBSCURA_TOKEN="")
    assert (ended.returncode, is_one_sentence(ended.stderr)) == (ExitCode.OUTPUT, True), ended.stderr


def test_an_export_to_a_closed_output_is_one_sentence(ready: Shell) -> None:
    ended = ready("obscura-client export >&-")
    assert (ended.returncode, is_one_sentence(ended.stderr)) == (ExitCode.OUTPUT, True), ended.stderr


def test_messages_that_cannot_be_written_do_not_matter(ready: Shell) -> None:
    assert ready("obscura-client contact list 2> /dev/full").returncode == 0


def test_a_tilde_is_the_home_directory_in_every_option(shell: Shell, tmp_path: Path) -> None:
    assert json.loads(shell("obscura-client new --json --state=~/x").stdout)["state"] == str(tmp_path / "x")
    assert (tmp_path / "x" / "state.json").exists()


def test_a_missing_home_directory_is_one_sentence(shell: Shell) -> None:
    ended = shell("obscura-client new '--state=~nobody-of-this-name/x'")
    assert (ended.returncode, is_one_sentence(ended.stderr)) == (ExitCode.USAGE, True)


def test_a_user_without_a_home_must_name_the_state(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    with click.Context(click.Command("x")) as context, pytest.raises(NoHome) as refused:
        _ = Settings(context).state
    assert exit_code(refused.value) is ExitCode.USAGE


def test_a_password_that_is_not_text_is_refused_without_being_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    def type_bytes(_prompt: str) -> str:
        return b"hush\xff".decode()

    monkeypatch.setattr(getpass, "getpass", type_bytes)
    monkeypatch.setattr(environment, "_has_terminal", lambda: True)
    with pytest.raises(PasswordNotText) as refused:
        environment.ask_password("Password: ")
    assert (exit_code(refused.value), refused.value.__cause__, "hush" in str(refused.value)) == (
        ExitCode.PASSWORD,
        None,
        False,
    )


def test_a_directory_that_others_can_write_causes_a_warning(ready: Shell, tmp_path: Path) -> None:
    folder = tmp_path / ".local" / "share" / "obscura-client"
    (folder / "something else").touch()
    folder.chmod(0o777)
    ended = ready("obscura-client contact list")
    assert (ended.returncode, "Warning: other users" in ended.stderr) == (0, True)


def test_a_question_without_a_terminal_names_the_option() -> None:
    code = "from obscura_backup_client.cli.environment import ask_yes\nask_yes('?')"
    command = [sys.executable, "-c", code]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, start_new_session=True)
    assert "ConfirmationUnavailable" in ended.stderr
    assert "--yes" in ended.stderr


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-8"])
def test_characters_that_the_output_cannot_encode_are_escaped(ready: Shell, encoding: str) -> None:
    ready(f"obscura-client contact add {ALICE} 日本🦊")
    listed = ready("obscura-client contact list", PYTHONIOENCODING=encoding)
    written = "日本🦊" if encoding == "utf-8" else r"\u65e5\u672c\U0001f98a"
    assert (listed.returncode, listed.stdout) == (0, f"{ALICE}  {written}\n")
    listed = ready("obscura-client contact list --json", PYTHONIOENCODING=encoding)
    assert json.loads(listed.stdout)["contacts"][0]["username"] == "日本🦊"
    added = ready("obscura-client contact add 日本 x", PYTHONIOENCODING=encoding)
    assert (added.returncode, "bug" in added.stderr) == (ExitCode.USAGE, False)
