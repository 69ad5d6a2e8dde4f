"""`obscura-client completion`."""

from __future__ import annotations

import sys
from typing import Final, Literal

import click

from obscura_backup_client.cli.context import CommandContext
from obscura_backup_client.cli.environment import is_terminal
from obscura_backup_client.cli.settings import global_options

PROGRAM: Final = "obscura-client"
# The environment variable of a completing shell, as click derives it from the program's name.
COMPLETION_VARIABLE: Final = "_OBSCURA_CLIENT_COMPLETE"
COMPLETION_FILES: Final = {
    "bash": "~/.local/share/bash-completion/completions/obscura-client",
    "zsh": '"${fpath[1]}/_obscura-client"',
    "fish": "~/.config/fish/completions/obscura-client.fish",
}


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@global_options
@click.pass_context
def completion(context: click.Context, shell: Literal["bash", "zsh", "fish"]) -> None:
    """Print a script with which a shell completes commands, options and their values.

    The script runs this program each time, so it need not be updated with it.
    """
    from click.shell_completion import get_completion_class

    from obscura_backup_client.cli.app import app

    if is_terminal(sys.stdout):
        CommandContext.of(context).note(f"To install it: {PROGRAM} completion {shell} > {COMPLETION_FILES[shell]}")
    kind: type[click.shell_completion.ShellComplete] = get_completion_class(shell)
    click.echo(kind(app, {}, PROGRAM, COMPLETION_VARIABLE).source(), nl=False)
