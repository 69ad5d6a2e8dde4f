"""`obscura-client calibrate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from obscura_backup_client.cli.context import CommandContext
from obscura_backup_client.cli.settings import global_options
from obscura_backup_client.cli.terminal.attack_cost import ATTACK_MODEL_NOTE, dollars, parameters_text

if TYPE_CHECKING:
    from obscura_backup_client.sealing.calibration import Calibration, Measurement
    from obscura_backup_client.sealing.kdf_parameters import KdfParameters

DEFAULT_TARGET_MS = 750
# The lower limit is shorter than any device takes for the weakest parameters. Ctrl-C waits for a whole derivation.
SHORTEST_TARGET_MS, LONGEST_TARGET_MS = 50, 10_000
# The accepted range: 0.5 to 1 s around the default, in proportion around other targets.
BELOW, ABOVE = 2 / 3, 4 / 3
FIT_TEXTS = {
    "on-target": "",
    "slower": " These are the weakest parameters allowed; this device needs longer than the target for them.",
    "faster": " These are the strongest parameters allowed; this device needs less than the target for them.",
}


def _max_memory(_context: click.Context, _parameter: click.Parameter, value: int | None) -> int | None:
    if value is not None and value < 64:  # noqa: PLR2004 - as the message says
        raise click.BadParameter("The minimum is 64 MiB: with less memory, passwords would be cheap to guess.")
    if value is not None and value > 256:  # noqa: PLR2004 - as the message says
        raise click.BadParameter("The maximum is 256 MiB: other devices must be able to open the backup.")
    return value


@click.command()
@click.option(
    "--target-ms",
    type=click.IntRange(SHORTEST_TARGET_MS, LONGEST_TARGET_MS),
    default=DEFAULT_TARGET_MS,
    show_default=True,
    help="Target duration of one key derivation, in milliseconds; a third more or less is accepted.",
)
@click.option(
    "--max-memory",
    metavar="MIB",
    type=int,
    callback=_max_memory,
    help="Upper limit of memory, 64 to 256 MiB. [default: 256]",
)
@click.option(
    "--profile",
    type=click.Choice(["default", "low-memory", "desktop"]),
    default="default",
    show_default=True,
    help="Lower limit, however slow this device is: 128, 64 or 256 MiB of memory, and 3 passes.",
)
@global_options
@click.pass_context
def calibrate(context: click.Context, target_ms: int, max_memory: int | None, profile: str) -> None:
    """Find and save the key derivation parameters that take 0.5 to 1 second on this device.

    Each guess at the password costs an attacker as much. A busy machine gets weaker parameters, so calibrate when
    nothing else runs. Parameters below the default need `--profile low-memory`.

    The parameters are used when a password is set or changed on this device, and by `push --profile calibrated`. Needs
    no identity, no server and no password.
    """
    from obscura_backup_client.device import calibrated_parameters
    from obscura_backup_client.device.directory import PROFILE_FILE_NAME
    from obscura_backup_client.sealing.calibration import calibrate as find
    from obscura_backup_client.sealing.errors import KeyDerivationFailed
    from obscura_backup_client.sealing.kdf import SEALING_MAX_MEMORY_KIB
    from obscura_backup_client.sealing.kdf_parameters import PROFILES

    minimum = PROFILES[profile]
    max_memory_kib = SEALING_MAX_MEMORY_KIB if max_memory is None else max_memory * 1024
    if max_memory_kib < minimum.memory_kib:
        raise click.UsageError(
            f"--max-memory {max_memory} is less than the {minimum.memory_kib // 1024} MiB of --profile {profile}. "
            "For less memory use --profile low-memory."
        )
    command = CommandContext.of(context)
    directory = command.local().directory
    # Fails now, and not after seconds, if nothing can be saved there.
    with directory.locked_without_reading():
        pass
    command.note(f"Deriving keys that take up to about {target_ms} ms each:")
    try:
        found = find(
            (target_ms / 1000 * BELOW, target_ms / 1000 * ABOVE),
            minimum=minimum,
            max_memory_kib=max_memory_kib,
            on_measurement=lambda measurement: command.note(_measurement_text(measurement)),
            measure=command.environment.measure,
            load=command.environment.load,
        )
    except KeyDerivationFailed:
        if profile != "low-memory":
            command.note(
                f"This device cannot allocate {minimum.memory_kib // 1024} MiB. --profile low-memory needs 64 MiB."
            )
        raise
    if found.busy:
        command.note(f"Warning: this machine seems busy ({found.busy}). Calibrate again when nothing else runs.")
    milliseconds = round(found.seconds * 1000)
    calibrated_parameters.save(directory, calibrated_parameters.DeviceProfile(found.parameters, milliseconds))
    path = str(directory.path / PROFILE_FILE_NAME)
    command.result(_facts(found, target_ms, path), _text(found, milliseconds, path))


def _text(found: Calibration, milliseconds: int, path: str) -> str:
    from obscura_backup_client.sealing.attack_cost import attack_cost
    from obscura_backup_client.sealing.kdf_parameters import PROFILES

    lines = [f"Chosen: {parameters_text(found.parameters)}, {milliseconds} ms here.{FIT_TEXTS[found.fit.value]}"]
    if found.fit.value == "slower" and not found.busy and found.parameters != PROFILES["low-memory"]:
        lines[0] += " --profile low-memory needs half the memory, but makes a guess four times cheaper."
    if any(measurement.seconds is None for measurement in found.measurements):
        lines[0] += " This device could not allocate more memory."
    lines.append(
        f"10^9 password guesses would cost about {dollars(attack_cost(found.parameters))}: {ATTACK_MODEL_NOTE}."
    )
    lines.append(f"Saved in {path}.")
    return "\n".join(lines)


def _facts(found: Calibration, target_ms: int, path: str) -> dict[str, Any]:
    from obscura_backup_client.sealing.attack_cost import attack_cost

    return {
        **_numbers(found.parameters, found.seconds),
        "target_ms": target_ms,
        "fit": found.fit.value,
        "busy": found.busy or None,
        "ladder": [_numbers(measurement.parameters, measurement.seconds) for measurement in found.measurements],
        "estimated_usd_per_billion_guesses": round(attack_cost(found.parameters), 2),
        "saved": path,
    }


def _numbers(parameters: KdfParameters, seconds: float | None) -> dict[str, Any]:
    return {
        "memory_kib": parameters.memory_kib,
        "passes": parameters.passes,
        "lanes": parameters.lanes,
        "milliseconds": None if seconds is None else round(seconds * 1000),
    }


def _measurement_text(measurement: Measurement) -> str:
    took = "not enough memory" if measurement.seconds is None else f"{round(measurement.seconds * 1000):>6} ms"
    return f"  {parameters_text(measurement.parameters):<20} {took}"
