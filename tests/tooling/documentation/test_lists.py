"""Lists in the documentation are those of the code."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from obscura_backup.entrypoints.cli import cli
from obscura_backup_client import BackupClient

ROOT = Path(__file__).parents[3]


def test_exit_codes_of_the_readme_are_those_of_the_help() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    codes = re.search(r"Exit codes of `obscura-backup`: (.*? 130 interrupted)", readme, re.DOTALL)
    assert codes
    assert " ".join(codes[1].replace("`", "").split()) in (cli.epilog or "")


def test_commands_of_the_readme_are_those_of_the_program() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `obscura-backup ([a-z-]+)", readme, re.MULTILINE))
    assert named == set(cli.list_commands(cli.make_context("obscura-backup", [], resilient_parsing=True)))


def test_operations_page_has_every_alert() -> None:
    rules = (ROOT / "deploy/prometheus/rules.yaml").read_text(encoding="utf-8")
    page = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    assert re.findall(r"alert: (\w+)", rules) == re.findall(r"^\| `(Obscura\w+)`", page, re.MULTILINE)


def test_reference_of_the_client_has_every_public_method() -> None:
    page = (ROOT / "docs/python-api.md").read_text(encoding="utf-8")
    (members,) = re.findall(r"\.BackupClient\(\.\.\.\)\n +:members: (.*)", page)
    public = {
        name
        for name, member in inspect.getmembers(BackupClient, inspect.isroutine)
        if not name.startswith("_") and f"Client.{name}" in member.__qualname__
    }
    assert set(members.split(", ")) == public
