"""`obscura-client push`."""

from __future__ import annotations

import click

from obscura_backup_client.cli.run import Run
from obscura_backup_client.cli.settings import global_options
from obscura_backup_client.cli.wording import contacts_text


@click.command(short_help="Merge with the server's backup, and replace it if there is news.")
@click.option(
    "--profile",
    type=click.Choice(["default", "low-memory", "desktop"]),
    help="How hard the password is to guess: 128, 64 or 256 MiB of memory a guess. What is in use otherwise.",
)
@click.option(
    "--accept-rollback",
    is_flag=True,
    help="Go on although the server's backup is older than expected, gone or lost; you know why.",
)
@global_options
@click.pass_context
def push(context: click.Context, profile: str | None, *, accept_rollback: bool) -> None:
    """Merge with the backup on the server, and replace it if there is anything new.

    Asks for the password only if something has to be opened or sealed; twice if that sets it.
    """
    from obscura_backup_client.parameters import PROFILES

    run = Run.of(context)
    parameters = None if profile is None else PROFILES[profile]
    result = run.connected().push(
        run.secret, parameters=parameters, accept_rollback=accept_rollback, confirm_memory=run.confirm_memory
    )
    run.tell_ahead(result.ahead)
    facts = {
        "uploaded": result.uploaded,
        "version": result.version,
        "contacts": result.contact_count,
        "merged": result.merged,
        "size_bytes": result.size_bytes,
    }
    did = "Pushed version" if result.uploaded else "The server has it all in version"
    merged = ", with changes from other devices merged in" if result.merged else ""
    run.result(facts, f"{did} {result.version}: {contacts_text(result.contact_count)}{merged}.")
