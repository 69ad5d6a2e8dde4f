"""`init-bucket`: makes the bucket of S3, its policy, and the service's user in MinIO."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import click

from obscura_backup.entrypoints.cli import options

if TYPE_CHECKING:
    from pathlib import Path

    from obscura_backup.entrypoints.settings import Settings


@click.command("init-bucket")
@click.option("--policy", is_flag=True, help="Only print the least-privilege policy for the service's credentials.")
@click.option(
    "--minio-user",
    is_flag=True,
    help="Also create the service's user in MinIO, with that policy only. MINIO_SERVICE_ACCESS_KEY and "
    "MINIO_SERVICE_SECRET_KEY hold its keys. An existing user gets this secret and this policy. Needs the extra "
    "obscura-backup[minio].",
)
@options.config_option
@options.blobs_url_option
def init_bucket(config: Path | None, *, policy: bool, minio_user: bool, **flags: Any) -> int:
    """Create the bucket if it is missing, with an administrator's credentials from the AWS variables."""
    from obscura_backup.adapters.s3.location import S3Location  # `--help` should not wait for it
    from obscura_backup.domain.errors import StoreUnusable

    settings = options.settings_from(flags, config)
    location = settings.bucket_location if settings.has_bucket else None
    if not isinstance(location, S3Location):
        options.fail(f"init-bucket needs a blobs_url that begins with s3:.{_own_tool(settings)}", options.EXIT_USAGE)
    from obscura_backup.adapters.s3 import admin  # as above

    if policy:
        click.echo(json.dumps(admin.least_privilege_policy(location.bucket), indent=2))
        return 0
    _from_environment("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    user, user_secret = (
        _from_environment("MINIO_SERVICE_ACCESS_KEY", "MINIO_SERVICE_SECRET_KEY") if minio_user else ("", "")
    )
    if minio_user and find_spec("minio") is None:
        options.fail("--minio-user needs MinIO's SDK: install `obscura-backup[minio]`.", options.EXIT_USAGE)
    region = location.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    location = replace(location, region=region)
    try:
        made = admin.init_bucket(location)
        click.echo(f"Created the bucket {location.bucket}." if made else f"The bucket {location.bucket} exists.")
        if minio_user:
            from obscura_backup.adapters.s3.minio_users import init_user  # as above

            init_user(location, user, user_secret)
            click.echo(f"The user {user} has the rights that the service needs in this bucket, and no others.")
    except StoreUnusable as error:
        options.fail(error, options.EXIT_STORE)
    return 0


def _own_tool(settings: Settings) -> str:
    """How to make the bucket by the tools of its cloud, with a space in front; empty if there is no such cloud."""
    commands = {
        "gs": "gcloud storage buckets create gs://{}",
        "az": "az storage container create --name {}",
    }
    command = commands.get(settings.blobs_kind)
    return f" Run `{command.format(settings.bucket_location.bucket)}` instead." if command else ""


def _from_environment(access_name: str, secret_name: str) -> tuple[str, str]:
    """A pair of keys. Not from flags, since other users of the machine can see them."""
    access_key, secret_key = os.environ.get(access_name), os.environ.get(secret_name)
    if not access_key or not secret_key:
        options.fail(f"{access_name} and {secret_name} are not set.", options.EXIT_USAGE)
    return access_key, secret_key
