"""`migrate`: creates or updates the schema of PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from obscura_backup.entrypoints.cli import options

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@options.config_option
@options.metadata_url_option
def migrate(config: Path | None, **flags: Any) -> int:
    """Bring the schema of the PostgreSQL metadata store up to date. Safe to repeat, also concurrently."""
    from obscura_backup.domain.errors import StoreUnusable, Unavailable  # `--help` should not wait

    settings = options.settings_from(flags, config)
    if settings.metadata_kind != "postgresql":
        click.echo("Nothing to do: only a PostgreSQL store has migrations.", err=True)
        return 0
    from obscura_backup.adapters.postgres import schema as postgres_schema  # as above

    try:
        applied = postgres_schema.migrate(settings.metadata_url or "")
    except (StoreUnusable, Unavailable) as error:
        options.fail(error.with_cause, options.EXIT_STORE)
    click.echo(f"Applied {', '.join(applied)}." if applied else "Nothing to do: the schema is up to date.")
    return 0
