"""The command group: loads each command at its first use, and turns errors into one line and an exit code."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from obscura_backup_client.cli.exits import EPILOG, ExitCode, OutputLost, exit_code
from obscura_backup_client.cli.settings import global_options
from obscura_backup_client.cli.terminal.output import is_lost_output
from obscura_backup_client.errors import ClientError

if TYPE_CHECKING:
    from obscura_backup_client.cli.context import CommandContext

COMMANDS = {
    "new": "Create a new identity on this device.",
    "contact": "Add, rename, remove, list and import contacts on this device.",
    "profile": "Set, show and clear the reference to your profile picture.",
    "push": "Merge with the server's backup, and upload if anything is new.",
    "restore": "Restore identity and contacts to this device.",
    "undo": "Take back the last restore, merge or import.",
    "verify": "Open the server's backup and compare it, without changes.",
    "status": "Compare this device with the server's backup.",
    "passwd": "Change the backup's password.",
    "delete": "Delete the backup from the server.",
    "calibrate": "Choose key derivation parameters for this device.",
    "fetch": "Write the server's sealed backup to a file, unopened.",
    "inspect": "Show the parameters and size of a sealed backup.",
    "export": "Write everything on this device as JSON for other programs.",
    "import": "Merge an exported file into this device.",
    "doctor": "Check clock, token, address, TLS, state and key derivation.",
    "completion": "Print a script that completes commands and options.",
}
"""Each command's line in the help, in the order in which a person needs them. `--help` loads no command."""


class Commands(click.Group):
    """A group that imports a command when it is named."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """The names of the commands."""
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, or None."""
        if cmd_name not in COMMANDS:
            return None
        name = "import_" if cmd_name == "import" else cmd_name
        command: click.Command = getattr(import_module(f"obscura_backup_client.cli.commands.{name}"), name)
        command.short_help = COMMANDS[cmd_name]
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. A failure ends in one line and an exit code, never in a traceback."""
        try:
            return super().invoke(ctx)
        except ClientError as error:
            from obscura_backup_client.cli.terminal.wording import decision_help

            _say(ctx, "\n".join([f"Error: {error} [{error.code}]", *decision_help(error)]))
            ctx.exit(exit_code(error))
        except (KeyboardInterrupt, EOFError, click.Abort):
            _say(ctx, "Interrupted.")
            ctx.exit(ExitCode.INTERRUPTED)
        except (click.ClickException, click.exceptions.Exit, BrokenPipeError):
            raise
        except Exception as error:  # a bug: reported in one line
            if isinstance(error, OSError) and is_lost_output(error):
                _say(ctx, OutputLost.sentence(error))
                ctx.exit(ExitCode.OUTPUT)
            if os.environ.get("OBSCURA_DEBUG") == "1":
                raise
            _say(
                ctx,
                f"This is a bug in obscura-client ({type(error).__name__}). Please report it with the output of "
                "OBSCURA_DEBUG=1, and remove private data from it first.",
            )
            ctx.exit(ExitCode.UNEXPECTED)


@click.command(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=EPILOG,
)
@global_options
@click.version_option(package_name="obscura-backup-client", message="%(prog)s %(version)s")
@click.pass_context
def app(context: click.Context) -> None:
    """Keep an identity and its contacts in an encrypted backup that only your password opens.

    The server can read neither. Results go to standard output, everything else to standard error. The options below
    may also follow the command's name.
    """
    command = _command_context(context)
    command.environment.harden()
    # However a command ends, its progress line is removed.
    context.call_on_close(command.progress.clear)


def _say(context: click.Context, text: str) -> None:
    _command_context(context).note(text)


def _command_context(context: click.Context) -> CommandContext:
    # Imported here so that `--help` does not load it.
    from obscura_backup_client.cli.context import CommandContext

    return CommandContext.of(context)
