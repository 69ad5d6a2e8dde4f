"""A short torture; `make torture` is the long one."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from torture.run import torture


@pytest.mark.parametrize("stores", ["embedded", "fleet"])
def test_no_blow_breaks_a_promise(stores: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Real processes, killed, frozen, cut off, without room; what clients were told is what one register would say."""
    folder = Path(tempfile.mkdtemp(prefix=f"obscura-torture-{stores}-"))
    folder.chmod(0o755)  # PostgreSQL, which refuses to be root, has its folder in there; pytest's are closed to it
    outcome = torture(stores, folder, seconds=8, seed=14)  # the seed begins with a kill
    with capsys.disabled():
        print(f"\n{outcome.line}")  # noqa: T201  # the figures are what a run is for
    assert outcome.complaints == []  # else the folder stays, with the history and the logs
    shutil.rmtree(folder)
    assert outcome.figures["kills"] > 0
    assert outcome.figures["ok"] > 0
    assert outcome.figures["unknown"] > 0
