"""The command `reap` in this process, over embedded stores."""

from __future__ import annotations

import asyncio
import json
import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click
import pytest

from contracts import samples
from obscura_backup.domain.errors import MetadataUnavailable
from obscura_backup.domain.model import NO_VERSION
from obscura_backup.domain.reap import Reaper
from obscura_backup.domain.service import BackupService
from obscura_backup.entrypoints.container import Container, started
from obscura_backup.entrypoints.settings import load_settings
from support.clocks import MovableClock
from support.table import table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.servers.in_process.server import Ran

OLD = datetime.now(UTC) - timedelta(days=401)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files before `data_dir`: backups of users 1 and 2, who are inactive, and of user 3, who is not."""
    folder = tmp_path_factory.mktemp("filled")

    async def fill() -> None:
        container = Container(settings=load_settings({"data_dir": folder}, {}))
        async with started(container, tokens=False):
            for number, moment in ((1, OLD), (2, OLD), (3, datetime.now(UTC))):
                service = BackupService(container.metadata(), container.blobs(), MovableClock(moment))
                await service.upload(samples.user(number), NO_VERSION, samples.blob(str(number)))

    asyncio.run(fill())
    return folder


@pytest.fixture
def data_dir(filled: Path, tmp_path: Path) -> Path:
    return shutil.copytree(filled, tmp_path / "data")


def live(run: Callable[..., Ran], data_dir: Path) -> list[str]:
    return [line.split()[0] for line in run("user", "list", "--data-dir", data_dir).out.splitlines()]


def users(*numbers: int) -> list[str]:
    return [str(samples.user(number)) for number in numbers]


def test_dry_run_reports_and_deletes_nothing(run: Callable[..., Ran], data_dir: Path) -> None:
    ran = run("reap", "--inactive-for", "400d", "--data-dir", data_dir)
    assert ran.code == 0
    assert [line.split()[0] for line in ran.out.splitlines()] == users(1, 2)
    assert f"version 1, 32 bytes, last upload {OLD.isoformat()[:19]}" in ran.out
    assert ran.err.startswith("3 slots, 2 inactive since ")
    assert ran.err.endswith("(64 bytes). This was a dry run. To delete them, add --yes.\n")
    assert live(run, data_dir) == users(1, 2, 3)


def test_inactive_backups_are_deleted_on_request(run: Callable[..., Ran], data_dir: Path) -> None:
    ran = run("reap", "--inactive-for", "400d", "--yes", "--data-dir", data_dir)
    assert ran.code == 0
    assert ran.out.count(": Inactive; deleted.\n") == 2
    assert ran.err.endswith(", 2 deleted (64 bytes).\n")
    assert live(run, data_dir) == users(3)
    assert run("reap", "--inactive-for", "400d", "--yes", "--data-dir", data_dir).out == ""


def test_report_as_json(run: Callable[..., Ran], data_dir: Path) -> None:
    ran = run("reap", "--inactive-for=400d", "--yes", "--json", "--data-dir", data_dir, "--after", samples.user(1))
    found, end = map(json.loads, ran.out.splitlines())
    assert (ran.code, ran.err) == (0, "")
    assert (found["user_id"], found["version"], found["size"], found["outcome"]) == (users(2)[0], 1, 32, "deleted")
    assert (end["done"], end["slots"], end["bytes"], end["outcomes"]) == (True, 2, 32, {"deleted": 1})


def test_time_of_the_setting_is_the_default(run: Callable[..., Ran], data_dir: Path) -> None:
    ran = run("reap", "--data-dir", data_dir, OBSCURA_BACKUP_RETENTION_DAYS="400")
    assert (ran.code, len(ran.out.splitlines())) == (0, 2)
    ran = run("reap", "--data-dir", data_dir, OBSCURA_BACKUP_RETENTION_DAYS="402")
    assert (ran.code, ran.out) == (0, "")


@table(
    ("arguments", "days", "says"),
    [
        ((), "", "Give --inactive-for, or set retention_days"),
        (("--inactive-for", "399d"), "400", "shorter than retention_days (400), which clients read"),
        (("--inactive-for", "999999d"), "", "longer than the calendar"),
        (("--inactive-for", "0d"), "", "is not a duration"),
    ],
)
def test_time_that_cannot_be_meant_is_refused(
    run: Callable[..., Ran], data_dir: Path, arguments: tuple[str, ...], days: str, says: str
) -> None:
    ran = run("reap", "--yes", *arguments, "--data-dir", data_dir, OBSCURA_BACKUP_RETENTION_DAYS=days)
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err


def test_longer_time_than_that_of_the_setting_is_taken(run: Callable[..., Ran], data_dir: Path) -> None:
    ran = run("reap", "--inactive-for", "401d", "--data-dir", data_dir, OBSCURA_BACKUP_RETENTION_DAYS="400")
    assert (ran.code, len(ran.out.splitlines())) == (0, 2)


def test_deletions_are_paced(run: Callable[..., Ran], data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    sleep = asyncio.sleep

    async def slept(seconds: float) -> None:
        waited.append(seconds)
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", slept)
    run("reap", "--inactive-for", "400d", "--data-dir", data_dir)
    assert waited == []
    run("reap", "--inactive-for", "400d", "--yes", "--per-second", "4", "--data-dir", data_dir)
    assert waited == [0.25, 0.25]


@pytest.mark.parametrize(("failure", "code"), [(KeyboardInterrupt, 130), (MetadataUnavailable, 3)])
def test_stopped_walk_prints_how_to_continue(
    run: Callable[..., Ran], data_dir: Path, monkeypatch: pytest.MonkeyPatch, failure: type[BaseException], code: int
) -> None:
    examine = Reaper.examine

    async def failing(self: Reaper, user_id: Any, *given: Any, **named: Any) -> Any:
        if user_id == samples.user(2):
            raise failure
        return await examine(self, user_id, *given, **named)

    monkeypatch.setattr(Reaper, "examine", failing)
    ran = run("reap", "--inactive-for", "400d", "--yes", "--data-dir", data_dir)
    assert ran.code == code
    assert f"Stopped after 1 slots. To continue: --after {samples.user(1)}\n" in ran.err
    monkeypatch.undo()
    ran = run("reap", "--inactive-for", "400d", "--yes", "--data-dir", data_dir, "--after", samples.user(1))
    assert (ran.code, live(run, data_dir)) == (0, users(3))


def test_lost_backup_remains_a_finding(run: Callable[..., Ran], data_dir: Path) -> None:
    (path,) = (each for each in (data_dir / "blobs").rglob(f"*{samples.user(1)}*") if each.is_file())
    path.unlink()
    ran = run("reap", "--inactive-for", "400d", "--yes", "--data-dir", data_dir)
    assert ran.code == 5
    assert "There is a row but no blob" in ran.out
    assert live(run, data_dir) == users(1, 3)


def test_progress_bar_is_shown_on_a_terminal_only(
    run: Callable[..., Ran], data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden: list[bool] = []
    progressbar = click.progressbar

    def shown(*given: Any, **named: Any) -> Any:
        hidden.append(named["hidden"])
        return progressbar(*given, **{**named, "hidden": True})

    monkeypatch.setattr(click, "progressbar", shown)
    for is_terminal in (False, True):
        monkeypatch.setattr("sys.stderr.isatty", lambda is_terminal=is_terminal: is_terminal)
        run("reap", "--inactive-for", "400d", "--data-dir", data_dir)
    assert hidden == [True, False]


def test_unreachable_store_is_one_sentence(run: Callable[..., Ran], data_dir: Path) -> None:
    ran = run("reap", "--inactive-for=400d", "--data-dir", data_dir, "--metadata-url=postgresql://me@127.0.0.1:1/db")
    assert (ran.code, ran.out) == (3, "")
    assert "The metadata store does not answer" in ran.err
