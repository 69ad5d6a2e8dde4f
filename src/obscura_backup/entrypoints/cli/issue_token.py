"""`token`: issue a bearer token. Anyone with the service's secret can act as any user."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from obscura_backup.entrypoints.cli import options
from obscura_backup.entrypoints.cli.private_file import private_file

if TYPE_CHECKING:
    from datetime import timedelta
    from uuid import UUID


@click.command()
@click.argument("user_id", type=click.UUID)
@click.option("--ttl", type=options.Duration(), default="1h", show_default=True, help="Lifetime: 90s, 30m, 1h, 7d.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the token to this file, readable by its owner only.",
)
@options.config_option
@options.data_dir_option
def token(user_id: UUID, ttl: timedelta, out: Path | None, config: Path | None, **flags: Any) -> int:
    """Print a bearer token for USER_ID (a UUID), signed with the service's secret."""
    from obscura_backup.adapters.system_clock import SystemClock
    from obscura_backup.adapters.tokens.issuer import issue_token  # so that `--help` is fast
    from obscura_backup.domain.errors import StoreUnusable
    from obscura_backup.domain.model import UserId

    settings = options.settings_from(flags, config)
    if settings.auth_jwks is not None and not settings.has_secret:
        options.fail(
            "With auth_jwks alone, the identity provider issues the tokens; the service has no secret to sign with.",
            options.EXIT_USAGE,
        )
    new = not settings.has_secret and not settings.secret_path.exists()
    try:
        secret = settings.token_secrets()[0]
    except StoreUnusable as error:
        options.fail(error, options.EXIT_STORE)
    if new:
        click.echo(
            f"Created a new signing secret in {settings.data_dir}; other data directories have others.",
            err=True,
        )
    issued = issue_token(
        secret,
        UserId(user_id),
        ttl,
        SystemClock(),
        audience=settings.auth_audience,
        issuer=settings.auth_issuer,
        user_claim=settings.auth_user_claim,
    )
    if out is None:
        click.echo(issued)
    else:
        with private_file(out) as file:
            file.write(f"{issued}\n".encode("ascii"))
    return 0
