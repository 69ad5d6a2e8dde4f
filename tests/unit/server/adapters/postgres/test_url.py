"""The URL of a database, and the parameters of its connections."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

import pytest

from obscura_backup.adapters.postgres.parameters import parameters
from obscura_backup.adapters.postgres.url import holds_password
from obscura_backup.domain.errors import StoreUnusable
from obscura_backup.entrypoints.setting_sources import InvalidSettings
from obscura_backup.entrypoints.settings import load_settings
from support.servers.in_process.scripted_postgres import URL
from support.table import table

if TYPE_CHECKING:
    from pathlib import Path

WITH_PASSWORD = [
    "postgresql://u:hunter2@h/db",
    "postgres://u:hunter2@h",
    "postgresql://:hunter2@h/db",
    "postgresql://u:hunter2@",
    "postgresql://u:hunter2@/db?host=/run/postgresql",
    "postgresql://u:hunter2@h1:5432,h2:5432/db?target_session_attrs=read-write",
    "postgresql://u:hunter2@[::1]:5432/db",
    "postgresql://u:hunter2%40@h/db",
    "postgresql://u:%68unter2@h/db",
    "postgresql://u:hunter2:3@h/db",
    "postgresql://u:hunter2#3@h/db",
    "postgresql://u:hunter2?3@h/db",
    "postgresql://u:hunter2/3@h/db",
    "postgresql://u:hunter2@3@h/db",
    "postgresql://u@h/db?password=hunter2",
    "postgresql://u@h/db?sslmode=require&password=hunter2",
    "postgresql://h?user=u&password=hunter2",
    "postgresql://u@h/db?p%61ssword=hunter2",
    "postgresql://u@h/db?PassWord=hunter2",
    "postgresql://u@h/db?sslpassword=hunter2",
    "postgresql://u@h/db?scram_client_key=hunter2",
    "postgresql://u@h/db?oauth_client_secret=hunter2",
]
WITHOUT = [
    "postgresql://u@h/db",
    "postgresql://h:5432/db",
    "postgresql://h1:5432,h2:5433/db",
    "postgresql://[::1]:5432/db",
    "postgresql://u@[2001:db8::1]:5432/db",
    "postgresql:///db?host=/run/postgresql",
    "postgresql://u:@h/db",
    "postgresql://u@h/db?password=",
    "postgresql://h:5432/a@b",
    "postgresql://[::1]:5432/a@b",
    "postgresql://u@h/db?passfile=/etc/pgpass&sslmode=verify-full",
    "postgresql://u@h/db?require_auth=password",
    "postgresql://u@h/password",
    "sqlite:////data/a:b@c",
    "memory:",
]


@table("url", WITH_PASSWORD)
def test_password_in_the_flag_is_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(InvalidSettings, match="PGPASSFILE") as refused:
        load_settings({"metadata_url": url}, {})
    assert "unter2" not in str(refused.value)


@table("url", WITHOUT)
def test_url_without_a_password_holds_none(url: str) -> None:
    assert not holds_password(url)


def test_flag_without_a_password_is_taken() -> None:
    assert load_settings({"metadata_url": "postgresql://u@h/db"}, {}).metadata_url == "postgresql://u@h/db"


def test_password_in_the_variable_or_the_file_is_taken(tmp_path: Path) -> None:
    url = "postgresql://u:hunter2@h/db"
    (tmp_path / "settings.toml").write_text(f'metadata_url = "{url}"\n')
    assert load_settings({}, {"OBSCURA_BACKUP_METADATA_URL": url}).metadata_url == url
    assert load_settings({}, {}, tmp_path / "settings.toml").metadata_url == url


def test_parameters_of_a_connection() -> None:
    assert parameters(URL, connect_timeout_seconds=2) == {
        "user": "someone",
        "host": "localhost",
        "dbname": "db",
        "connect_timeout": 2,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
        "application_name": "obscura-backup",
        "client_encoding": "utf-8",
    }


@table(
    ("url", "attribute"),
    [
        ("postgresql://a,b/db", "read-write"),
        ("postgresql://a,b/db?target_session_attrs=any", "any"),
        ("postgresql://a/db", None),
    ],
)
def test_several_hosts_mean_the_one_that_accepts_writes(url: str, attribute: str | None) -> None:
    assert parameters(url, connect_timeout_seconds=2).get("target_session_attrs") == attribute


def test_parameters_of_the_url_have_precedence() -> None:
    found = parameters("postgresql://a/db?connect_timeout=9&application_name=mine", connect_timeout_seconds=2)
    assert (found["connect_timeout"], found["application_name"]) == ("9", "mine")


@table(
    "url",
    [
        "postgresql://u:pa@zzss@h/d",
        "postgresql://u:pa/zzss@h/d",
        "postgresql://u:zzss/d",
        "postgresql://u:pa%zzss@h/d",
        "postgresql://u:pa@zzss/half@127.0.0.1/d",
        "postgresql://zzss:1/2@127.0.0.1/d",
        "postgresql://u@h/d?zzss=1",
        "zzss://",
    ],
)
def test_malformed_url_is_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(StoreUnusable, match="percent-encoded") as raised:
        parameters(url, connect_timeout_seconds=2)
    assert raised.value.__cause__ is None
    assert "zzss" not in "".join(traceback.format_exception(raised.value, limit=0))
