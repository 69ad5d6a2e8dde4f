"""A short torture; `make torture` is the long one."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from torture import clock, disk, testbeds
from torture.run import torture


def new_folder(stores: str) -> Path:
    """Not among the session's temporary files, which it removes: it stays where something is wrong, with the logs."""
    folder = Path(tempfile.mkdtemp(prefix=f"obscura-torture-{stores}-", dir=os.environ["PYTEST_DEBUG_TEMPROOT"]))
    folder.chmod(0o755)  # PostgreSQL, which refuses to be root, has its folder in there; pytest's are closed to it
    return folder


@pytest.mark.parametrize("stores", ["embedded", "fleet"])
def test_no_blow_breaks_a_promise(stores: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Real processes, killed, frozen, cut off, without room; what clients were told is what one register would say."""
    folder = new_folder(stores)
    outcome = torture(stores, folder, seconds=8, seed=14)  # the seed begins with a kill
    with capsys.disabled():
        print(f"\n{outcome.line}")  # noqa: T201  # the figures are what a run is for
    assert outcome.complaints == []  # else the folder stays, with the history and the logs
    shutil.rmtree(folder)
    assert outcome.figures["kills"] > 0
    assert outcome.figures["ok"] > 0
    assert outcome.figures["unknown"] > 0


@pytest.mark.parametrize("stores", ["embedded", "fleet"])
def test_faults_that_the_machine_does_not_allow_are_named_and_left_out(
    stores: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "library", lambda: None)
    monkeypatch.setattr(testbeds, "may_mount", lambda _: False)
    monkeypatch.setattr(disk.FileLimit, "is_possible", lambda: False)
    folder = new_folder(stores)
    outcome = torture(stores, folder, seconds=3, seed=14)
    assert outcome.complaints == []
    shutil.rmtree(folder)
    assert "no full disks (no file system can be mounted" in outcome.line
    assert "no clock jumps (there is no libfaketime)" in outcome.line
    assert outcome.figures["kills"] > 0
