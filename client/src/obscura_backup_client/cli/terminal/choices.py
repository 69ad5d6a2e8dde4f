"""The options that several commands share, where a person decides something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from obscura_backup_client.cli.exits import NotCalibrated

if TYPE_CHECKING:
    from obscura_backup_client.cli.context import CommandContext
    from obscura_backup_client.content.merge import Keep
    from obscura_backup_client.sealing.kdf_parameters import KdfParameters

CALIBRATED: Final = "calibrated"

profile_option = click.option(
    "--profile",
    type=click.Choice(["default", "low-memory", "desktop", CALIBRATED]),
    help="How hard the password is to guess: 128, 64 or 256 MiB of memory a guess, or what `calibrate` found.",
)
keep_option = click.option(
    "--keep",
    type=click.Choice(["mine", "theirs"]),
    help="Where the backup holds another identity: keep this device's, or the backup's. Contacts of both stay.",
)
rollback_option = click.option(
    "--accept-rollback",
    is_flag=True,
    help="Go on although the server's backup is older than expected, gone or lost; you know why.",
)
weak_option = click.option("--accept-weak", is_flag=True, help="Set a new password although it is easy to guess.")


def parameters_of(command: CommandContext, profile: str | None) -> KdfParameters | None:
    """The parameters that `--profile` names, or None where it was not given.

    Raises:
        NotCalibrated: it names those of this device, and there are none.
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
    """What `--keep` says."""
    from obscura_backup_client.content.merge import Keep

    return None if keep is None else Keep(keep)
