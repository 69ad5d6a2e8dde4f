"""SECURITY.md names what shows each claim; what it names has to be there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[^`]+)`", PAGE)))
LINKED = sorted(set(re.findall(r"\]\(([^)#]+)", PAGE)))


def test_what_shows_a_claim_is_there() -> None:
    for path, _, test in (name.partition("::") for name in NAMED):
        assert (ROOT / path).is_file(), path
        assert f"def {test}" in (ROOT / path).read_text(encoding="utf-8"), f"{path}::{test}"


def test_what_it_links_to_is_there() -> None:
    assert [path for path in LINKED if not (ROOT / path).exists()] == []


def test_every_claim_names_what_shows_it() -> None:
    rows = [
        line
        for line in PAGE.splitlines()
        if line.startswith("| ") and not line.startswith(("| ---", "| they", "| it can"))
    ]
    assert len(rows) > 20
    assert [row for row in rows if "`tests/" not in row.rsplit(" | ", 1)[-1]] == []
