"""Every time-out is a setting, and reaches the part that it is named after."""

from __future__ import annotations

import time
from typing import Any

import pytest

from obscura_backup.adapters import memory, sqlite
from obscura_backup.adapters.object_stores import store as s3
from obscura_backup.adapters.postgres import store as postgres
from obscura_backup.adapters.s3 import store as s3_store
from obscura_backup.adapters.tokens import jwks
from obscura_backup.adapters.tokens.jwks import JwksKeySource
from obscura_backup.domain.errors import Unavailable
from obscura_backup.entrypoints.container import Container
from obscura_backup.entrypoints.setting_sources import InvalidSettings
from obscura_backup.entrypoints.settings import Settings, load_settings
from obscura_backup.entrypoints.timeouts import Timeouts
from support.table import table

FLEET = {
    "OBSCURA_BACKUP_METADATA_URL": "postgresql://someone@localhost/db",
    "OBSCURA_BACKUP_BLOBS_URL": "s3://bucket?endpoint=http://localhost:9",
    "OBSCURA_BACKUP_AUTH_JWKS": "https://keys.example/jwks",
}


def test_a_default_is_what_the_adapter_would_take_by_itself() -> None:
    cases: list[tuple[str, float]] = [
        ("lock_seconds", postgres.LOCK_TIMEOUT_SECONDS),
        ("lock_seconds", sqlite.LOCK_TIMEOUT_SECONDS),
        ("lock_seconds", memory.LOCK_TIMEOUT_SECONDS),
        ("postgres_hold_seconds", postgres.IDLE_IN_TRANSACTION_SECONDS),
        ("postgres_wait_seconds", postgres.POOL_WAIT_SECONDS),
        ("postgres_connect_seconds", postgres.CONNECT_TIMEOUT_SECONDS),
        ("postgres_answer_seconds", postgres.ANSWER_TIMEOUT_SECONDS),
        ("s3_wait_seconds", s3.WAIT_SECONDS),
        ("s3_connect_seconds", s3.CONNECT_TIMEOUT_SECONDS),
        ("s3_read_seconds", s3.READ_TIMEOUT_SECONDS),
        ("s3_ping_seconds", s3.PING_TIMEOUT_SECONDS),
        ("jwks_seconds", jwks.FETCH_TIMEOUT_SECONDS),
    ]
    for setting, default in cases:
        assert getattr(Settings(), setting) == default


def test_each_setting_reaches_its_adapter(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[str, Any]] = []

    def taking(*_positional: object, **named: object) -> object:
        given.extend(named.items())
        return object()

    names = [each for each in Timeouts.__struct_fields__ if each.startswith(("lock", "postgres", "s3", "jwks"))]
    values = {name: 11 + number for number, name in enumerate(names)}
    values["postgres_hold_seconds"] = 99
    environ = {**FLEET, **{f"OBSCURA_BACKUP_{name.upper()}": str(value) for name, value in values.items()}}
    monkeypatch.setattr(postgres, "PostgresMetadataStore", taking)
    monkeypatch.setattr(s3_store, "S3BlobStore", taking)
    monkeypatch.setattr(JwksKeySource, "url", taking)
    container = Container(settings=load_settings({}, environ))
    container.metadata(), container.blobs(), container.key_source()
    assert sorted(value for name, value in given if name.endswith("seconds")) == sorted(values.values())


@table("value", ["0", "-1", "nan", "inf", "forever", "3601"])
def test_a_time_out_is_a_positive_number_of_seconds_of_at_most_an_hour(value: str) -> None:
    with pytest.raises(InvalidSettings):
        load_settings({}, {"OBSCURA_BACKUP_S3_READ_SECONDS": value})


def test_a_lock_that_would_end_before_the_upload_is_refused() -> None:
    with pytest.raises(InvalidSettings, match="postgres_hold_seconds"):
        load_settings({}, {**FLEET, "OBSCURA_BACKUP_POSTGRES_HOLD_SECONDS": "5"})


def test_the_notice_may_be_none_at_all() -> None:
    assert load_settings({}, {"OBSCURA_BACKUP_NOTICE_SECONDS": "0"}).notice_seconds == 0


async def test_a_key_set_that_drips_does_not_hold_a_request_for_ever() -> None:
    def drip() -> bytes:
        time.sleep(0.5)
        return b""

    source = JwksKeySource(drip, "a slow place", timeout_seconds=0.05)
    with pytest.raises(Unavailable):
        await source.keys()
