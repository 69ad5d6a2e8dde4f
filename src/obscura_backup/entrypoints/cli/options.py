"""Shared by the commands: options, settings, exit codes, and errors in one sentence.

Imports only click. A command imports everything else when it runs, so that `--help` is fast.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from obscura_backup.entrypoints.settings import Settings

EXIT_INTERNAL_ERROR = 1
EXIT_USAGE = 2
EXIT_STORE = 3
EXIT_ADDRESS = 4
EXIT_FINDINGS = 5
EXIT_INTERRUPTED = 130

config_option = click.option(
    "--config", type=click.Path(path_type=Path, dir_okay=False), help="A TOML file of settings."
)
data_dir_option = click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Directory of the embedded stores and the signing secret.",
)
metadata_url_option = click.option(
    "--metadata-url", help="sqlite:///PATH, postgresql://… or memory:. Default: a file in the data directory."
)
blobs_url_option = click.option(
    "--blobs-url", help="file:///DIR, s3://BUCKET?… or memory:. Default: a folder in the data directory."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per line.")


class Failure(click.ClickException):
    """An error in one sentence, with its exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click declares it on the class, and reads it from the instance


def fail(why: object, exit_code: int) -> NoReturn:
    """End the command with an error."""
    raise Failure(str(why), exit_code)


def settings_from(flags: dict[str, Any], config: Path | None) -> Settings:
    """All settings; flags override the other sources. Ends the command if a setting is invalid."""
    from obscura_backup.entrypoints.settings import InvalidSettings, load_settings  # see above

    try:
        return load_settings(flags, config=config)
    except InvalidSettings as error:
        fail(error, EXIT_USAGE)
