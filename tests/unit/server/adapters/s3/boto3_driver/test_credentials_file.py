"""Credentials in a file that changes are read again, by both drivers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from obscura_backup.adapters.s3 import obstore_backend
from obscura_backup.adapters.s3.boto3_driver import credentials_file
from obscura_backup.adapters.s3.boto3_driver.client import credentials_of, make_client
from obscura_backup.adapters.s3.location import S3Location

if TYPE_CHECKING:
    from pathlib import Path

LOCATION = S3Location.parse("s3://bucket?endpoint=http://localhost:9")
SOON = int(credentials_file.LIVE.total_seconds())
"""So that each use of the credentials reads the file again."""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    write(tmp_path / "credentials", "first")
    return tmp_path / "credentials"


def write(file: Path, key: str) -> None:
    file.write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = secret of {key}\n")


def keys(credentials: Any) -> tuple[str, str]:
    frozen = credentials.get_frozen_credentials()
    return frozen.access_key, frozen.secret_key


FIRST, SECOND = ("first", "secret of first"), ("second", "secret of second")


def test_file_is_read_again_when_it_is_time(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    early = credentials_of(LOCATION)
    monkeypatch.setattr(credentials_file, "REREAD_SECONDS", SOON)
    late = credentials_of(LOCATION)
    write(file, "second")
    assert (keys(early), keys(late)) == (FIRST, SECOND)


@pytest.mark.parametrize("broken", ["[default]\naws_access_key_id = half\n", "[default", "", None])
def test_broken_file_leaves_the_known_credentials(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, broken: str | None
) -> None:
    monkeypatch.setattr(credentials_file, "REREAD_SECONDS", SOON)
    found = credentials_of(LOCATION)
    file.unlink() if broken is None else file.write_text(broken)
    assert keys(found) == FIRST
    assert "secret of" not in caplog.text
    write(file, "second")
    assert keys(found) == SECOND


def test_boto3_signs_with_the_changed_credentials(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials_file, "REREAD_SECONDS", SOON)
    client: Any = make_client(LOCATION, connections=1, connect_timeout_seconds=1, read_timeout_seconds=1)
    try:
        write(file, "second")
        assert "AWSAccessKeyId=second&" in client.generate_presigned_url("head_bucket", {"Bucket": "bucket"}) + "&"
    finally:
        client.close()


def test_obstore_asks_for_the_changed_credentials(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(credentials_file, "REREAD_SECONDS", SOON)
    monkeypatch.setattr(obstore_backend, "S3Store", lambda _, **named: given.update(named))
    obstore_backend.S3Backend(LOCATION).make_store(connect_timeout_seconds=1, read_timeout_seconds=1)
    provide = given["credential_provider"]
    assert provide()["access_key_id"] == "first"
    write(file, "second")
    assert provide()["access_key_id"] == "second"


def test_environment_comes_before_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of the environment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "its secret")
    assert file.exists()
    assert keys(credentials_of(LOCATION)) == ("of the environment", "its secret")


def test_obstore_asks_more_often_than_the_credentials_last() -> None:
    asked_again_after = obstore_backend._CREDENTIALS_LIVE.total_seconds() - 300
    assert credentials_file.LIVE.total_seconds() - asked_again_after < credentials_file.REREAD_SECONDS
