"""The command `obscura-backup`."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, NoReturn

import click

from obscura_backup import __version__
from obscura_backup.entrypoints.cli import options
from obscura_backup.entrypoints.cli.doctor import doctor
from obscura_backup.entrypoints.cli.issue_token import token
from obscura_backup.entrypoints.cli.migrate import init_bucket, migrate
from obscura_backup.entrypoints.cli.reap import reap
from obscura_backup.entrypoints.cli.scrub import scrub
from obscura_backup.entrypoints.cli.serve import serve
from obscura_backup.entrypoints.cli.settings import settings_command
from obscura_backup.entrypoints.cli.user import user

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 success, 1 internal error (a bug), 2 usage or settings, 3 a store cannot be used, 4 the "
    "address is in use, 5 findings of doctor, scrub, user or reap. Each setting can also be an OBSCURA_BACKUP_… "
    "variable or a key of the TOML file.",
)
@click.version_option(__version__, prog_name="obscura-backup")
def cli() -> None:
    """The server of an end-to-end encrypted backup; it cannot read what it stores."""


for command in (serve, token, migrate, init_bucket, doctor, settings_command, scrub, user, reap):
    cli.add_command(command)


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
