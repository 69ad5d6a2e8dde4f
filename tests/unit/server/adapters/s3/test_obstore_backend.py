from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from obscura_backup.adapters.s3 import obstore_backend
from obscura_backup.adapters.s3.location import S3Location
from obscura_backup.domain.errors import StoreUnusable
from support.table import table

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_DEFAULT_REGION",
        "AWS_PROFILE",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The arguments that obstore gets."""
    given: dict[str, Any] = {}
    monkeypatch.setattr(obstore_backend, "S3Store", lambda bucket, **named: given.update(bucket=bucket, **named))
    return given


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


def make(url: str) -> None:
    obstore_backend.S3Backend(S3Location.parse(url)).make_store(connect_timeout_seconds=2, read_timeout_seconds=10)


@pytest.mark.usefixtures("keys")
@table(
    ("url", "endpoint", "virtual"),
    [
        ("s3://bucket", "https://bucket.s3.us-east-1.amazonaws.com", True),
        ("s3://bucket?region=eu-central-1", "https://bucket.s3.eu-central-1.amazonaws.com", True),
        ("s3://bucket?region=cn-north-1", "https://bucket.s3.cn-north-1.amazonaws.com.cn", True),
        ("s3://a.bucket", "https://s3.us-east-1.amazonaws.com", False),
        ("s3://bucket?addressing=path", "https://s3.us-east-1.amazonaws.com", False),
        ("s3://bucket?endpoint=http://minio:9000", "http://minio:9000", False),
        ("s3://bucket?endpoint=http://minio:9000&addressing=virtual", "http://bucket.minio:9000", True),
    ],
)
def test_address_is_that_of_boto3(made: dict[str, Any], url: str, endpoint: str, *, virtual: bool) -> None:
    make(url)
    assert (made["endpoint"], made["virtual_hosted_style_request"]) == (endpoint, virtual)


@pytest.mark.usefixtures("keys")
def test_nothing_is_repeated_and_no_request_ends_while_it_goes_on(made: dict[str, Any]) -> None:
    make("s3://bucket")
    assert made["retry_config"]["max_retries"] == 0
    options = made["client_options"]
    assert (options["connect_timeout"], options["read_timeout"]) == (timedelta(seconds=2), timedelta(seconds=10))
    assert options["timeout"] >= timedelta(hours=1)


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize(
    ("url", "algorithm", "unsigned"),
    [
        ("s3://bucket", "SHA256", True),
        ("s3://bucket?endpoint=https://minio", "SHA256", True),
        ("s3://bucket?endpoint=http://minio", "SHA256", False),
        ("s3://bucket?endpoint=https://minio&checksums=off", None, None),
    ],
)
def test_bytes_are_protected_by_a_checksum_or_by_the_signature(
    made: dict[str, Any], url: str, algorithm: str | None, *, unsigned: bool | None
) -> None:
    make(url)
    assert (made.get("checksum_algorithm"), made.get("unsigned_payload")) == (algorithm, unsigned)


@pytest.mark.usefixtures("keys")
def test_static_credentials_of_the_environment(made: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    make("s3://bucket")
    assert made["credential_provider"]() == {
        "access_key_id": "key",
        "secret_access_key": "secret",
        "token": "token",
        "expires_at": None,
    }


def test_other_sources_of_aws_are_asked_again_and_again(made: dict[str, Any], tmp_path: Path) -> None:
    """Here a program of the profile, as single sign-on and vaults have one; its answer changes."""
    (tmp_path / "n").write_text("0")
    program = tmp_path / "program"
    soon = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()  # so soon that botocore renews it each time
    program.write_text(
        f"#!/bin/sh\nn=$(($(cat {tmp_path}/n) + 1)); echo $n > {tmp_path}/n\n"
        f'echo \'{{"Version": 1, "AccessKeyId": "key-\'$n\'", "SecretAccessKey": "secret", "SessionToken": "token",'
        f' "Expiration": "{soon}"}}\'\n'
    )
    program.chmod(0o755)
    (tmp_path / "config").write_text(f"[default]\nregion = eu-west-3\ncredential_process = {program}\n")
    make("s3://bucket")
    first, second = made["credential_provider"](), made["credential_provider"]()
    assert first["access_key_id"] != second["access_key_id"]
    assert first["token"] == "token"
    assert timedelta(0) < first["expires_at"] - datetime.now(UTC) <= timedelta(minutes=10)
    assert made["region"] == "eu-west-3"


@pytest.mark.usefixtures("keys")
def test_file_of_authorities_is_read(made: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "bundle"))
    with pytest.raises(StoreUnusable, match="AWS_CA_BUNDLE"):
        make("s3://bucket")
    (tmp_path / "bundle").write_bytes(b"certificates")
    make("s3://bucket")
    assert made["client_options"]["root_certificate"] == b"certificates"


@pytest.mark.usefixtures("keys")
def test_malformed_setting_is_told_and_not_quoted() -> None:
    with pytest.raises(StoreUnusable, match="invalid") as refused:
        make("s3://bucket?endpoint=http://hush:99999")
    assert "hush" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_missing_credentials_are_told(made: dict[str, Any]) -> None:
    with pytest.raises(StoreUnusable, match="AWS_ACCESS_KEY_ID"):
        make("s3://bucket?endpoint=http://minio")
    assert made == {}


@pytest.mark.usefixtures("keys", "made")
def test_encryption_key_is_not_sent_without_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SSE_CUSTOMER_KEY_BASE64", "hush")
    with pytest.raises(StoreUnusable, match=r"AWS_SSE_CUSTOMER_KEY_BASE64 .* unset it") as refused:
        make("s3://bucket?endpoint=http://minio:9000")
    assert "hush" not in str(refused.value)
    make("s3://bucket?endpoint=https://minio:9000")
