"""The command `obscura-backup`, run to its end."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from support.servers.service import COMMAND

if TYPE_CHECKING:
    from collections.abc import Mapping


def run(*arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run it without a terminal, and without the settings of the tests' own environment."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OBSCURA_")}
    return subprocess.run(
        [str(COMMAND), *arguments],
        env={**inherited, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def refused(result: subprocess.CompletedProcess[str], code: int, says: str) -> None:
    """One clear sentence on standard error, nothing on standard output, no traceback."""
    assert (result.returncode, result.stdout) == (code, ""), result.stderr
    assert says in result.stderr
    assert "Traceback" not in result.stderr
