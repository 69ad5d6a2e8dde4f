from __future__ import annotations

from typing import TYPE_CHECKING

from obscura_backup_client.cli.progress import TEXTS, ProgressLine
from obscura_backup_client.results import Step

if TYPE_CHECKING:
    import pytest


def test_every_step_has_words_of_its_own() -> None:
    assert TEXTS.keys() == set(Step)
    assert len(set(TEXTS.values())) == len(Step)


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


def test_where_nothing_can_be_taken_back_each_step_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    line = ProgressLine(shown=True)
    for step in (Step.FETCHING, Step.FETCHING, Step.SENDING):
        line.on_step(step)
    line.on_bytes("up", 1024, 2048)
    line.clear()
    assert capsys.readouterr().err == f"{TEXTS[Step.FETCHING]} ...\n{TEXTS[Step.SENDING]} ...\n"
