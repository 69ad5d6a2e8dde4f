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
# Shorter than any device takes for the floor; and longer than anybody waits, be it only for Ctrl-C to arrive.
SHORTEST_TARGET_MS, LONGEST_TARGET_MS = 50, 10_000
# 0.5 to 1 s around the default, and in proportion around others.
BELOW, ABOVE = 2 / 3, 4 / 3
FIT_TEXTS = {
    "on-target": "",
    "slower": " This device takes longer than the target even for the least that it may use, and that is what it gets.",
    "faster": " This is the most that it may use, and takes less than the target.",
}


def _max_memory(_context: click.Context, _parameter: click.Parameter, value: int | None) -> int | None:
    if value is not None and value < 64:  # noqa: PLR2004 - as the message says
        raise click.BadParameter("64 MiB is the least that a backup is sealed with: less would be cheap to guess.")
    if value is not None and value > 256:  # noqa: PLR2004 - as the message says
        raise click.BadParameter("256 MiB is the most that a backup is sealed with: other devices must open it, too.")
    return value


@click.command(short_help="Find how hard to guess this device can make the password.")
@click.option(
    "--target-ms",
    type=click.IntRange(SHORTEST_TARGET_MS, LONGEST_TARGET_MS),
    default=DEFAULT_TARGET_MS,
    show_default=True,
    help="How long one derivation should take here, in milliseconds; a third more or less is fine.",
)
@click.option(
    "--max-memory",
    metavar="MIB",
    type=int,
    callback=_max_memory,
    help="The most memory that it may take, 64 to 256 MiB; 256 otherwise.",
)
@click.option(
    "--profile",
    type=click.Choice(["default", "low-memory", "desktop"]),
    default="default",
    show_default=True,
    help="The least to choose, however slow this device is: 128, 64 or 256 MiB of memory and 3 passes.",
)
@global_options
@click.pass_context
def calibrate(context: click.Context, target_ms: int, max_memory: int | None, profile: str) -> None:
    """Find the key derivation parameters that take 0.5 to 1 second on this device, and keep them for it.

    A busy machine takes longer, and less is chosen then: calibrate when nothing else runs. Less than the default is
    only chosen where you ask for it by `--profile low-memory`.

    Every guess at the password costs a thief as much. They are used the next time that a password is set or changed
    here, and by `push --profile calibrated`. Needs no identity, no server and no password.
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
            "If this device needs less, say so with --profile low-memory."
        )
    command = CommandContext.of(context)
    directory = command.local().directory
    # Looked at before it takes seconds: a place that nothing can be kept in.
    with directory.locked_without_reading():
        pass
    command.note(f"Deriving keys, some of which take about {target_ms} ms:")
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
                f"This device cannot give {minimum.memory_kib // 1024} MiB. --profile low-memory takes 64 MiB."
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
        lines[0] += " --profile low-memory takes half the memory, and makes a guess four times cheaper."
    if any(measurement.seconds is None for measurement in found.measurements):
        lines[0] += " More memory was not to be had."
    lines.append(
        f"10^9 guesses at a password would cost about {dollars(attack_cost(found.parameters))}: {ATTACK_MODEL_NOTE}."
    )
    lines.append(f"Kept in {path}.")
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
