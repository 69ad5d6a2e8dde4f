"""`obscura-client export`."""

from __future__ import annotations

import errno
import sys
from pathlib import Path

import click

from obscura_backup_client.cli.context import CommandContext
from obscura_backup_client.cli.environment import is_terminal
from obscura_backup_client.cli.exits import OutputLost
from obscura_backup_client.cli.settings import global_options, is_closed
from obscura_backup_client.cli.terminal.completion_values import files
from obscura_backup_client.cli.terminal.wording import contacts_text


@click.command()
@click.argument("file", metavar="[FILE|-]", default="-", shell_complete=files)
@click.option("--force", is_flag=True, help="Replace an existing file.")
@click.option("--without-identity", is_flag=True, help="Leave out the identity with its private key.")
@global_options
@click.pass_context
def export(context: click.Context, file: str, *, force: bool, without_identity: bool) -> None:
    """Write everything on this device as JSON for other programs, NOT ENCRYPTED.

    Only this user can read the file. `import` reads it back; the client's README describes the format.
    """
    from obscura_backup_client.operations.export import write_export

    command = CommandContext.of(context)
    client = command.local()
    exported = client.export_payload(with_identity=not without_identity)
    if file == "-":
        if not without_identity and is_terminal(sys.stdout):
            command.note("Warning: this shows the PRIVATE KEY of your identity, unencrypted.")
        if is_closed(sys.stdout):
            # Other commands ignore a closed standard output; here the output is the purpose of the command.
            raise OutputLost(OSError(errno.EBADF, "it is closed"))
        click.echo(exported, nl=False)
        return
    target = Path(file).expanduser()
    write_export(target, exported, overwrite=force, directory=client.directory, random=command.environment.random)
    count = len(client.contacts())
    facts = {"file": file, "contacts": count, "identity": not without_identity}
    content = "without the identity" if without_identity else "with the PRIVATE KEY of your identity, unencrypted"
    command.result(facts, f"Exported {contacts_text(count)} to {file}, {content}.")
