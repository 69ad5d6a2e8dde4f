from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from obscura_backup.adapters.postgres.url import holds_password
from obscura_backup.entrypoints.setting_sources import InvalidSettings
from obscura_backup.entrypoints.settings import load_settings
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
