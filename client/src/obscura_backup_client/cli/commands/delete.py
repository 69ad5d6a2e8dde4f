"""`obscura-client delete`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from obscura_backup_client.cli.context import CommandContext
from obscura_backup_client.cli.settings import global_options
from obscura_backup_client.cli.terminal.wording import contacts_text

if TYPE_CHECKING:
    from obscura_backup_client.operations.results import DeletionPreview


@click.command()
@global_options
@click.pass_context
def delete(context: click.Context) -> None:
    """Delete the backup from the server.

    Shows the backup and asks for confirmation. This device keeps its data. A later push uploads it again and asks for
    a new password. Other devices report that the backup is gone. Needs no password.
    """
    command = CommandContext.of(context)
    gone = command.connected().delete(confirm=lambda preview: _confirmed(command, preview))
    facts = {"deleted": True, "version": gone.version}
    command.result(facts, f"Deleted version {gone.version} from the server. This device keeps its data.")


def _confirmed(command: CommandContext, preview: DeletionPreview) -> bool:
    size = "its bytes are lost" if preview.size_bytes is None else f"{preview.size_bytes} bytes"
    stored = f", stored {preview.updated_at}" if preview.updated_at else ""
    command.note(f"The server holds version {preview.version} ({size}{stored}).")
    if preview.local_contact_count is None:
        command.note("Warning: there is NO IDENTITY on this device. If no other device has it, it is lost for ever.")
    elif preview.last_seen:
        command.note(f"This device last saw the same version. It keeps {contacts_text(preview.local_contact_count)}.")
    else:
        command.note(
            "Warning: this device has not seen this version. Changes of other devices in it are lost, unless those "
            "devices push again."
        )
    return command.settings.assume_yes or command.environment.ask_yes("Delete this backup from the server?")
