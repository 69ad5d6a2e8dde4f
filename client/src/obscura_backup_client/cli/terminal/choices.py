"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from obscura_backup_client.cli.exits import NotCalibrated

if TYPE_CHECKING:
    from obscura_backup_client.cli.context import CommandContext
    from obscura_backup_client.content.merge import Keep
    from obscura_backup_client.sealing.kdf_parameters import KdfParameters

F = TypeVar("F", bound=Callable[..., Any])

CALIBRATED: Final = "calibrated"

_profile_option = click.option(
    "--profile",
    type=click.Choice(["default", "low-memory", "desktop", CALIBRATED]),
    help="Memory per password guess: 128, 64 or 256 MiB, or what `calibrate` chose.",
)
keep_option = click.option(
    "--keep",
    type=click.Choice(["mine", "theirs"]),
    help="If the backup holds another identity: keep this device's or the backup's. Contacts of both are kept.",
)
rollback_option = click.option(
    "--accept-rollback",
    is_flag=True,
    help="Continue although the server's backup is older than expected, gone or lost.",
)
_weak_option = click.option("--accept-weak", is_flag=True, help="Accept a new password that is easy to guess.")


def push_options(command: F) -> F:
    """Add the options of a command that pushes."""
    for option in (_weak_option, rollback_option, keep_option, _profile_option):
        command = option(command)
    return command


def parameters_of(command: CommandContext, profile: str | None) -> KdfParameters | None:
    """The parameters that `--profile` names; None without the option.

    Raises:
        NotCalibrated: it names the calibrated ones, and there are none.
    """
    from obscura_backup_client.device import calibrated_parameters
    from obscura_backup_client.sealing.kdf_parameters import PROFILES

    if profile != CALIBRATED:
        return None if profile is None else PROFILES[profile]
    found = calibrated_parameters.read(command.local().directory)
    if found is None:
        raise NotCalibrated
    return found


def keep_of(keep: str | None) -> Keep | None:
    """The value of `--keep`; None without the option."""
    from obscura_backup_client.content.merge import Keep

    return None if keep is None else Keep(keep)
