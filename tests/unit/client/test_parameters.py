from __future__ import annotations

import itertools

import pytest

from client_testing.speeds import steady
from obscura_backup_client.errors import KeyDerivationFailed, RefusedParameters
from obscura_backup_client.parameters import (
    CALIBRATION_MAX_MEASUREMENTS,
    DEFAULT_PROFILE,
    PROFILES,
    Fit,
    KdfParameters,
    Rung,
    argon2id,
    attack_cost,
    attack_cost_is_modelled,
    calibrate,
    measure_seconds,
    require_openable,
    require_sealable,
    search_cost,
)

MIB = 1024


def test_profiles_are_the_published_ones() -> None:
    assert dict(PROFILES) == {
        "default": KdfParameters(128 * MIB, 3, 1),
        "low-memory": KdfParameters(64 * MIB, 3, 1),
        "desktop": KdfParameters(256 * MIB, 3, 1),
    }
    assert PROFILES["default"] == DEFAULT_PROFILE


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES.keys())
def test_every_profile_may_seal_and_opens_unasked(profile: KdfParameters) -> None:
    require_sealable(profile)
    require_openable(profile)


@pytest.mark.parametrize(("memory_kib", "passes"), [(64 * MIB, 3), (64 * MIB, 16), (256 * MIB, 3), (256 * MIB, 16)])
def test_sealing_takes_its_limits(memory_kib: int, passes: int) -> None:
    require_sealable(KdfParameters(memory_kib, passes, 1))


@pytest.mark.parametrize(
    "parameters",
    [
        KdfParameters(64 * MIB - 1, 3, 1),
        KdfParameters(256 * MIB + 1, 3, 1),
        KdfParameters(64 * MIB, 2, 1),
        KdfParameters(64 * MIB, 17, 1),
        KdfParameters(64 * MIB, 3, 0),
        KdfParameters(64 * MIB, 3, 2),
    ],
    ids=str,
)
def test_sealing_refuses_one_beyond_its_limits(parameters: KdfParameters) -> None:
    with pytest.raises(RefusedParameters) as refused:
        require_sealable(parameters)
    assert refused.value.parameters == parameters


@pytest.mark.parametrize(
    "parameters",
    [
        KdfParameters(8, 1, 1),
        KdfParameters(32, 1, 4),
        KdfParameters(64, 16, 1),
        KdfParameters(256 * MIB, 16, 1),
    ],
    ids=str,
)
def test_opening_takes_its_limits_unasked(parameters: KdfParameters) -> None:
    require_openable(parameters)


@pytest.mark.parametrize(
    "parameters",
    [
        KdfParameters(7, 1, 1),
        KdfParameters(31, 1, 4),
        KdfParameters(64, 0, 1),
        KdfParameters(64, 17, 1),
        KdfParameters(64, 1, 0),
        KdfParameters(64, 1, 5),
        KdfParameters(512 * MIB + 1, 1, 1),
        KdfParameters(512 * MIB, 9, 1),
        KdfParameters(262145, 16, 1),
        KdfParameters(2**32 - 1, 2**32 - 1, 255),
    ],
    ids=str,
)
def test_opening_refuses_one_beyond_its_limits_whatever_the_person_says(parameters: KdfParameters) -> None:
    with pytest.raises(RefusedParameters) as refused:
        require_openable(parameters, confirm=lambda _: True)
    assert refused.value.parameters == parameters


def test_opening_above_256_mib_asks_and_takes_no() -> None:
    asked: list[KdfParameters] = []

    def confirm(parameters: KdfParameters) -> bool:
        asked.append(parameters)
        return False

    with pytest.raises(RefusedParameters, match="not agreed to"):
        require_openable(KdfParameters(256 * MIB + 1, 1, 1), confirm=confirm)
    assert asked == [KdfParameters(256 * MIB + 1, 1, 1)]


def test_opening_at_512_mib_goes_on_when_agreed_to() -> None:
    require_openable(KdfParameters(512 * MIB, 8, 4), confirm=lambda _: True)


def test_opening_above_256_mib_is_refused_when_nobody_can_be_asked() -> None:
    with pytest.raises(RefusedParameters, match="not agreed to"):
        require_openable(KdfParameters(512 * MIB, 1, 1))


def test_argon2id_is_the_published_function() -> None:
    """From the reference implementation's own tests: version 0x13, 2 passes, 256 KiB, 1 lane."""
    expected = "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe"
    assert argon2id(b"password", b"somesalt", KdfParameters(256, 2, 1)).hex() == expected


def test_parameters_that_argon2_itself_refuses_are_a_clean_error() -> None:
    with pytest.raises(KeyDerivationFailed) as failed:
        argon2id(b"password", bytes(16), KdfParameters(7, 1, 1))
    assert failed.value.parameters == KdfParameters(7, 1, 1)


def test_measuring_gives_seconds() -> None:
    assert 0 < measure_seconds(KdfParameters(8, 1, 1)) < 5


@pytest.mark.parametrize(
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
    chosen = calibrate(measure=lambda p: p.memory_kib * p.passes * seconds_per_gib_pass / MIB**2)
    assert chosen.parameters == expected
    assert 0.5 <= chosen.seconds <= 1.0
    assert chosen.fit is Fit.ON_TARGET


def test_calibration_never_goes_below_the_floor_on_a_slow_device() -> None:
    chosen = calibrate(measure=lambda _: 30.0)
    assert chosen.parameters == PROFILES["low-memory"]
    assert (chosen.seconds, chosen.fit) == (30.0, Fit.SLOWER)


def test_calibration_never_goes_above_the_ceiling_on_a_fast_device() -> None:
    chosen = calibrate(measure=lambda _: 0.0)
    assert (chosen.parameters, chosen.fit) == (KdfParameters(256 * MIB, 16, 1), Fit.FASTER)


def test_what_calibration_chose_was_measured_twice_and_the_shorter_time_counts() -> None:
    honest, calls = steady(1.0), itertools.count()
    found = calibrate(measure=lambda p: honest(p) * (1.2 if next(calls) % 2 else 1.0))
    times = [rung.seconds for rung in found.ladder if rung.parameters == found.parameters]
    assert len(times) == 2
    assert found.seconds == min(each for each in times if each is not None)


def test_one_slow_moment_does_not_weaken_what_is_chosen() -> None:
    """The second of two measurements shows that the first, four times as long, was an outlier."""
    honest, calls = steady(1.0), itertools.count()
    found = calibrate(measure=lambda p: honest(p) * (4.0 if next(calls) == 1 else 1.0))
    assert found.parameters.memory_kib * found.parameters.passes >= 256 * MIB * 2
    assert found.fit is Fit.ON_TARGET


def test_every_measurement_is_told_as_it_comes() -> None:
    told: list[Rung] = []
    assert calibrate(measure=steady(1.0), on_rung=told.append).ladder == tuple(told)


@pytest.mark.parametrize("max_mib", [64, 96, 100, 256])
def test_calibration_takes_no_more_memory_than_it_may(max_mib: int) -> None:
    found = calibrate(measure=steady(0.5), max_memory_kib=max_mib * MIB)
    assert max(rung.parameters.memory_kib for rung in found.ladder) <= max_mib * MIB
    assert found.parameters.passes > 3


@pytest.mark.parametrize("memory_mib", [64, 70, 100, 200])
def test_a_device_short_of_memory_gets_what_it_can_run(memory_mib: int) -> None:
    found = calibrate(measure=steady(0.5, memory_mib=memory_mib))
    assert found.parameters.memory_kib <= memory_mib * MIB
    assert found.parameters.memory_kib >= memory_mib * MIB // 2
    assert any(rung.seconds is None for rung in found.ladder)
    assert found.fit is Fit.ON_TARGET


def test_a_device_that_cannot_run_the_floor_is_told_so() -> None:
    with pytest.raises(KeyDerivationFailed):
        calibrate(measure=steady(0.5, memory_mib=63))


@pytest.mark.parametrize("max_mib", [0, 63, 257])
def test_calibration_refuses_memory_that_sealing_does_not_take(max_mib: int) -> None:
    with pytest.raises(ValueError, match="max_memory_kib"):
        calibrate(measure=steady(1.0), max_memory_kib=max_mib * MIB)


@pytest.mark.parametrize("measured", [[0.001, 9.0, 0.001, 9.0], [9.0], [0.4, 1.1, 0.4, 1.1], [0.0, 0.0, 0.0, 0.0]])
def test_calibration_ends_within_the_limits_however_the_clock_behaves(measured: list[float]) -> None:
    times = itertools.cycle(measured)
    found = calibrate(measure=lambda _: next(times))
    require_sealable(found.parameters)
    assert len(found.ladder) <= CALIBRATION_MAX_MEASUREMENTS


@pytest.mark.parametrize("target", [(0.0, 1.0), (-1.0, 1.0), (1.0, 0.5), (0.5, float("inf")), (float("nan"), 1.0)])
def test_calibration_refuses_an_impossible_target(target: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="target_seconds"):
        calibrate(target, measure=lambda _: 0.1)


@pytest.mark.parametrize(("memory_mib", "published_usd"), [(64, 125), (128, 490), (256, 1900)])
def test_attack_cost_is_the_published_estimate(memory_mib: int, published_usd: float) -> None:
    assert attack_cost(KdfParameters(memory_mib * MIB, 3, 1)) == pytest.approx(published_usd, rel=0.01)


def test_attack_cost_grows_with_passes() -> None:
    assert attack_cost(KdfParameters(64 * MIB, 6, 1)) == pytest.approx(250)


def test_finding_a_password_takes_half_of_the_guesses_on_average() -> None:
    parameters = KdfParameters(64 * MIB, 3, 1)
    assert search_cost(parameters, 31) == pytest.approx(attack_cost(parameters) * 2**30 / 10**9)


@pytest.mark.parametrize(("memory_mib", "modelled"), [(8, False), (63, False), (64, True), (512, True)])
def test_the_model_is_not_stretched_below_what_it_is_for(memory_mib: int, modelled: bool) -> None:  # noqa: FBT001 - a table
    assert attack_cost_is_modelled(KdfParameters(memory_mib * MIB, 3, 1)) is modelled
