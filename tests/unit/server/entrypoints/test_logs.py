from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from obscura_backup.entrypoints.logs import BATCH_LINES, FLUSH_SECONDS, log_to_stderr

if TYPE_CHECKING:
    from collections.abc import Iterator

USER = UUID("01234567-89ab-4def-8123-456789abcdef")


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("obscura_backup")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


@pytest.mark.parametrize(
    "library", ["botocore.endpoint", "urllib3.connectionpool", "psycopg", "s3transfer", "asyncio", "litestar", "x"]
)
def test_debug_lines_of_libraries_are_not_written(library: str, capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr("debug")
    logging.getLogger(library).debug("PUT /bucket/backups/%s", USER)
    logging.getLogger(library).info("PUT /bucket/backups/%s", USER)
    assert capsys.readouterr().err == ""


def test_our_own_debug_lines_are_written(capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr("debug")
    logging.getLogger("obscura_backup.adapters.object_stores.store").debug("one line")
    assert "DEBUG obscura_backup.adapters.object_stores.store: one line" in capsys.readouterr().err


@pytest.mark.parametrize(("level", "written"), [("info", 3), ("warning", 2), ("error", 1), ("ERROR", 1)])
def test_level_is_that_of_our_own_lines(level: str, written: int, capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr(level)
    log = logging.getLogger("obscura_backup")
    for write in (log.debug, log.info, log.warning, log.error):
        write("x")
    assert len(capsys.readouterr().err.splitlines()) == written


def test_libraries_say_no_more_than_we_do(capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr("error")
    logging.getLogger("urllib3").warning("x")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "spelling", [str(USER), str(USER).upper(), USER.hex, f"backups/{USER}", f"backups/01/{USER.hex}"]
)
def test_user_ids_are_replaced_in_every_line(spelling: str, capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr("warning")
    logging.getLogger("urllib3").warning("connection broken: /bucket/%s?x=1", spelling)
    try:
        raise OSError(28, "No space left on device", f"/data/{spelling}")
    except OSError:
        logging.getLogger("obscura_backup").exception("a defect")
    written = capsys.readouterr().err
    assert spelling not in written
    assert written.count("<user>") == 2


def test_digests_are_not_taken_for_user_ids(capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr("warning")
    logging.getLogger("obscura_backup").warning("sha256 %s", "ab" * 32)
    assert "ab" * 32 in capsys.readouterr().err


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_fields_are_written_and_users_in_them_masked(log_format: str, capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr("info", log_format)
    fields = {"request_id": USER.hex, "status": 503, "cause": f"no /backups/{USER}"}
    logging.getLogger("obscura_backup").info("request of %s", USER, extra={"fields": fields})
    (line,) = capsys.readouterr().err.splitlines()
    if log_format == "json":
        written = json.loads(line)
        assert datetime.fromisoformat(written.pop("time")).tzinfo is not None
        assert written == {
            "level": "INFO",
            "logger": "obscura_backup",
            "event": "request of <user>",
            "request_id": USER.hex,
            "status": 503,
            "cause": "no /backups/<user>",
        }
    else:
        tail = f'INFO obscura_backup: request of <user> request_id={USER.hex} status=503 cause="no /backups/<user>"'
        assert line.endswith(tail)


def test_json_has_tracebacks_without_users(capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr("info", "json")
    try:
        raise OSError(28, "No space left on device", f"/data/{USER}")
    except OSError:
        logging.getLogger("obscura_backup").exception("a defect")
    written = json.loads(capsys.readouterr().err)
    assert "Traceback" in written["exc_info"]
    assert "/data/<user>" in written["exc_info"]


async def test_requests_are_written_together_within_a_moment(capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr("info")
    log = logging.getLogger("obscura_backup")
    log.info("first")
    log.info("second")
    assert capsys.readouterr().err == ""
    await asyncio.sleep(2 * FLUSH_SECONDS)
    assert [line[-6:].strip() for line in capsys.readouterr().err.splitlines()] == ["first", "second"]
    log.info("third")
    await asyncio.sleep(2 * FLUSH_SECONDS)
    assert "third" in capsys.readouterr().err


async def test_warning_waits_for_nothing_and_comes_after_the_lines_before_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log_to_stderr("info")
    log = logging.getLogger("obscura_backup")
    log.info("first")
    log.warning("second")
    assert [line[-6:].strip() for line in capsys.readouterr().err.splitlines()] == ["first", "second"]


async def test_few_lines_wait_at_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr("info")
    for _ in range(BATCH_LINES + 1):
        logging.getLogger("obscura_backup").info("a line")
    assert len(capsys.readouterr().err.splitlines()) == BATCH_LINES


def test_lines_that_waited_in_a_loop_that_ended_come_before_those_of_the_next(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log_to_stderr("info")

    async def log(text: str) -> None:
        logging.getLogger("obscura_backup").info(text)

    asyncio.run(log("first"))
    asyncio.run(log("second"))
    logging.getLogger("obscura_backup").info("third")
    assert [line[-6:].strip() for line in capsys.readouterr().err.splitlines()] == ["first", "second", "third"]


def test_closed_standard_error_fails_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("sys.stderr", io.StringIO())
        log_to_stderr("info")
        sys.stderr.close()
    logging.getLogger("obscura_backup").warning("a line")
