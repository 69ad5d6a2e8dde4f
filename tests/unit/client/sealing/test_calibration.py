from __future__ import annotations

import itertools
import time

import pytest

from obscura_backup_client.sealing.calibration import (
    CALIBRATION_MAX_MEASUREMENTS,
    Fit,
    Measure,
    Measurement,
    calibrate,
    measure_derivation,
)
from obscura_backup_client.sealing.errors import KeyDerivationFailed, RefusedParameters
from obscura_backup_client.sealing.kdf import require_sealable
from obscura_backup_client.sealing.kdf_parameters import DEFAULT_PROFILE, PROFILES, KdfParameters
from obscura_backup_client.sealing.kdf_timing import Timing, busy_reason, load_per_processor, time_call
from support.client.speeds import steady
from support.table import table

MIB = 1024
LOW_MEMORY = PROFILES["low-memory"]


def test_a_measurement_has_clock_and_processor_seconds() -> None:
    found = measure_derivation(KdfParameters(8, 1, 1))
    assert 0 < found.seconds < 5
    assert 0 < found.processor_seconds <= found.seconds + 0.1


@table(
    ("seconds_per_gib_pass", "expected"),
    [
        (1.0, KdfParameters(256 * MIB, 3, 1)),
        (2.0, KdfParameters(128 * MIB, 3, 1)),
        (4.0, KdfParameters(64 * MIB, 3, 1)),
        (0.2, KdfParameters(256 * MIB, 14, 1)),
    ],
)
def test_calibration_finds_the_target_on_devices_of_any_speed(
    seconds_per_gib_pass: float, expected: KdfParameters
) -> None:
    chosen = calibrate(measure=steady(seconds_per_gib_pass), minimum=LOW_MEMORY)
    assert chosen.parameters == expected
    assert 0.5 <= chosen.seconds <= 1.0
    assert chosen.fit is Fit.ON_TARGET


@table("measure", [lambda _: 30.0, steady(4.0), steady(2.6)])
def test_calibration_never_goes_below_the_default_on_a_slow_device(measure: Measure) -> None:
    chosen = calibrate(measure=measure)
    assert chosen.parameters == DEFAULT_PROFILE
    assert {measurement.parameters for measurement in chosen.measurements} == {DEFAULT_PROFILE}
    assert chosen.fit is (Fit.SLOWER if chosen.seconds > 1.0 else Fit.ON_TARGET)


@table("name", PROFILES)
def test_calibration_never_goes_below_the_profile_that_is_named(name: str) -> None:
    chosen = calibrate(measure=lambda _: 30.0, minimum=PROFILES[name])
    assert (chosen.parameters, chosen.seconds, chosen.fit) == (PROFILES[name], 30.0, Fit.SLOWER)


@table("passes", [3, 5, 16])
def test_calibration_never_goes_below_the_passes_that_are_named(passes: int) -> None:
    minimum = KdfParameters(100 * MIB, passes, 1)
    chosen = calibrate(measure=lambda p: 9.0 if p == minimum else 0.001, minimum=minimum).parameters
    assert chosen.memory_kib >= 100 * MIB
    assert chosen.passes >= passes


@table("minimum", [KdfParameters(63 * MIB, 3, 1), KdfParameters(64 * MIB, 2, 1)])
def test_parameters_below_the_sealing_minimum_cannot_be_named(minimum: KdfParameters) -> None:
    with pytest.raises(RefusedParameters):
        calibrate(measure=steady(1.0), minimum=minimum)


def test_calibration_never_goes_above_the_ceiling_on_a_fast_device() -> None:
    chosen = calibrate(measure=lambda _: 0.0)
    assert (chosen.parameters, chosen.fit) == (KdfParameters(256 * MIB, 16, 1), Fit.FASTER)


def test_the_choice_is_measured_twice_and_the_shorter_time_counts() -> None:
    honest, calls = steady(1.0), itertools.count()
    found = calibrate(measure=lambda p: honest(p) * (1.2 if next(calls) % 2 else 1.0))
    times = [measurement.seconds for measurement in found.measurements if measurement.parameters == found.parameters]
    assert len(times) == 2
    assert found.seconds == min(each for each in times if each is not None)


def test_one_slow_measurement_does_not_weaken_the_choice() -> None:
    """The second of two measurements shows that the first, four times as long, was an outlier."""
    honest, calls = steady(1.0), itertools.count()
    found = calibrate(measure=lambda p: honest(p) * (4.0 if next(calls) == 1 else 1.0))
    assert found.parameters.memory_kib * found.parameters.passes >= 256 * MIB * 2
    assert found.fit is Fit.ON_TARGET


def test_every_measurement_is_reported_at_once() -> None:
    told: list[Measurement] = []
    assert calibrate(measure=steady(1.0), on_measurement=told.append).measurements == tuple(told)


@table("max_mib", [64, 96, 100, 256])
def test_calibration_stays_within_its_memory_limit(max_mib: int) -> None:
    found = calibrate(measure=steady(0.5), max_memory_kib=max_mib * MIB, minimum=LOW_MEMORY)
    assert max(measurement.parameters.memory_kib for measurement in found.measurements) <= max_mib * MIB
    assert found.parameters.passes > 3


@table("memory_mib", [64, 70, 100, 200])
def test_a_device_short_of_memory_gets_parameters_that_it_can_run(memory_mib: int) -> None:
    found = calibrate(measure=steady(0.5, memory_mib=memory_mib), minimum=LOW_MEMORY)
    assert found.parameters.memory_kib <= memory_mib * MIB
    assert found.parameters.memory_kib >= memory_mib * MIB // 2
    assert any(measurement.seconds is None for measurement in found.measurements)
    assert found.fit is Fit.ON_TARGET


@table(("minimum", "memory_mib"), [(LOW_MEMORY, 63), (DEFAULT_PROFILE, 127)])
def test_a_device_that_cannot_run_the_minimum_is_an_error(minimum: KdfParameters, memory_mib: int) -> None:
    with pytest.raises(KeyDerivationFailed):
        calibrate(measure=steady(0.5, memory_mib=memory_mib), minimum=minimum)


@table("max_mib", [0, 63, 127, 257])
def test_calibration_refuses_memory_that_sealing_does_not_take(max_mib: int) -> None:
    with pytest.raises(ValueError, match="max_memory_kib"):
        calibrate(measure=steady(1.0), max_memory_kib=max_mib * MIB)


@table("measured", [[0.001, 9.0, 0.001, 9.0], [9.0], [0.4, 1.1, 0.4, 1.1], [0.0, 0.0, 0.0, 0.0]])
def test_calibration_stays_within_limits_with_any_clock(measured: list[float]) -> None:
    times = itertools.cycle(measured)
    found = calibrate(measure=lambda _: next(times), minimum=LOW_MEMORY)
    require_sealable(found.parameters)
    assert len(found.measurements) <= CALIBRATION_MAX_MEASUREMENTS


@table("target", [(0.0, 1.0), (-1.0, 1.0), (1.0, 0.5), (0.5, float("inf")), (float("nan"), 1.0)])
def test_calibration_refuses_an_impossible_target(target: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="target_seconds"):
        calibrate(target, measure=lambda _: 0.1)


# --- a busy machine ---


def shared(share: float) -> Measure:
    """A fast device whose derivations get this share of the processor."""
    locked_without_reading = steady(1.0)

    def measure(parameters: KdfParameters) -> Timing:
        seconds = locked_without_reading(parameters)
        return Timing(seconds / share, seconds)

    return measure


def test_a_shared_machine_seems_busy_and_gets_at_least_the_default() -> None:
    found = calibrate(measure=shared(0.2), load=lambda: 0.0)
    assert found.parameters == DEFAULT_PROFILE
    assert found.busy == "the derivations had a processor for only 20% of their time"


def test_a_machine_that_was_loaded_before_seems_busy() -> None:
    """If another program uses memory bandwidth, a derivation still gets its processor all the time."""
    assert calibrate(measure=shared(1.0), load=lambda: 1.5).busy == "1.5 other programs per processor were running"


def test_a_quiet_machine_does_not_seem_busy() -> None:
    assert calibrate(measure=shared(0.98), load=lambda: 0.2).busy == ""


def test_the_load_is_read_before_the_measurements_add_to_it() -> None:
    order: list[str] = []

    def measure(parameters: KdfParameters) -> float:
        order.append("measured")
        return 0.75

    def load() -> float:
        order.append("load")
        return 0.0

    calibrate(measure=measure, load=load)
    assert order.index("load") == 0
    assert order.count("load") == 1


@table(("share", "load", "busy"), [(0.9, 0.7, False), (0.89, 0.7, True), (0.9, 0.71, True), (1.0, 0.0, False)])
def test_busyness_has_exact_limits(share: float, load: float, *, busy: bool) -> None:
    assert bool(busy_reason([Timing(100.0, share * 100)], load)) == busy


def test_no_measurement_gives_no_reason() -> None:
    assert busy_reason([], 0.0) == busy_reason([Timing(0.0, 0.0)], 0.0) == ""


def test_waiting_is_not_processor_time() -> None:
    """While a thread waits, another program may use the processor."""
    waited = time_call(lambda: time.sleep(0.2))
    assert waited.seconds >= 0.2
    assert waited.processor_seconds < 0.1


def test_the_load_is_the_systems_load_per_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getloadavg", lambda: (6.0, 0.0, 0.0))
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 3}, raising=False)
    assert load_per_processor() == 3.0


def test_a_system_without_a_load_is_handled(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> tuple[float, float, float]:
        raise OSError

    monkeypatch.setattr("os.getloadavg", unknown)
    assert load_per_processor() == 0.0
