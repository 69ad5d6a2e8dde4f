"""The command `obscura-backup` and its subcommand `token`: output and exit codes."""

from __future__ import annotations

import stat
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import jwt
import pytest

from obscura_backup import __version__
from obscura_backup.adapters.postgres import schema as postgres_schema
from obscura_backup.entrypoints.cli.options import Duration
from support.table import table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.servers.in_process.server import Ran


SECRET = "a secret that only the tests know, 32 bytes and more"
USER = UUID(int=7 << 64)


@table("option", ["-h", "--help"])
@table("command", [(), ("token",), ("scrub",)])
def test_help_has_a_long_and_a_short_option(run: Callable[..., Ran], option: str, command: tuple[str, ...]) -> None:
    ran = run(*command, option)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("Usage: obscura-backup ")


def test_version_is_that_of_the_release(run: Callable[..., Ran]) -> None:
    ran = run("--version")
    assert (ran.code, ran.out) == (0, f"obscura-backup, version {__version__}\n")


@table(("option", "says"), [("--config", "is a directory"), ("--data-dir", "is a file"), ("--out", "is a directory")])
def test_path_of_the_wrong_kind_is_a_usage_error(
    run: Callable[..., Ran], tmp_path: Path, option: str, says: str
) -> None:
    (tmp_path / "file").write_text("")
    ran = run("token", USER, option, tmp_path / "file" if option == "--data-dir" else tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert option in ran.err
    assert says in ran.err


def test_unexpected_error_is_logged_and_has_its_own_exit_code(
    run: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(_: str) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(postgres_schema, "migrate", failing)
    assert run("migrate", "--metadata-url", "postgresql://localhost/db").code == 1
    assert "please report it" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_interrupted_command_has_its_own_exit_code(run: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: str) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(postgres_schema, "migrate", interrupted)
    assert run("migrate", "--metadata-url", "postgresql://localhost/db").code == 130


@table(
    ("text", "seconds"), [("1s", 1), ("90s", 90), ("30m", 1800), ("1h", 3600), ("7d", 604_800), ("999999s", 999_999)]
)
def test_duration_of_a_token(text: str, seconds: int) -> None:
    assert Duration().convert(text, None, None) == timedelta(seconds=seconds)
    assert Duration().convert(timedelta(seconds=seconds), None, None) == timedelta(seconds=seconds)


@table("text", ["0s", "1000000s", "1", "1w", "-1h", "1.5h", " 1h", "1h ", "01h"])
def test_malformed_durations(run: Callable[..., Ran], tmp_path: Path, text: str) -> None:
    ran = run("token", USER, "--data-dir", tmp_path, f"--ttl={text}")
    assert ran.code == 2
    assert "is not a duration such as 90s, 30m, 1h or 7d" in ran.err


def test_claims_of_a_token_follow_the_settings(run: Callable[..., Ran]) -> None:
    ran = run(
        "token",
        USER,
        "--ttl=2h",
        OBSCURA_BACKUP_AUTH_SECRET=SECRET,
        OBSCURA_BACKUP_AUTH_ISSUER="the issuer",
        OBSCURA_BACKUP_AUTH_AUDIENCE="the audience",
        OBSCURA_BACKUP_AUTH_USER_CLAIM="uid",
    )
    assert (ran.code, ran.err) == (0, "")
    claims = jwt.decode(ran.out.strip(), SECRET, ["HS256"], audience="the audience", issuer="the issuer")
    assert claims["uid"] == str(USER)
    assert claims["exp"] - claims["iat"] == 7200


def test_token_is_valid_for_an_hour_by_default(run: Callable[..., Ran]) -> None:
    ran = run("token", USER, OBSCURA_BACKUP_AUTH_SECRET=SECRET)
    claims = jwt.decode(ran.out.strip(), SECRET, ["HS256"])
    assert claims["exp"] - claims["iat"] == 3600


def test_new_secret_is_announced_once(run: Callable[..., Ran], tmp_path: Path) -> None:
    first, second = (run("token", USER, "--data-dir", tmp_path) for _ in range(2))
    assert first.err == f"Created a new signing secret in {tmp_path}; other data directories have others.\n"
    assert second.err == ""
    assert (first.code, second.code) == (0, 0)


def test_configured_secret_is_not_announced(run: Callable[..., Ran], tmp_path: Path) -> None:
    assert run("token", USER, "--data-dir", tmp_path, OBSCURA_BACKUP_AUTH_SECRET=SECRET).err == ""
    assert list(tmp_path.iterdir()) == []


def test_unusable_secret_exits_as_an_unusable_store(run: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "auth-secret").write_text("short")
    (tmp_path / "auth-secret").chmod(0o600)
    ran = run("token", USER, "--data-dir", tmp_path)
    assert (ran.code, ran.out) == (3, "")
    assert "too short" in ran.err


def test_no_token_is_issued_beside_an_identity_provider(run: Callable[..., Ran], tmp_path: Path) -> None:
    ran = run("token", USER, "--data-dir", tmp_path, OBSCURA_BACKUP_AUTH_JWKS="/some/keys.json")
    assert (ran.code, ran.out) == (2, "")
    assert "identity provider" in ran.err
    assert list(tmp_path.iterdir()) == []


def test_file_holds_the_token_and_only_its_owner_can_read_it(run: Callable[..., Ran], tmp_path: Path) -> None:
    out = tmp_path / "token"
    ran = run("token", USER, "--out", out, OBSCURA_BACKUP_AUTH_SECRET=SECRET)
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert out.read_text().endswith("\n")
    assert jwt.decode(out.read_text().strip(), SECRET, ["HS256"])["sub"] == str(USER)
    assert [path.name for path in tmp_path.iterdir()] == ["token"]


def test_failed_write_of_a_token_leaves_no_draft(run: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "token").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    ran = run("token", USER, "--out", tmp_path / "link", OBSCURA_BACKUP_AUTH_SECRET=SECRET)
    assert ran.code == 2
    assert "not a regular file" in ran.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "token"]
