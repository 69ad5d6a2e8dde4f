"""What we use of psycopg beyond its documented interface: to be read before raising its version in pyproject.toml."""

from __future__ import annotations

import tomllib
from importlib.metadata import version
from pathlib import Path

import psycopg
from psycopg import generators
from psycopg.adapt import Transformer

ROOT = Path(__file__).parents[5]


def test_names_are_in_the_installed_version() -> None:
    for owner, names in (
        (generators, ("send", "fetch_many")),
        (psycopg.AsyncConnection, ("wait",)),
        (Transformer, ("set_pgresult", "load_rows")),
        (psycopg.errors, ("error_from_result",)),
    ):
        assert [name for name in names if not hasattr(owner, name)] == []


def test_minor_version_is_pinned() -> None:
    requirements = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    (pinned,) = [each for each in requirements if each.startswith("psycopg[")]
    major, minor, *_ = version("psycopg").split(".")
    assert pinned == f"psycopg[binary]>={major}.{minor},<{major}.{int(minor) + 1}"
