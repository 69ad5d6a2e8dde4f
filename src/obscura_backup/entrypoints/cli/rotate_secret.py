"""`rotate-secret`: put a new secret in front of those that verify tokens, or drop the older ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from obscura_backup.entrypoints.cli import options

if TYPE_CHECKING:
    from pathlib import Path


@click.command("rotate-secret")
@click.option("--drop-old", is_flag=True, help="Keep only the newest secret. Tokens of the older ones become invalid.")
@options.config_option
@options.data_dir_option
def rotate_secret(*, drop_old: bool, config: Path | None, **flags: Any) -> int:
    """Put a new signing secret in front of the old ones. The first one signs, and all of them verify.

    Running services read the file again by themselves. The file is that of auth_secret_file, else `auth-secret` in the
    data directory. No secret is printed, only its fingerprint.
    """
    from obscura_backup.adapters.tokens.secret_file import LOOK_SECONDS  # so that `--help` is fast
    from obscura_backup.domain.errors import StoreUnusable
    from obscura_backup.entrypoints.signing_secret import fingerprint, rotate

    settings = options.settings_from(flags, config)
    if settings.auth_secret is not None:
        options.fail(
            "The secret is in auth_secret, which holds only one. To rotate it, write it to a file of mode 0600, set "
            "auth_secret_file in its place, and run this again.",
            options.EXIT_USAGE,
        )
    if settings.auth_jwks is not None and settings.auth_secret_file is None:
        options.fail("With auth_jwks the keys are rotated by the identity provider.", options.EXIT_USAGE)
    path = settings.secret_path
    if not path.exists():
        options.fail(f"There is no secret in {path} yet: `obscura-backup serve` creates one.", options.EXIT_STORE)
    try:
        kept = rotate(path, drop_old=drop_old)
    except StoreUnusable as error:
        options.fail(error, options.EXIT_STORE)
    shown = ", ".join(fingerprint(each.encode()) for each in kept)
    click.echo(f"The secrets in {path}, by their fingerprints, newest first: {shown}")
    if drop_old:
        click.echo("Tokens of other secrets are no longer valid.", err=True)
    else:
        click.echo(
            f"New tokens are signed by the first one. Running services read the file again within {LOOK_SECONDS:g} "
            "seconds. Copy the file to all replicas. After the old tokens have expired, run `obscura-backup "
            "rotate-secret --drop-old`.",
            err=True,
        )
    return 0
