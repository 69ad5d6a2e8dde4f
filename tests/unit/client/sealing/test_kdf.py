from __future__ import annotations

import pytest

from obscura_backup_client.sealing.attack_cost import attack_cost, attack_cost_is_modelled, search_cost
from obscura_backup_client.sealing.errors import KeyDerivationFailed, RefusedParameters
from obscura_backup_client.sealing.kdf import argon2id, require_openable, require_sealable
from obscura_backup_client.sealing.kdf_parameters import DEFAULT_PROFILE, PROFILES, KdfParameters
from support.table import table

MIB = 1024


def test_profiles_are_the_published_ones() -> None:
    assert dict(PROFILES) == {
        "default": KdfParameters(128 * MIB, 3, 1),
        "low-memory": KdfParameters(64 * MIB, 3, 1),
        "desktop": KdfParameters(256 * MIB, 3, 1),
    }
    assert PROFILES["default"] == DEFAULT_PROFILE


@table("profile", PROFILES.values(), ids=PROFILES.keys())
def test_every_profile_may_seal_and_opens_without_asking(profile: KdfParameters) -> None:
    require_sealable(profile)
    require_openable(profile)


def test_parameters_refused_for_sealing_are_in_the_error() -> None:
    with pytest.raises(RefusedParameters) as refused:
        require_sealable(KdfParameters(64 * MIB, 3, 0))
    assert refused.value.parameters == KdfParameters(64 * MIB, 3, 0)


def test_parameters_refused_for_opening_are_in_the_error() -> None:
    with pytest.raises(RefusedParameters) as refused:
        require_openable(KdfParameters(7, 1, 1), confirm=lambda _: True)
    assert refused.value.parameters == KdfParameters(7, 1, 1)


def test_opening_above_256_mib_asks_and_accepts_a_no() -> None:
    asked: list[KdfParameters] = []

    def confirm(parameters: KdfParameters) -> bool:
        asked.append(parameters)
        return False

    with pytest.raises(RefusedParameters, match="not confirmed"):
        require_openable(KdfParameters(256 * MIB + 1, 1, 1), confirm=confirm)
    assert asked == [KdfParameters(256 * MIB + 1, 1, 1)]


def test_opening_above_256_mib_is_refused_without_a_confirmation() -> None:
    with pytest.raises(RefusedParameters, match="not confirmed"):
        require_openable(KdfParameters(512 * MIB, 1, 1))


def test_argon2id_is_the_published_function() -> None:
    """From the reference implementation's own tests: version 0x13, 2 passes, 256 KiB, 1 lane."""
    expected = "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe"
    assert argon2id(b"password", b"somesalt", KdfParameters(256, 2, 1)).hex() == expected


def test_parameters_that_argon2_itself_refuses_are_a_clean_error() -> None:
    with pytest.raises(KeyDerivationFailed) as failed:
        argon2id(b"password", bytes(16), KdfParameters(7, 1, 1))
    assert failed.value.parameters == KdfParameters(7, 1, 1)


@table(("memory_mib", "published_usd"), [(64, 125), (128, 490), (256, 1900)])
def test_attack_cost_is_the_published_estimate(memory_mib: int, published_usd: float) -> None:
    assert attack_cost(KdfParameters(memory_mib * MIB, 3, 1)) == pytest.approx(published_usd, rel=0.01)


def test_attack_cost_grows_with_passes() -> None:
    assert attack_cost(KdfParameters(64 * MIB, 6, 1)) == pytest.approx(250)


def test_finding_a_password_takes_half_of_the_guesses_on_average() -> None:
    parameters = KdfParameters(64 * MIB, 3, 1)
    assert search_cost(parameters, 31) == pytest.approx(attack_cost(parameters) * 2**30 / 10**9)


@table(("memory_mib", "modelled"), [(8, False), (63, False), (64, True), (512, True)])
def test_the_model_has_a_lower_limit(memory_mib: int, modelled: bool) -> None:  # noqa: FBT001 - a table
    assert attack_cost_is_modelled(KdfParameters(memory_mib * MIB, 3, 1)) is modelled
