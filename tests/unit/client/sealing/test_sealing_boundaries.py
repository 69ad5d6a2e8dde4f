"""Exact limits of sealing, padding and calibration; secrets are not in a repr."""

from __future__ import annotations

import os
from uuid import UUID

import pytest

from obscura_backup_client.operations.keys import Unlocker
from obscura_backup_client.operations.results import Step
from obscura_backup_client.sealing.calibration import _distance
from obscura_backup_client.sealing.errors import PasswordTooShort
from obscura_backup_client.sealing.kdf_parameters import DEFAULT_PROFILE, KdfParameters
from obscura_backup_client.sealing.padding import unpad
from obscura_backup_client.sealing.sealed import MAX_PAYLOAD_BYTES, SealingKey
from support.table import table

KEY = SealingKey(DEFAULT_PROFILE, bytes(16), bytes(32))


def unlocker(secret: str | SealingKey, new_secret: str | None = None) -> Unlocker:
    def default() -> KdfParameters:
        return DEFAULT_PROFILE

    return Unlocker(secret, UUID(int=1), os.urandom, lambda _: None, lambda _: True, default, new_secret)


def test_the_largest_payload_is_what_the_largest_padded_size_below_two_mebibytes_holds() -> None:
    assert MAX_PAYLOAD_BYTES == 2 * 1024 * 1024 - 32 * 1024 - 4


def test_a_plaintext_of_a_length_field_alone_is_an_empty_payload() -> None:
    assert unpad(bytes(4)) == b""


def test_a_plaintext_one_byte_short_of_a_length_field_is_refused() -> None:
    with pytest.raises(ValueError, match="no length field"):
        unpad(bytes(3))


def test_the_target_has_distance_zero() -> None:
    assert _distance(0.7, 0.5, 0.7, 1.0) == (0.0, 0.0)


@table("seconds", [0.5, 1.0])
def test_the_edges_of_the_target_range_are_inside(seconds: float) -> None:
    assert _distance(seconds, 0.5, 0.7, 1.0)[0] == 0.0


@table("seconds", [0.25, 2.0])
def test_a_factor_outside_is_the_same_distance_on_both_sides(seconds: float) -> None:
    assert _distance(seconds, 0.5, 0.7, 1.0)[0] == pytest.approx(0.6931, abs=1e-4)


@table("seconds", [0.35, 1.4])
def test_the_distance_from_the_target_is_logarithmic(seconds: float) -> None:
    assert _distance(seconds, 0.5, 0.7, 1.0)[1] == pytest.approx(0.6931, abs=1e-4)


def test_a_clock_that_stands_still_gives_a_finite_distance() -> None:
    assert _distance(0.0, 0.5, 0.7, 1.0)[0] > 10


def test_an_unlocker_shows_neither_its_password_nor_its_key() -> None:
    shown = repr(unlocker("an old password", "a new password"))
    assert "password" not in shown
    assert "SealingKey" not in repr(unlocker(KEY))


def test_only_a_new_password_changes_the_password() -> None:
    assert unlocker(KEY, "a new password").changes_password_of(KEY)
    assert not unlocker(KEY).changes_password_of(KEY)


@table("secrets", [(b"bytes", None), ("text", b"bytes"), (None, None)])
def test_a_secret_of_a_wrong_type_is_refused_at_once(secrets: tuple[object, object]) -> None:
    with pytest.raises(TypeError, match="a secret is a str"):
        unlocker(*secrets)  # type: ignore[arg-type]


def test_an_unlocker_shows_no_typed_password() -> None:
    typed = unlocker(KEY)
    typed._typed = "a typed password"
    assert "typed password" not in repr(typed)


def test_an_unlocker_shows_no_new_key() -> None:
    changed = unlocker(KEY)
    changed._new_key = KEY
    assert "SealingKey" not in repr(changed)


def test_a_new_password_that_is_refused_is_refused_before_a_derivation_is_announced() -> None:
    steps: list[Step] = []
    asking = unlocker(KEY)
    asking.on_step = steps.append
    with pytest.raises(PasswordTooShort):
        asking._derived("short", None)
    assert steps == []
