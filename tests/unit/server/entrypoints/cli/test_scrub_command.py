"""The command `scrub` in this process, over embedded stores that differ."""

from __future__ import annotations

import asyncio
import json
import shutil
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from contracts import samples
from obscura_backup.adapters.filesystem.store import FilesystemBlobStore
from obscura_backup.adapters.sqlite import SqliteMetadataStore
from obscura_backup.adapters.system_clock import SystemClock
from obscura_backup.domain.errors import MetadataUnavailable, StoreUnusable
from obscura_backup.domain.model import NO_VERSION, Kind, UserId
from obscura_backup.domain.scrub import Difference, Finding, Progress
from obscura_backup.domain.service import BackupService
from obscura_backup.entrypoints.cli.scrub import _Report
from obscura_backup.entrypoints.cli.stores import CLEAR_LINE, ProgressBar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.servers.in_process.server import Ran


def user(number: int) -> UserId:
    return UserId(UUID(int=number << 64))


async def _fill(data_dir: Path, users: int) -> None:
    metadata = SqliteMetadataStore(data_dir / "metadata.sqlite3")
    blobs = FilesystemBlobStore(data_dir / "blobs")
    await metadata.start()
    await blobs.start()
    try:
        for number in range(1, users + 1):
            blob = samples.blob(str(number))
            await BackupService(metadata, blobs, SystemClock()).upload(user(number), NO_VERSION, blob)
    finally:
        await blobs.close()
        await metadata.close()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files before `data_dir`: the slots of three users, whose rows and blobs agree."""
    folder = tmp_path_factory.mktemp("filled")
    asyncio.run(_fill(folder, users=3))
    return folder


@pytest.fixture
def data_dir(filled: Path, tmp_path: Path) -> Path:
    return shutil.copytree(filled, tmp_path / "data")


def lose(data_dir: Path, number: int) -> None:
    """Remove the blob of a user."""
    (path,) = (each for each in (data_dir / "blobs").rglob("*") if each.is_file() and str(user(number)) in each.name)
    path.unlink()


def test_stores_that_agree_are_counted(run: Callable[..., Ran], data_dir: Path) -> None:
    ran = run("scrub", "--data-dir", data_dir)
    assert (ran.code, ran.out, ran.err) == (0, "", "3 slots, 0 differ.\n")
    ran = run("scrub", "--data-dir", data_dir, "--json")
    assert (ran.code, ran.err) == (0, "")
    assert json.loads(ran.out) == {"done": True, "slots": 3, "found": 0, "repaired": 0}


def test_lost_blob_is_found_and_named(run: Callable[..., Ran], data_dir: Path) -> None:
    lose(data_dir, 2)
    ran = run("scrub", "--data-dir", data_dir)
    assert (ran.code, ran.err) == (5, "3 slots, 1 differ.\n")
    assert ran.out.startswith(f"{user(2)}  object-missing (row 1, blob none): There is a row but no blob")
    ran = run("scrub", "--data-dir", data_dir, "--json")
    finding, end = map(json.loads, ran.out.splitlines())
    assert (ran.code, finding["user_id"], finding["difference"]) == (5, str(user(2)), "object-missing")
    assert end == {"done": True, "slots": 3, "found": 1, "repaired": 0}


def test_walk_starts_after_the_given_user(run: Callable[..., Ran], data_dir: Path) -> None:
    lose(data_dir, 2)
    ran = run("scrub", "--data-dir", data_dir, "--after", user(2))
    assert (ran.code, ran.err) == (0, "1 slots, 0 differ.\n")


def test_missing_rows_are_mended_only_with_repair(run: Callable[..., Ran], data_dir: Path) -> None:
    (data_dir / "metadata.sqlite3").unlink()
    asyncio.run(_fill(data_dir / "other", users=0))
    (data_dir / "other" / "metadata.sqlite3").rename(data_dir / "metadata.sqlite3")
    assert run("scrub", "--data-dir", data_dir).code == 5
    ran = run("scrub", "--data-dir", data_dir, "--repair")
    assert (ran.code, ran.err) == (0, "3 slots, 3 differ, 3 repaired.\n")
    assert all(line.endswith(" Repaired.") for line in ran.out.splitlines())
    assert run("scrub", "--data-dir", data_dir).code == 0


def test_scrub_makes_no_signing_secret(run: Callable[..., Ran], data_dir: Path) -> None:
    run("scrub", "--data-dir", data_dir)
    assert not (data_dir / "auth-secret").exists()


def test_missing_metadata_is_an_error_and_is_not_made(run: Callable[..., Ran], tmp_path: Path) -> None:
    ran = run("scrub", "--data-dir", tmp_path)
    assert (ran.code, ran.out) == (3, "")
    assert "There is no metadata" in ran.err
    assert list(tmp_path.iterdir()) == []


LIVE = samples.revision(3)
GRAVE = samples.revision(4, kind=Kind.TOMBSTONE)
FOUND = Finding(user(1), Difference.DELETION_UNDONE, GRAVE, LIVE)
REPAIRED = Finding(user(2), Difference.ROW_MISSING, None, LIVE, repaired=True)


def progress(slots: int, last: UserId, *findings: Finding, failure: BaseException | None = None) -> Progress:
    return Progress(slots, last, findings, failure)


def test_findings_are_printed_as_they_come(capsys: pytest.CaptureFixture[str]) -> None:
    report = _Report(as_json=False)
    report.met(progress(1, user(1), FOUND))
    first = capsys.readouterr().out
    assert first == f"{user(1)}  deletion-undone (row 4 deleted, blob 3): {Difference.DELETION_UNDONE.explanation}\n"
    report.met(progress(2, user(2), REPAIRED))
    assert (
        capsys.readouterr().out
        == f"{user(2)}  row-missing (row none, blob 3): {Difference.ROW_MISSING.explanation} Repaired.\n"
    )
    assert report.left == 1
    report.ended()
    assert capsys.readouterr().err == "2 slots, 2 differ, 1 repaired.\n"


def test_json_finding_has_all_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    _Report(as_json=True).met(progress(1, user(1), FOUND, REPAIRED))
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first == {
        "user_id": str(user(1)),
        "difference": "deletion-undone",
        "why": Difference.DELETION_UNDONE.explanation,
        "row": {"version": 4, "kind": "tombstone", "updated_at": samples.MOMENT.isoformat()},
        "blob": {"version": 3, "kind": "live", "updated_at": samples.MOMENT.isoformat()},
        "repaired": False,
    }
    assert (second["row"], second["repaired"]) == (None, True)


def test_stopped_walk_prints_how_to_continue(capsys: pytest.CaptureFixture[str]) -> None:
    report = _Report(as_json=False)
    report.stopped()
    assert capsys.readouterr().err == ""
    report.met(progress(3, user(3)))
    report.stopped()
    assert capsys.readouterr().err == f"Stopped after 3 slots. To continue: --after {user(3)}\n"


def test_stopped_walk_prints_its_last_slot_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    report = _Report(as_json=True)
    report.stopped()
    report.met(progress(3, user(3), REPAIRED))
    capsys.readouterr()
    report.stopped()
    assert json.loads(capsys.readouterr().out) == {
        "done": False,
        "last": str(user(3)),
        "slots": 3,
        "found": 1,
        "repaired": 1,
    }


def test_walk_stopped_before_its_first_slot_counts_none(capsys: pytest.CaptureFixture[str]) -> None:
    _Report(as_json=True).stopped()
    assert json.loads(capsys.readouterr().out) == {"done": False, "last": None, "slots": 0, "found": 0, "repaired": 0}


def test_walk_continues_from_the_last_slot_before_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    report = _Report(as_json=False)
    report.met(progress(3, user(3)))
    report.met(progress(5, user(5), FOUND, failure=MetadataUnavailable()))
    capsys.readouterr()
    report.stopped()
    assert capsys.readouterr().err == f"Stopped after 3 slots. To continue: --after {user(3)}\n"
    assert report.left == 1


def test_no_progress_bar_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressBar(hidden=False) as bar:
        bar.advance(0.5)
        bar.clear()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("failure", [KeyboardInterrupt, MetadataUnavailable, StoreUnusable])
def test_stopped_walk_has_its_own_exit_code(
    run: Callable[..., Ran], data_dir: Path, monkeypatch: pytest.MonkeyPatch, failure: type[BaseException]
) -> None:
    async def start(_: object) -> None:
        raise failure

    monkeypatch.setattr(FilesystemBlobStore, "start", start)
    ran = run("scrub", "--data-dir", data_dir, "--json")
    assert ran.code == (130 if failure is KeyboardInterrupt else 3)
    assert json.loads(ran.out)["done"] is False


@pytest.mark.parametrize("hidden", [False, True])
def test_line_of_the_bar_is_emptied_before_another_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *, hidden: bool
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with ProgressBar(hidden=hidden) as bar:
        bar.advance(0.5)
        before = capsys.readouterr().err
        bar.clear()
        assert capsys.readouterr().err == ("" if hidden else CLEAR_LINE)
        assert CLEAR_LINE not in before
