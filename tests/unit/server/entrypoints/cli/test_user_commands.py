"""The commands of `user` in this process, over embedded stores."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import stat
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from contracts import samples
from obscura_backup.domain.blob import Blob
from obscura_backup.domain.errors import VersionMismatch
from obscura_backup.domain.model import NO_VERSION, UserId, Version
from obscura_backup.domain.service import BackupService
from obscura_backup.entrypoints.container import Container, started
from obscura_backup.entrypoints.settings import load_settings
from support.clocks import MovableClock
from support.table import table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.servers.in_process.server import Ran

NOW = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)
SMALL, LARGE, DELETED, ABSENT = (samples.user(number) for number in (3, 2, 1, 9))
BYTES = {SMALL: b"s" * 40, LARGE: b"l" * 4000, DELETED: b"d" * 50}
AGES = {SMALL: 5, LARGE: 3, DELETED: 1}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files before `data_dir`: a small and old backup, a large and newer one, and one that was deleted."""
    folder = tmp_path_factory.mktemp("filled")

    async def fill() -> None:
        container = Container(settings=load_settings({"data_dir": folder}, {}))
        async with started(container, tokens=False):
            for user, content in BYTES.items():
                clock = MovableClock(NOW - timedelta(days=AGES[user]))
                service = BackupService(container.metadata(), container.blobs(), clock)
                await service.upload(user, NO_VERSION, Blob.of(content))
            await container.service().delete(DELETED, Version(1))

    asyncio.run(fill())
    return folder


@pytest.fixture
def data_dir(filled: Path, tmp_path: Path) -> Path:
    return shutil.copytree(filled, tmp_path / "data")


def lose(data_dir: Path, user: UserId) -> None:
    (path,) = (each for each in (data_dir / "blobs").rglob(f"*{user}*") if each.is_file())
    path.unlink()


def forget_rows(data_dir: Path) -> None:
    with closing(sqlite3.connect(data_dir / "metadata.sqlite3")) as database, database:
        database.execute("DELETE FROM backups")


def test_backup_is_shown_with_its_facts(run: Callable[..., Ran], data_dir: Path) -> None:
    ran = run("user", "show", SMALL, "--data-dir", data_dir)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        f"user_id     {SMALL}",
        "state       backup",
        "version     1",
        "size        40",
        f"sha256      {Blob.of(BYTES[SMALL]).sha256.hex()}",
        "updated_at  2026-05-01T07:08:09+00:00",
    ]
    shown = json.loads(run("user", "show", SMALL, "--json", "--data-dir", data_dir).out)
    assert (shown["state"], shown["version"], shown["size"], shown["difference"]) == ("backup", 1, 40, None)


@table(("user", "state", "version"), [(DELETED, "deleted", 2), (ABSENT, "none", None)], ids=["deleted", "absent"])
def test_user_without_a_backup_has_its_own_exit_code(
    run: Callable[..., Ran], data_dir: Path, user: UserId, state: str, version: int | None
) -> None:
    ran = run("user", "show", user, "--json", "--data-dir", data_dir)
    shown = json.loads(ran.out)
    assert (ran.code, shown["state"], shown.get("version")) == (5, state, version)


def test_lost_backup_and_missing_row_are_explained(run: Callable[..., Ran], data_dir: Path) -> None:
    lose(data_dir, SMALL)
    ran = run("user", "show", SMALL, "--data-dir", data_dir)
    assert ran.code == 5
    assert "state       lost\n" in ran.out
    assert "difference  object-missing: There is a row but no blob" in ran.out
    forget_rows(data_dir)
    ran = run("user", "show", LARGE, "--data-dir", data_dir)
    assert (ran.code, "state       backup\n" in ran.out, "row-missing" in ran.out) == (5, True, True)


def test_exported_backup_is_private_and_whole(run: Callable[..., Ran], data_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "blob"
    ran = run("user", "export", LARGE, "--out", out, "--data-dir", data_dir)
    assert (ran.code, ran.err) == (0, "")
    assert out.read_bytes() == BYTES[LARGE]
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    facts = json.loads(ran.out)
    assert (facts["user_id"], facts["version"], facts["size"]) == (str(LARGE), 1, 4000)


@pytest.mark.parametrize(("user", "says"), [(DELETED, "There is no backup"), (SMALL, "its bytes are gone")])
def test_nothing_is_written_without_a_backup(
    run: Callable[..., Ran], data_dir: Path, tmp_path: Path, user: UserId, says: str
) -> None:
    lose(data_dir, SMALL)
    ran = run("user", "export", user, "--out", tmp_path / "blob", "--data-dir", data_dir)
    assert (ran.code, ran.out) == (5, "")
    assert says in ran.err
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_export_into_a_folder_that_is_missing_is_a_usage_error(run: Callable[..., Ran], data_dir: Path) -> None:
    ran = run("user", "export", SMALL, "--out", data_dir / "missing" / "blob", "--data-dir", data_dir)
    assert (ran.code, ran.out) == (2, "")
    assert "cannot be written" in ran.err


@pytest.mark.parametrize("is_lost", [False, True])
def test_deleted_backup_is_gone(run: Callable[..., Ran], data_dir: Path, *, is_lost: bool) -> None:
    if is_lost:
        lose(data_dir, SMALL)
    ran = run("user", "delete", SMALL, "--yes", "--data-dir", data_dir)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == f"Deleted version 1 of user {SMALL}. The deletion takes a version, too.\n"
    shown = json.loads(run("user", "show", SMALL, "--json", "--data-dir", data_dir).out)
    assert (shown["state"], shown["version"]) == ("deleted", 2)
    ran = run("user", "delete", SMALL, "--yes", "--data-dir", data_dir)
    assert (ran.code, ran.out) == (5, "")
    assert "has no backup: nothing was deleted" in ran.err


def test_deletion_without_a_terminal_needs_a_flag(run: Callable[..., Ran], data_dir: Path) -> None:
    ran = run("user", "delete", SMALL, "--data-dir", data_dir)
    assert (ran.code, ran.out) == (2, "")
    assert "Add --yes" in ran.err


@pytest.mark.parametrize(("answer", "code", "state"), [("y", 0, "deleted"), ("n", 130, "backup")])
def test_deletion_asks_at_a_terminal(
    run: Callable[..., Ran], data_dir: Path, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, state: str
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: answer)
    ran = run("user", "delete", SMALL, "--data-dir", data_dir)
    assert ran.code == code
    assert json.loads(run("user", "show", SMALL, "--json", "--data-dir", data_dir).out)["state"] == state


def test_backup_that_changed_meanwhile_is_kept(
    run: Callable[..., Ran], data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(_: BackupService, _user: UserId, expected: Version) -> None:
        raise VersionMismatch(expected=expected, current=Version(2))

    monkeypatch.setattr(BackupService, "delete", refused)
    ran = run("user", "delete", SMALL, "--yes", "--data-dir", data_dir)
    assert (ran.code, ran.out) == (5, "")
    assert "was changed by another request: nothing was deleted" in ran.err


@table(
    ("arguments", "users"),
    [
        ((), [LARGE, SMALL]),
        (("--by", "size"), [LARGE, SMALL]),
        (("--by", "updated"), [SMALL, LARGE]),
        (("--by", "size", "--limit", "1"), [LARGE]),
        (("--by", "updated", "--limit", "1"), [SMALL]),
        (("--limit", "1"), [LARGE]),
    ],
)
def test_users_are_listed_in_the_given_order(
    run: Callable[..., Ran], data_dir: Path, arguments: tuple[str, ...], users: list[UserId]
) -> None:
    ran = run("user", "list", *arguments, "--data-dir", data_dir)
    assert (ran.code, ran.err) == (0, "2 users with a backup, 4040 bytes.\n")
    assert [line.split()[0] for line in ran.out.splitlines()] == [str(user) for user in users]
    ran = run("user", "list", *arguments, "--json", "--data-dir", data_dir)
    assert [json.loads(line)["user_id"] for line in ran.out.splitlines()] == [str(user) for user in users]
    assert ran.err == ""


def test_listed_user_is_one_line(run: Callable[..., Ran], data_dir: Path) -> None:
    (line,) = run("user", "list", "--by", "size", "--limit", "1", "--data-dir", data_dir).out.splitlines()
    assert line == f"{LARGE}          4000 bytes  version     1  2026-05-03 07:08 UTC"


@table("command", ["show", "delete"])
def test_missing_metadata_is_an_error(run: Callable[..., Ran], tmp_path: Path, command: str) -> None:
    ran = run("user", command, SMALL, "--data-dir", tmp_path)
    assert (ran.code, ran.out) == (3, "")
    assert "There is no metadata" in ran.err
    assert list(tmp_path.iterdir()) == []
