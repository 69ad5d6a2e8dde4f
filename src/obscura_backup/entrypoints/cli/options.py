"""Shared by the commands: options, settings, exit codes, and errors in one sentence.

Of the libraries, imports only click. A command imports everything else when it runs, so that `--help` is fast.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from obscura_backup.entrypoints.setting_descriptions import described

if TYPE_CHECKING:
    from collections.abc import Callable

    from obscura_backup.entrypoints.settings import Settings

EXIT_INTERNAL_ERROR = 1
EXIT_USAGE = 2
EXIT_STORE = 3
EXIT_ADDRESS = 4
EXIT_FINDINGS = 5
EXIT_INTERRUPTED = 130

_DURATION = re.compile(r"([1-9][0-9]{0,5})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

config_option = click.option(
    "--config", type=click.Path(path_type=Path, dir_okay=False), help="A TOML file of settings."
)
data_dir_option = click.option(
    "--data-dir", type=click.Path(path_type=Path, file_okay=False), help=described("data_dir")
)
metadata_url_option = click.option("--metadata-url", help=described("metadata_url"))
blobs_url_option = click.option("--blobs-url", help=described("blobs_url"))
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per line.")


_SETTINGS_OPTIONS = (
    config_option,
    data_dir_option,
    click.option("--host", help=described("host")),
    click.option("--port", type=int, help=described("port")),
    click.option("--admin-port", type=int, help=described("admin_port")),
    click.option("--workers", type=int, help=described("workers")),
    metadata_url_option,
    blobs_url_option,
    click.option("--log-level", help=described("log_level")),
)


class Duration(click.ParamType[timedelta]):
    """A duration such as 90s, 30m, 1h or 7d."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Parse the value, or fail."""
        if isinstance(value, timedelta):
            return value
        match = _DURATION.fullmatch(str(value))
        if match is None:
            self.fail(f"{value!r} is not a duration such as 90s, 30m, 1h or 7d", param, ctx)
        return timedelta(**{_UNITS[match[2]]: int(match[1])})


def settings_options(command: Callable[..., int]) -> Callable[..., int]:
    """All flags that are settings: those of `serve`."""
    for option in reversed(_SETTINGS_OPTIONS):
        command = option(command)
    return command


class Failure(click.ClickException):
    """An error in one sentence, with its exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click declares it on the class, and reads it from the instance


def fail(why: object, exit_code: int) -> NoReturn:
    """End the command with an error."""
    raise Failure(str(why), exit_code)


def url_of(host: str, port: int) -> str:
    """The address of a listener."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def settings_from(flags: dict[str, Any], config: Path | None) -> Settings:
    """All settings; flags override the other sources. Ends the command if a setting is invalid."""
    return settings_and_origins(flags, config)[0]


def settings_and_origins(flags: dict[str, Any], config: Path | None) -> tuple[Settings, dict[str, str]]:
    """All settings, and the source of each that does not have its default. Ends the command if one is invalid."""
    from obscura_backup.entrypoints.setting_sources import InvalidSettings
    from obscura_backup.entrypoints.settings import load_settings_and_origins  # see above

    try:
        return load_settings_and_origins(flags, config=config)
    except InvalidSettings as error:
        fail(error, EXIT_USAGE)
