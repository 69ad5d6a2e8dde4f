from __future__ import annotations

import subprocess
import sys

import pytest

from obscura_backup.adapters.s3_location import S3Location


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("s3://obscura", S3Location("obscura")),
        ("s3://obscura/", S3Location("obscura")),
        ("s3://obscura?region=eu-central-1", S3Location("obscura", region="eu-central-1")),
        ("s3://obscura?endpoint=http://127.0.0.1:9000", S3Location("obscura", endpoint="http://127.0.0.1:9000")),
        (
            "s3://obscura?endpoint=https%3A%2F%2Fminio.example&region=us-east-1&checksums=off",
            S3Location("obscura", endpoint="https://minio.example", region="us-east-1", checksums=False),
        ),
    ],
)
def test_location(url: str, location: S3Location) -> None:
    assert S3Location.parse(url) == location


@pytest.mark.parametrize(
    "url",
    [
        "https://obscura",
        "s3://",
        "s3:obscura",
        "s3://Obscura",
        "s3://ob",
        "s3://obscura/folder",
        "s3://key:hush@obscura",
        "s3://obscura?endpoint=minio:9000",
        "s3://obscura?endpoint=",
        "s3://obscura?endpoint=http://key:hush@minio:9000",
        "s3://obscura?endpoint=http://minio:9000?hush=1",
        "s3://obscura?endpoint=http://one&endpoint=http://two",
        "s3://obscura?secret=hush",
        "s3://obscura?checksums=maybe",
        "s3://obscura#hush",
    ],
)
def test_anything_else_is_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        S3Location.parse(url)
    assert "hush" not in str(refused.value)


def test_reading_a_location_loads_no_driver() -> None:
    """Settings are checked on every command, `--help` included."""
    program = (
        "import sys, obscura_backup.adapters.s3_location; sys.exit({'boto3', 'minio'} & sys.modules.keys() != set())"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
