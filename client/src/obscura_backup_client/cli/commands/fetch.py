"""`obscura-client fetch`."""

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


@click.command()
@click.argument("file", metavar="FILE|-", shell_complete=files)
@click.option("--force", is_flag=True, help="Replace an existing file.")
@global_options
@click.pass_context
def fetch(context: click.Context, file: str, *, force: bool) -> None:
    """Write the server's sealed backup to a file, or to standard output for `-`. `inspect` shows what it is.

    Opens nothing, and changes nothing on this device. Needs a token, but no password and no identity. Only this user
    can read the file.
    """
    from obscura_backup_client.operations.export import write_export

    command = CommandContext.of(context)
    to_stdout = file == "-"
    if to_stdout and is_terminal(sys.stdout):
        raise click.UsageError("A sealed backup is not text. Name a file, or redirect standard output.")
    if to_stdout and is_closed(sys.stdout):
        raise OutputLost(OSError(errno.EBADF, "it is closed"))
    client = command.connected()
    fetched = client.fetch_sealed()
    if to_stdout:
        command.progress.clear()
        click.echo(fetched.blob, nl=False)
        return
    target = Path(file).expanduser()
    write_export(target, fetched.blob, overwrite=force, directory=client.directory, random=command.environment.random)
    size = len(fetched.blob)
    facts = {
        "file": file,
        "version": fetched.version,
        "size_bytes": size,
        "updated_at": fetched.updated_at or None,
    }
    command.result(facts, f"Wrote version {fetched.version}, {size} sealed bytes, to {file}.")
