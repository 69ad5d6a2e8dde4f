"""The command group: loads each command at its first use, and turns errors into one line and an exit code."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

import click

from obscura_backup_client.cli.context import CommandContext
from obscura_backup_client.cli.exits import EPILOG, ExitCode, OutputLost, exit_code
from obscura_backup_client.cli.settings import global_options
from obscura_backup_client.cli.terminal.output import is_lost_output
from obscura_backup_client.cli.terminal.wording import decision_help
from obscura_backup_client.errors import ClientError

COMMANDS = {
    "new": "obscura_backup_client.cli.commands.new:new",
    "contact": "obscura_backup_client.cli.commands.contact:contact",
    "push": "obscura_backup_client.cli.commands.push:push",
    "restore": "obscura_backup_client.cli.commands.restore:restore",
    "verify": "obscura_backup_client.cli.commands.verify:verify",
    "status": "obscura_backup_client.cli.commands.status:status",
    "passwd": "obscura_backup_client.cli.commands.passwd:passwd",
    "delete": "obscura_backup_client.cli.commands.delete:delete",
    "calibrate": "obscura_backup_client.cli.commands.calibrate:calibrate",
    "inspect": "obscura_backup_client.cli.commands.inspect:inspect",
    "export": "obscura_backup_client.cli.commands.export:export",
    "import": "obscura_backup_client.cli.commands.import_:import_",
    "completion": "obscura_backup_client.cli.commands.completion:completion",
}


class Commands(click.Group):
    """A group that imports a command when it is named."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """The names of the commands, in the order in which a person needs them."""
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, or None."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. A failure ends in one line and an exit code, never in a traceback."""
        try:
            return super().invoke(ctx)
        except ClientError as error:
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
    command = CommandContext.of(context)
    command.environment.harden()
    # However a command ends, its progress line is removed.
    context.call_on_close(command.progress.clear)


def _say(context: click.Context, text: str) -> None:
    CommandContext.of(context).note(text)
