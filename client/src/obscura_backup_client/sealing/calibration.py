"""Finding the parameters of Argon2id that take about the right time on a device."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from obscura_backup_client.sealing.errors import KeyDerivationFailed
from obscura_backup_client.sealing.kdf import (
    OPENING_MAX_PASSES,
    SALT_BYTES,
    SEALING_LANES,
    SEALING_MAX_MEMORY_KIB,
    argon2id,
    require_sealable,
)
from obscura_backup_client.sealing.kdf_parameters import DEFAULT_PROFILE, KdfParameters
from obscura_backup_client.sealing.kdf_timing import Timing, load_per_processor, seems_busy, timed

Measure = Callable[[KdfParameters], Timing | float]
"""Runs one derivation and times it; a plain number is seconds, of which nothing else is known."""


def measured(parameters: KdfParameters) -> Timing:
    """Run one derivation of a made-up password, of one lane, and time it."""
    # Loaded before the clock starts, which else shows the loading of the library the first time.
    import argon2.low_level  # noqa: F401 - as said

    return timed(lambda: argon2id(b"calibration", bytes(SALT_BYTES), parameters))


@dataclass(frozen=True, slots=True)
class Rung:
    """One measurement of a calibration; `seconds` is None where the device could not give the memory."""

    parameters: KdfParameters
    seconds: float | None


class Fit(StrEnum):
    """How what was chosen stands to the target; the others but the first are at a limit, or as near as it gets."""

    ON_TARGET = "on-target"
    SLOWER = "slower"
    FASTER = "faster"


@dataclass(frozen=True, slots=True)
class Calibration:
    """What `calibrate` settled on, how many seconds this device took for it, and all measurements in order.

    `busy` says why the machine seemed to be busy with something else, and is empty where it did not. A busy machine
    takes longer, so that less is chosen than it could do: ask the person to calibrate again when it is quiet.
    """

    parameters: KdfParameters
    seconds: float
    fit: Fit
    ladder: tuple[Rung, ...]
    busy: str = ""


CALIBRATION_STEP_KIB: Final = 16 * 1024
# As a rule four are enough: the least, the answer, and the answer again. Slow devices should not be kept for minutes.
CALIBRATION_MAX_MEASUREMENTS: Final = 10


def _tell_nobody(_rung: Rung) -> None:
    """Take no notice."""


def calibrate(
    target_seconds: tuple[float, float] = (0.5, 1.0),
    *,
    least: KdfParameters = DEFAULT_PROFILE,
    max_memory_kib: int = SEALING_MAX_MEMORY_KIB,
    measure: Measure = measured,
    on_rung: Callable[[Rung], None] = _tell_nobody,
    load: Callable[[], float] = load_per_processor,
) -> Calibration:
    """Pick the parameters within the sealing limits whose derivation lasts about the target on this device.

    Memory is what hurts an attacker most, so it grows first, in steps of 16 MiB; passes grow only once memory is at
    its limit. A device that is too slow even for `least` gets `least`: the target is comfort, `least` is safety.
    What is chosen was measured twice, and the shorter time counts: whatever else runs can only add to it.

    Args:
        target_seconds: shortest and longest welcome duration.
        least: what is never gone below, in memory or passes. A device that is slow or busy for good gets less than the
            default only where the person names it: `PROFILES["low-memory"]`.
        max_memory_kib: the most memory to take, from that of `least` to 256 MiB. Where the device cannot give as much,
            less is tried.
        measure: how one derivation is timed; called at most ten times.
        on_rung: told of each measurement.
        load: gives the load of the machine per processor; called once, before the first measurement.

    Raises:
        ValueError: the target is empty or not positive, or the memory is below `least` or above the sealing limits.
        RefusedParameters: `least` is outside the sealing limits.
        KeyDerivationFailed: this device cannot even give the memory of `least`.
    """
    require_sealable(least)
    shortest, longest = target_seconds
    if not 0 < shortest <= longest < math.inf:
        raise ValueError("target_seconds must be (shortest, longest) with 0 < shortest <= longest")
    if not least.memory_kib <= max_memory_kib <= SEALING_MAX_MEMORY_KIB:
        raise ValueError("max_memory_kib must be within the sealing limits, and not below the memory of `least`")
    aim = (shortest + longest) / 2
    times: dict[KdfParameters, list[float]] = {}
    ladder: list[Rung] = []
    timings: list[Timing] = []
    load_before = load()
    wanted = reached = least
    while len(ladder) < CALIBRATION_MAX_MEASUREMENTS and len(times.get(wanted, ())) <= 1:
        timing = _timing(measure, wanted, least)
        ladder.append(Rung(wanted, None if timing is None else timing.seconds))
        on_rung(ladder[-1])
        if timing is None:
            max_memory_kib = max(least.memory_kib, _whole_steps((least.memory_kib + wanted.memory_kib) // 2))
        else:
            timings.append(timing)
            times.setdefault(wanted, []).append(timing.seconds)
            reached = wanted
        best = min(times[reached])
        wanted = reached
        if not shortest <= best <= longest:
            wanted = _rescaled(reached, aim / max(best, 1e-6), least, max_memory_kib)
    chosen, best = min(
        ((parameters, min(each)) for parameters, each in times.items()),
        key=lambda found: (*_distance(found[1], shortest, aim, longest), -found[0].memory_kib * found[0].passes),
    )
    fit = Fit.SLOWER if best > longest else Fit.FASTER if best < shortest else Fit.ON_TARGET
    return Calibration(chosen, best, fit, tuple(ladder), seems_busy(timings, load_before))


def _timing(measure: Measure, parameters: KdfParameters, least: KdfParameters) -> Timing | None:
    try:
        found = measure(parameters)
    except KeyDerivationFailed:
        if parameters.memory_kib <= least.memory_kib:
            raise
        return None
    return found if isinstance(found, Timing) else Timing(found, found)


def _distance(seconds: float, shortest: float, aim: float, longest: float) -> tuple[float, float]:
    """How far outside the welcome range, and how far from its middle, both as logarithms of ratios."""
    seconds = max(seconds, 1e-6)
    outside = max(math.log(shortest / seconds), math.log(seconds / longest), 0.0)
    return outside, abs(math.log(seconds / aim))


def _rescaled(parameters: KdfParameters, factor: float, least: KdfParameters, max_memory_kib: int) -> KdfParameters:
    """Change the work (memory x passes) by about `factor`, memory first, within `least` and the sealing limits."""
    work = parameters.memory_kib * parameters.passes * factor
    memory_kib = _whole_steps(int(work / least.passes))
    memory_kib = min(max(memory_kib, least.memory_kib), max_memory_kib)
    passes = min(max(int(work / memory_kib), least.passes), OPENING_MAX_PASSES)
    return KdfParameters(memory_kib, passes, SEALING_LANES)


def _whole_steps(memory_kib: int) -> int:
    return memory_kib // CALIBRATION_STEP_KIB * CALIBRATION_STEP_KIB
