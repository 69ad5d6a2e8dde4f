from __future__ import annotations

import pytest

from obscura_backup_client.cli.terminal.progress import TEXTS, ProgressLine
from obscura_backup_client.operations.results import Step


def test_every_step_has_its_own_text() -> None:
    assert TEXTS.keys() == set(Step)
    assert len(set(TEXTS.values())) == len(Step)


def test_clearing_twice_has_no_effect() -> None:
    line = ProgressLine(shown=True)
    line.on_step(Step.FETCHING)
    line.clear()
    line.clear()


def test_zero_of_zero_bytes_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    line = ProgressLine(shown=True)
    line.on_bytes("down", 0, 0)
    line.clear()
    assert capsys.readouterr().err == ""


def test_the_progress_line_is_not_written_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    line = ProgressLine(shown=True)
    line.on_step(Step.SENDING)
    line.clear()
    assert capsys.readouterr().out == ""


def test_without_escape_sequences_each_step_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    line = ProgressLine(shown=True)
    for step in (Step.FETCHING, Step.FETCHING, Step.SENDING):
        line.on_step(step)
    line.on_bytes("up", 1024, 2048)
    line.clear()
    assert capsys.readouterr().err == f"{TEXTS[Step.FETCHING]} ...\n{TEXTS[Step.SENDING]} ...\n"


def test_a_wait_is_shown_without_a_terminal_once_per_reason(capsys: pytest.CaptureFixture[str]) -> None:
    line = ProgressLine(shown=False)
    for reason in ("status 503", "status 503", "no connection"):
        line.on_wait(5.2, reason)
    assert capsys.readouterr().err == (
        "Waiting 6 s to try again: status 503\nWaiting 6 s to try again: no connection\n"
    )


def test_text_from_a_server_cannot_move_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    ProgressLine(shown=False).on_wait(1, "status 503, \x1b[2J\nError: gone")
    told = capsys.readouterr().err
    assert "\x1b" not in told
    assert told.count("\n") == 1
