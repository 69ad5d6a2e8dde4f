"""The commands of docs/deployment.md that move users to another pair of stores, as they are printed there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "deployment.md"
_SECTION = PAGE.read_text().partition("### Moving users to another pair\n")[2].partition("\n## ")[0]
_BLOCKS: list[str] = re.findall(r"\n```\w+\n(.*?)\n```\n", _SECTION, re.DOTALL)
_BUCKETS, _ROWS, _COPY, _REMOVE = _BLOCKS
_PICK = _BUCKETS[: _BUCKETS.index("objects()")]
DIGITS = "3f"
"""In the commands of the page."""


def run(script: str, *, given: str = "", **variables: Path | str) -> str:
    """The output of commands that use the functions of the page."""
    values = {name: str(value) for name, value in variables.items()}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        input=given,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", **values},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def pick(lines: list[str], digits: str) -> list[str]:
    """The lines that begin with the key of a user whose hash begins with these digits."""
    return run(f'{_PICK}\npick "$DIGITS"', given="".join(f"{line}\n" for line in lines), DIGITS=digits).splitlines()


def copy_files(old: Path, new: Path, digits: str) -> None:
    """Copy the objects from one data directory to another one."""
    run(f"{_PICK}\n{_COPY}", OLD=old, NEW=new, DIGITS=digits)


def remove_files(old: Path, digits: str, *, within: Path) -> None:
    """Remove objects and rows from a data directory; a list of them stays in the other folder."""
    functions = _COPY[: _COPY.index("\n\n")]
    run(f'cd "$WITHIN"\n{_PICK}\n{functions}\n{_REMOVE}', OLD=old, DIGITS=digits, WITHIN=within)


def statement_to_remove_rows(digits: str) -> str:
    """Of PostgreSQL."""
    assert _ROWS.count(DIGITS) == 1
    return _ROWS.replace(DIGITS, digits)
