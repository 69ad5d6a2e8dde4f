"""The command `obscura-backup`."""

from __future__ import annotations

import logging
import sys
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

import click

from obscura_backup import __version__
from obscura_backup.entrypoints.cli import options

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "serve": "serve:serve",
    "token": "issue_token:token",
    "migrate": "migrate:migrate",
    "init-bucket": "init_bucket:init_bucket",
    "doctor": "doctor:doctor",
    "settings": "settings:settings_command",
    "scrub": "scrub:scrub",
    "user": "user:user_commands",
    "reap": "reap:reap",
    "rotate-secret": "rotate_secret:rotate_secret",
    "status": "status:status",
}
"""The module and the name of each command. A command is imported when it is named; `--help` imports all."""


class Commands(click.Group):
    """The group of all commands."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """The names of the commands."""
        return sorted(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, or None."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(f"{__name__}.{module}"), attribute)
        return command


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 success, 1 internal error (a bug), 2 usage or settings, 3 a store or the signing secret "
    "cannot be used, 4 the address is in use, 5 doctor, scrub, status, user or reap found a problem, 130 interrupted. "
    "Each setting can also be an OBSCURA_BACKUP_… variable or a key of the TOML file.",
)
@click.version_option(__version__, prog_name="obscura-backup")
def cli() -> None:
    """The server of an end-to-end encrypted backup; it cannot read what it stores."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and exit with its code. An internal error is logged with its traceback."""
    try:
        code = cli.main(arguments, prog_name="obscura-backup", standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        code = options.EXIT_INTERRUPTED
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except Exception:
        logging.getLogger(__name__).exception("internal error (a bug); please report it")
        code = options.EXIT_INTERNAL_ERROR
    sys.exit(code)
