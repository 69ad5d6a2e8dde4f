"""`settings`: each value with its source and meaning, without secrets."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

import msgspec
import pytest

from obscura_backup.entrypoints.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.servers.in_process.server import Ran

SECRET = "a secret of thirty-two bytes or more"


def lines(ran: Ran) -> dict[str, str]:
    """The value and source of each setting."""
    assert (ran.code, ran.err) == (0, "")
    return dict(re.findall(r"^  (\w+) = (.*)$", ran.out, re.MULTILINE))


def test_every_setting_is_listed_with_its_source(run: Callable[..., Ran], tmp_path: Path) -> None:
    config = tmp_path / "settings.toml"
    config.write_text('workers = 2\nhost = "::1"\n')
    shown = lines(
        run(
            "settings",
            "--config",
            config,
            "--port",
            7,
            OBSCURA_BACKUP_HOST="::",
            OBSCURA_BACKUP_CORS_ORIGINS="http://a,*",
        )
    )
    assert set(shown) == {field.name for field in msgspec.structs.fields(Settings)}
    assert shown["port"] == "7  [command line]"
    assert shown["host"] == "::  [environment]"
    assert shown["workers"] == f"2  [file {config}]"
    assert shown["cors_origins"] == "http://a, *  [environment]"
    assert shown["max_bytes"] == "2097152  [default]"
    assert shown["lock_seconds"] == "5  [default]"
    assert shown["auth_issuer"] == "(not set)  [default]"


def test_zero_is_a_value(run: Callable[..., Ran]) -> None:
    assert lines(run("settings", "--port", 0))["port"] == "0  [command line]"


def test_meaning_follows_the_value(run: Callable[..., Ran]) -> None:
    assert "  host = 127.0.0.1  [default]\n      Address to listen on. Default: 127.0.0.1.\n" in run("settings").out


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("AUTH_SECRET", SECRET, "***"),
        (
            "METADATA_URL",
            "postgresql://me:hidden@h1,h2/db?sslmode=require",
            "postgresql://me:***@h1,h2/db?sslmode=require",
        ),
        ("METADATA_URL", "postgresql://me:hid/den@h/db", "postgresql://me:***@h/db"),
        ("METADATA_URL", "postgresql://me:hidden@hidden@h/db", "postgresql://me:***@h/db"),
        ("METADATA_URL", "postgresql://:hidden@h/db", "postgresql://:***@h/db"),
        ("METADATA_URL", "postgresql://me@h/db?sslpassword=hidden&a=b", "postgresql://me@h/db?sslpassword=***&a=b"),
        ("METADATA_URL", "postgresql://me@h/db", "postgresql://me@h/db"),
        ("AUTH_JWKS", "https://hidden@id.example/keys?code=hidden", "https://***@id.example/keys?code=***"),
        ("AUTH_JWKS", "https://id.example/keys", "https://id.example/keys"),
        ("BLOBS_URL", "s3://bucket?endpoint=http://h:9&region=r", "s3://bucket?endpoint=http://h:9&region=r"),
    ],
)
def test_no_secret_is_printed(run: Callable[..., Ran], name: str, value: str, shown: str) -> None:
    environment = {f"OBSCURA_BACKUP_{name}": value}
    assert lines(run("settings", **environment))[name.lower()] == f"{shown}  [environment]"
    toml = run("settings", "--toml").out
    assert tomllib.loads(toml) == {name.lower(): shown}
    assert ("Put the secret in place of ***" in toml) is ("***" in shown)
    assert "hidden" not in toml
    assert SECRET not in toml


def test_toml_holds_what_is_set_and_the_defaults_as_comments(run: Callable[..., Ran], tmp_path: Path) -> None:
    odd = tmp_path / 'a "quoted" \\ folder\x7f'
    ran = run(
        "settings", "--toml", "--data-dir", odd, OBSCURA_BACKUP_TRUSTED_PROXIES="::1", OBSCURA_BACKUP_LOCK_SECONDS="2.5"
    )
    config = tmp_path / "settings.toml"
    config.write_text(ran.out)
    assert tomllib.loads(ran.out) == {"data_dir": str(odd), "trusted_proxies": ["::1"], "lock_seconds": 2.5}
    assert load_settings({}, {}, config) == load_settings(
        {"data_dir": odd}, {"OBSCURA_BACKUP_TRUSTED_PROXIES": "::1", "OBSCURA_BACKUP_LOCK_SECONDS": "2.5"}
    )
    assert "\n# Worker processes. Default: 1.\n# workers = 1\n" in ran.out
    assert "# Put the secret" not in ran.out


def test_all_defaults_of_the_toml_file_are_valid(run: Callable[..., Ran], tmp_path: Path) -> None:
    config = tmp_path / "settings.toml"
    # Settings without a value stay comments: an empty text is no value.
    config.write_text(re.sub(r"^# (\w+ = (?!\"\"$))", r"\1", run("settings", "--toml").out, flags=re.MULTILINE))
    assert load_settings({}, {}, config) == load_settings({}, {})
    assert len(tomllib.loads(config.read_text())) > 20


def test_invalid_settings_are_told_and_not_listed(run: Callable[..., Ran]) -> None:
    ran = run("settings", OBSCURA_BACKUP_PROT="7")
    assert (ran.code, ran.out) == (2, "")
    assert "Did you mean OBSCURA_BACKUP_PORT?" in ran.err
