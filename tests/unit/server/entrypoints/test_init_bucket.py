"""`init-bucket` where MinIO's SDK, an extra, is not installed."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from obscura_backup.entrypoints.cli import cli

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def without_sdk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module = importlib.import_module("obscura_backup.entrypoints.cli.init_bucket")
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    monkeypatch.chdir(tmp_path)
    for name in ("AWS", "MINIO_SERVICE"):
        monkeypatch.setenv(f"{name}_ACCESS_KEY{'_ID' if name == 'AWS' else ''}", "key")
        monkeypatch.setenv(f"{name}_SECRET_{'ACCESS_' if name == 'AWS' else ''}KEY", "secret")


def init_bucket(*options: str) -> Result:
    return CliRunner().invoke(cli, ["init-bucket", "--blobs-url", "s3://bucket?endpoint=http://127.0.0.1:9", *options])


@pytest.mark.usefixtures("without_sdk")
def test_user_in_minio_names_what_to_install_before_anything_is_made() -> None:
    done = init_bucket("--minio-user")
    assert (done.exit_code, done.stderr) == (
        2,
        "Error: --minio-user needs MinIO's SDK: install `obscura-backup[minio]`.\n",
    )


@pytest.mark.usefixtures("without_sdk")
def test_policy_and_bucket_need_no_sdk() -> None:
    assert '"s3:PutObject"' in init_bucket("--policy").stdout
    assert "does not answer" in init_bucket().stderr
