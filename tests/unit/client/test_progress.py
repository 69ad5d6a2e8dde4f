from __future__ import annotations

import subprocess
import sys

import pytest

from obscura_backup_client.cli.progress import ProgressLine
from obscura_backup_client.results import Step


def test_a_line_that_is_not_shown_loads_nothing() -> None:
    code = (
        "import sys\nfrom obscura_backup_client.cli.progress import ProgressLine\n"
        "from obscura_backup_client.results import Step\n"
        "ProgressLine(shown=False).on_step(Step.DERIVING)\nassert 'rich' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("step", Step)
def test_every_step_has_words(step: Step) -> None:
    line = ProgressLine(shown=True)
    try:
        line.on_step(step)
        line.on_bytes("up", 16 * 1024, 32 * 1024)
        line.on_bytes("down", 16 * 1024, None)
    finally:
        line.clear()


def test_clearing_twice_is_fine() -> None:
    line = ProgressLine(shown=True)
    line.on_step(Step.FETCHING)
    line.clear()
    line.clear()


def test_nothing_of_nothing_is_not_worth_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    line = ProgressLine(shown=True)
    line.on_bytes("down", 0, 0)
    line.clear()
    assert capsys.readouterr().err == ""


def test_the_line_stays_off_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    line = ProgressLine(shown=True)
    line.on_step(Step.SENDING)
    line.clear()
    assert capsys.readouterr().out == ""
