"""Shell completion with the printed script and the real command. What is offered is in the unit tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from obscura_backup_client.cli.app import COMMANDS
from support.client.pseudo_terminal import PseudoTerminal
from support.client.terminal import HEAVY

BIN = Path(sys.executable).parent


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(tmp_path), "TERM": "dumb", "PS1": "$ "}


def completed(environment: dict[str, str], *words: str) -> list[str]:
    """Bash's completions of the last of these words."""
    script = (
        'source <(obscura-client completion bash) || exit 1\nCOMP_WORDS=(obscura-client "$@")\nCOMP_CWORD=$#\n'
        'compopt() { echo "file names: $2"; }\n'
        '_obscura_client_completion obscura-client\nprintf "%s\\n" "${COMPREPLY[@]}"'
    )
    ended = subprocess.run(
        ["bash", "--norc", "-c", script, "bash", *words], env=environment, capture_output=True, text=True, check=True
    )
    assert ended.stderr == ""
    return ended.stdout.split("\n")[:-1]


def test_bash_completes_the_commands(environment: dict[str, str]) -> None:
    assert completed(environment, "") == list(COMMANDS)


@pytest.mark.parametrize(("words", "kind"), [(["inspect", ""], "default"), (["--state", ""], "dirnames")])
def test_bash_completes_names_of_files(environment: dict[str, str], words: list[str], kind: str) -> None:
    assert completed(environment, *words) == [f"file names: {kind}", ""]


def test_tab_completes_in_a_real_bash(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "an-unlikely-name.json").touch()
    shell = PseudoTerminal(["bash", "--norc", "--noprofile", "-i"], environment)
    shell.type("cd; source <(obscura-client completion bash); echo re''ady\n")
    shell.wait_for("ready")
    shell.type("echo obscura-client; obscura-client cali\t")
    shell.wait_for("obscura-client calibrate ")
    shell.type("--max-mem\t")
    shell.wait_for("--max-memory ")
    shell.type("\x15obscura-client import an-unl\t")
    shell.wait_for("an-unlikely-name.json ")
    shell.type("\x15exit\n")
    assert shell.ended()[0] == 0


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_without_a_terminal_only_the_script_is_printed(environment: dict[str, str], shell: str) -> None:
    ended = subprocess.run(
        ["obscura-client", "completion", shell], env=environment, capture_output=True, text=True, check=True
    )
    assert (ended.stderr, f"_OBSCURA_CLIENT_COMPLETE={shell}_complete" in ended.stdout) == ("", True)


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_zsh_and_fish_are_completed(environment: dict[str, str], shell: str) -> None:
    """Asked as their scripts do; the shells need not be installed."""
    asking = {"_OBSCURA_CLIENT_COMPLETE": f"{shell}_complete", "COMP_WORDS": "obscura-client cal", "COMP_CWORD": "1"}
    if shell == "fish":
        asking["COMP_CWORD"] = "cal"
    ended = subprocess.run(
        ["obscura-client"], env={**environment, **asking}, capture_output=True, text=True, check=True
    )
    assert "calibrate" in ended.stdout
    assert "restore" not in ended.stdout


def test_on_a_terminal_the_place_for_the_script_is_shown(environment: dict[str, str]) -> None:
    code, shown = PseudoTerminal(["obscura-client", "completion", "fish"], environment).ended()
    assert code == 0
    assert "> ~/.config/fish/completions/obscura-client.fish" in shown


def test_an_unknown_shell_is_a_usage_error(environment: dict[str, str]) -> None:
    ended = subprocess.run(["obscura-client", "completion", "tcsh"], env=environment, capture_output=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, b"")


def test_completing_loads_nothing_heavy(environment: dict[str, str]) -> None:
    """A shell runs it at each press of the key."""
    code = (
        "import sys\nfrom obscura_backup_client.cli import main\nmain()\n"
        f"print({HEAVY!r} & set(sys.modules), file=sys.stderr)"
    )
    asking = {"_OBSCURA_CLIENT_COMPLETE": "bash_complete", "COMP_WORDS": "obscura-client ", "COMP_CWORD": "1"}
    ended = subprocess.run(
        [sys.executable, "-c", code], env={**environment, **asking}, capture_output=True, text=True, check=True
    )
    assert "calibrate" in ended.stdout
    assert ended.stderr == "set()\n"
