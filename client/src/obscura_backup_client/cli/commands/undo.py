"""`obscura-client undo`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from obscura_backup_client.cli.context import CommandContext
from obscura_backup_client.cli.settings import global_options
from obscura_backup_client.cli.terminal.wording import changes_facts, changes_text, contacts_text, timestamp_text

if TYPE_CHECKING:
    from obscura_backup_client.operations.results import UndoPreview


@click.command()
@global_options
@click.pass_context
def undo(context: click.Context) -> None:
    """Bring back what this device had before its last restore, merge or import.

    Shows what changes, and asks for confirmation. Possible until the next push. Needs no server and no password. The
    server's backup stays as it is: the next push or restore merges it again.
    """
    command = CommandContext.of(context)
    done = command.local().undo(confirm=lambda found: _confirmed(command, found))
    facts = {
        "merged_at": timestamp_text(done.merged_at_ms),
        "contacts": done.contact_count,
        "changes": changes_facts(done.changes),
    }
    command.result(
        facts,
        f"Undone. This device has {contacts_text(done.contact_count)} now. The server's backup did not change: the "
        "next push merges it again.",
    )


def _confirmed(command: CommandContext, found: UndoPreview) -> bool:
    command.note(f"This device last merged something at {timestamp_text(found.merged_at_ms)}.")
    command.note(f"  undo would change   {changes_text(found.changes) or 'nothing'}")
    command.name_changes(found.changes, "  contact by contact")
    command.note(f"  contacts then       {found.contact_count}")
    if found.changes.identity:
        command.note("Warning: this brings back the IDENTITY that this device had before.")
    return command.settings.assume_yes or command.environment.ask_yes("Undo the last restore, merge or import?")
