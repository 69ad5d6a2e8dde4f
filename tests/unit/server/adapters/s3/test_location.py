from __future__ import annotations

import subprocess
import sys

import pytest

from obscura_backup.adapters.s3.location import S3Location
from support.table import table


@table(
    ("url", "location"),
    [
        ("s3://obscura", S3Location("obscura")),
        ("s3://obscura/", S3Location("obscura")),
        ("s3+boto3://obscura", S3Location("obscura")),
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


def test_anything_else_is_refused_and_not_quoted() -> None:
    cases: list[str] = [
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
        "s3://obscura?endpoint=http://minio:hush",
        "s3://obscura?endpoint=http://[hush]:9000",
        "s3://obscura?endpoint=http://one&endpoint=http://two",
        "s3://obscura?secret=hush",
        "s3://obscura?checksums=maybe",
        "s3://obscura?addressing=",
        "s3://obscura?addressing=Path",
        "s3://obscura?addressing=hush",
        "s3://obscura?addressing=path&addressing=path",
        "s3://obscura#hush",
    ]
    for url in cases:
        with pytest.raises(ValueError, match=r".") as refused:
            S3Location.parse(url)
        assert "hush" not in str(refused.value)


def test_reading_a_location_loads_no_driver() -> None:
    """Settings are checked on every command, `--help` included."""
    program = (
        "import sys, obscura_backup.adapters.s3.location; sys.exit({'boto3', 'minio'} & sys.modules.keys() != set())"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_form_of_address() -> None:
    cases: list[tuple[str, str, str]] = [
        ("", "auto", "path"),
        ("?addressing=auto", "auto", "path"),
        ("?addressing=path", "path", "virtual"),
        ("?addressing=virtual", "virtual", "path"),
        ("?endpoint=https://store.example", "path", "virtual"),
        ("?endpoint=https://store.example&addressing=auto", "path", "virtual"),
        ("?endpoint=https://store.example&addressing=virtual", "virtual", "path"),
    ]
    for query, style, other in cases:
        location = S3Location.parse(f"s3://obscura{query}")
        assert (location.addressing_style, location.other_addressing) == (style, other)
