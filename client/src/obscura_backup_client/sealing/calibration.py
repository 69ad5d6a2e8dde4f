"""Choosing Argon2id parameters that take about the target time on a device."""

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
from obscura_backup_client.sealing.kdf_timing import Timing, busy_reason, load_per_processor, time_call

Measure = Callable[[KdfParameters], Timing | float]
"""Runs and times one derivation; a plain number means seconds of wall-clock time only."""


def measure_derivation(parameters: KdfParameters) -> Timing:
    """Run and time one derivation of a fixed password, with one lane."""
    # Imported before the clock starts, so that the import is not measured.
    import argon2.low_level  # noqa: F401 - imported for its effect

    return time_call(lambda: argon2id(b"calibration", bytes(SALT_BYTES), parameters))


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measurement; `seconds` is None if the device could not allocate the memory."""

    parameters: KdfParameters
    seconds: float | None


class Fit(StrEnum):
    """How the chosen parameters compare with the target. `SLOWER` and `FASTER` are as close as the limits allow."""

    ON_TARGET = "on-target"
    SLOWER = "slower"
    FASTER = "faster"


@dataclass(frozen=True, slots=True)
class Calibration:
    """The result of a calibration.

    Attributes:
        parameters: the chosen ones.
        seconds: how long one derivation with them takes on this device.
        fit: how that compares with the target.
        measurements: all measurements, in order.
        busy: why the machine seemed busy; empty if it did not. A busy machine gets weaker parameters: ask the person
            to calibrate again later.
    """

    parameters: KdfParameters
    seconds: float
    fit: Fit
    measurements: tuple[Measurement, ...]
    busy: str = ""


CALIBRATION_STEP_KIB: Final = 16 * 1024
# Usually four are enough: the minimum, then the result twice. The limit keeps slow devices from taking minutes.
CALIBRATION_MAX_MEASUREMENTS: Final = 10


def _ignore_measurement(_rung: Measurement) -> None:
    """Ignore the measurement."""


def calibrate(
    target_seconds: tuple[float, float] = (0.5, 1.0),
    *,
    minimum: KdfParameters = DEFAULT_PROFILE,
    max_memory_kib: int = SEALING_MAX_MEMORY_KIB,
    measure: Measure = measure_derivation,
    on_measurement: Callable[[Measurement], None] = _ignore_measurement,
    load: Callable[[], float] = load_per_processor,
) -> Calibration:
    """Choose parameters within the sealing limits whose derivation takes about the target time on this device.

    Memory costs an attacker most, so it grows first, in steps of 16 MiB. Passes grow only when memory is at its limit.
    A device that is too slow for `minimum` still gets `minimum`: the target is for comfort, the minimum for safety.
    The chosen parameters were measured twice, and the shorter time counts: other programs can only add to it.

    Args:
        target_seconds: shortest and longest acceptable duration.
        minimum: the lower limit of memory and passes. A slow device gets less than the default only if the person
            chooses it: `PROFILES["low-memory"]`.
        max_memory_kib: the upper limit of memory, from the minimum's to 256 MiB. If the device cannot allocate it,
            less is tried.
        measure: times one derivation; called at most ten times.
        on_measurement: called with each measurement.
        load: returns the load of the machine per processor; called once, before the first measurement.

    Raises:
        ValueError: the target is empty or not positive, or the memory is below `minimum` or above the sealing limits.
        RefusedParameters: `minimum` is outside the sealing limits.
        KeyDerivationFailed: this device cannot allocate the memory of `minimum`.
    """
    require_sealable(minimum)
    shortest, longest = target_seconds
    if not 0 < shortest <= longest < math.inf:
        raise ValueError("target_seconds must be (shortest, longest) with 0 < shortest <= longest")
    if not minimum.memory_kib <= max_memory_kib <= SEALING_MAX_MEMORY_KIB:
        raise ValueError("max_memory_kib must be within the sealing limits, and not below the memory of `minimum`")
    aim = (shortest + longest) / 2
    times: dict[KdfParameters, list[float]] = {}
    measurements: list[Measurement] = []
    timings: list[Timing] = []
    load_before = load()
    wanted = reached = minimum
    while len(measurements) < CALIBRATION_MAX_MEASUREMENTS and len(times.get(wanted, ())) <= 1:
        timing = _timing(measure, wanted, minimum)
        measurements.append(Measurement(wanted, None if timing is None else timing.seconds))
        on_measurement(measurements[-1])
        if timing is None:
            max_memory_kib = max(minimum.memory_kib, _whole_steps((minimum.memory_kib + wanted.memory_kib) // 2))
        else:
            timings.append(timing)
            times.setdefault(wanted, []).append(timing.seconds)
            reached = wanted
        best = min(times[reached])
        wanted = reached
        if not shortest <= best <= longest:
            wanted = _rescaled(reached, aim / max(best, 1e-6), minimum, max_memory_kib)
    chosen, best = min(
        ((parameters, min(each)) for parameters, each in times.items()),
        key=lambda found: (*_distance(found[1], shortest, aim, longest), -found[0].memory_kib * found[0].passes),
    )
    fit = Fit.SLOWER if best > longest else Fit.FASTER if best < shortest else Fit.ON_TARGET
    return Calibration(chosen, best, fit, tuple(measurements), busy_reason(timings, load_before))


def _timing(measure: Measure, parameters: KdfParameters, minimum: KdfParameters) -> Timing | None:
    try:
        found = measure(parameters)
    except KeyDerivationFailed:
        if parameters.memory_kib <= minimum.memory_kib:
            raise
        return None
    return found if isinstance(found, Timing) else Timing(found, found)


def _distance(seconds: float, shortest: float, aim: float, longest: float) -> tuple[float, float]:
    """The distance from the accepted range, and from its middle, both as logarithms of ratios."""
    seconds = max(seconds, 1e-6)
    outside = max(math.log(shortest / seconds), math.log(seconds / longest), 0.0)
    return outside, abs(math.log(seconds / aim))


def _rescaled(parameters: KdfParameters, factor: float, minimum: KdfParameters, max_memory_kib: int) -> KdfParameters:
    """Change the work (memory x passes) by about `factor`, memory first, within `minimum` and the sealing limits."""
    work = parameters.memory_kib * parameters.passes * factor
    memory_kib = _whole_steps(int(work / minimum.passes))
    memory_kib = min(max(memory_kib, minimum.memory_kib), max_memory_kib)
    passes = min(max(int(work / memory_kib), minimum.passes), OPENING_MAX_PASSES)
    return KdfParameters(memory_kib, passes, SEALING_LANES)


def _whole_steps(memory_kib: int) -> int:
    return memory_kib // CALIBRATION_STEP_KIB * CALIBRATION_STEP_KIB
