"""Escape sequences: only on terminals that support them, and not with NO_COLOR."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from support.client.pseudo_terminal import PseudoTerminal
from support.client.terminal import token

COMMAND = [sys.executable, "-m", "obscura_backup_client.cli"]
ESCAPE = "\x1b"


class NoBackup(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A command whose server is not reachable."""
    with HTTPServer(("127.0.0.1", 0), NoBackup) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "TERM": "xterm-256color",
            "OBSCURA_TOKEN": token(),
            "OBSCURA_SERVER": f"http://127.0.0.1:{server.server_port}",
        }
        server.shutdown()
        thread.join()


def shown(environment: dict[str, str], *arguments: str) -> str:
    return PseudoTerminal([*COMMAND, *(arguments or ("restore",))], environment).ended()[1]


def test_an_error_begins_in_red_on_a_terminal(environment: dict[str, str]) -> None:
    assert f"{ESCAPE}[31m{ESCAPE}[1mError:{ESCAPE}[0m" in shown(environment)


def test_the_progress_line_is_removed_at_the_end(environment: dict[str, str]) -> None:
    text = shown(environment)
    assert "Asking the server" in text
    assert text.rindex(f"{ESCAPE}[2K") > text.rindex("Asking the server")


def test_an_empty_no_color_has_no_effect(environment: dict[str, str]) -> None:
    assert ESCAPE in shown({**environment, "NO_COLOR": ""})


FORCED = {"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1", "COLORTERM": "truecolor"}


@pytest.mark.parametrize(
    "said",
    [
        {"NO_COLOR": "1"},
        {"NO_COLOR": "1", **FORCED},
        {"NO_COLOR": "0", **FORCED},
        {"TERM": "dumb"},
        {"TERM": "dumb", **FORCED},
        {"TERM": "", **FORCED},
    ],
)
def test_no_escape_sequence_is_written_where_they_are_disabled(
    environment: dict[str, str], said: dict[str, str]
) -> None:
    assert shown({**environment, **said}).splitlines() == [
        "Asking the server ...",
        "Error: There is no backup on the server. [not-found]",
    ]


def test_a_warning_begins_in_yellow_on_a_terminal_and_plainly_without_colour(
    environment: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    (folder / "something else").touch()
    folder.chmod(0o777)
    arguments = ["contact", "list", "--state", str(folder)]
    assert f"{ESCAPE}[33m{ESCAPE}[1mWarning:{ESCAPE}[0m other users" in shown(environment, *arguments)
    assert "Warning: other users" in shown({**environment, "NO_COLOR": "1"}, *arguments)


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["push", "--help"], ["no-such-command"], ["new", "--no-such-option"], ["new"], ["--version"]],
)
def test_nothing_else_is_coloured_without_colour(environment: dict[str, str], arguments: list[str]) -> None:
    assert ESCAPE not in shown({**environment, "NO_COLOR": "1"}, *arguments)


def test_no_escape_sequence_reaches_a_pipe_or_a_file(environment: dict[str, str]) -> None:
    ended = subprocess.run([*COMMAND, "restore"], env=environment, capture_output=True, text=True, check=False)
    assert ended.stderr == "Error: There is no backup on the server. [not-found]\n"
    assert ended.stdout == ""


def test_names_cannot_contain_escape_sequences(environment: dict[str, str]) -> None:
    """Names of files and arguments are escaped."""
    text = shown({**environment, "NO_COLOR": "1"}, "inspect", "\x1b[31mred\x1b]0;title\x07")
    assert re.search(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]", text) is None
