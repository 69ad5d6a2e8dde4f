"""`obscura-client delete`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from obscura_backup_client.cli.context import Run
from obscura_backup_client.cli.settings import global_options
from obscura_backup_client.cli.terminal.wording import contacts_text

if TYPE_CHECKING:
    from obscura_backup_client.operations.results import Doomed


@click.command()
@global_options
@click.pass_context
def delete(context: click.Context) -> None:
    """Delete the backup from the server.

    Shows what is there and asks first. What is on this device stays; a later push uploads it anew and asks for a new
    password. Other devices are told that the backup is gone. Needs no password.
    """
    run = Run.of(context)
    gone = run.connected().delete(confirm=lambda doomed: _confirmed(run, doomed))
    facts = {"deleted": True, "version": gone.version}
    run.result(facts, f"Deleted version {gone.version} from the server. This device keeps what it has.")


def _confirmed(run: Run, doomed: Doomed) -> bool:
    size = "its bytes are lost" if doomed.size_bytes is None else f"{doomed.size_bytes} bytes"
    stored = f", stored {doomed.updated_at}" if doomed.updated_at else ""
    run.note(f"The server holds version {doomed.version} ({size}{stored}).")
    if doomed.local_contact_count is None:
        run.note("Warning: there is NO IDENTITY on this device. Unless another one has it, nothing of it remains.")
    elif doomed.last_seen:
        run.note(f"It is what this device last saw; {contacts_text(doomed.local_contact_count)} stay on this device.")
    else:
        run.note(
            "Warning: this device has not seen this version. What only another device put there is lost, unless that "
            "one pushes again."
        )
    return run.settings.assume_yes or run.world.ask_yes("Delete this backup from the server?")
