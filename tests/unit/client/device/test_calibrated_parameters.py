from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from obscura_backup_client.client import BackupClient
from obscura_backup_client.device import calibrated_parameters
from obscura_backup_client.device.calibrated_parameters import DeviceProfile, decode_profile, encode_profile
from obscura_backup_client.device.directory import StateDirectory
from obscura_backup_client.device.errors import ProfileDamaged, ProfileNewer, StateMissing, StateUnusable
from obscura_backup_client.sealing.errors import RefusedParameters
from obscura_backup_client.sealing.kdf_parameters import PROFILES, KdfParameters
from support.table import table

PROFILE = DeviceProfile(KdfParameters(160 * 1024, 3, 1), 745)


@pytest.fixture
def directory(tmp_path: Path) -> StateDirectory:
    return StateDirectory(tmp_path / "state", lock_wait_seconds=0.1, sleep=lambda _: None)


def test_there_is_no_calibration_before_it_is_saved(directory: StateDirectory) -> None:
    assert calibrated_parameters.read(directory) is None
    assert not directory.path.exists()


def test_a_saved_calibration_is_read(directory: StateDirectory) -> None:
    calibrated_parameters.save(directory, PROFILE)
    assert calibrated_parameters.read(directory) == PROFILE.parameters
    assert calibrated_parameters.read_profile(directory) == PROFILE


def test_a_calibration_needs_no_identity(directory: StateDirectory) -> None:
    calibrated_parameters.save(directory, PROFILE)
    with pytest.raises(StateMissing):
        directory.read()
    BackupClient(directory).create("phone")
    assert calibrated_parameters.read(directory) == PROFILE.parameters


def test_other_users_cannot_write_the_calibration(directory: StateDirectory) -> None:
    calibrated_parameters.save(directory, PROFILE)
    assert stat.S_IMODE((directory.path / "profile.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.path.stat().st_mode) == 0o700


def test_permissions_of_other_users_are_removed_from_a_calibration(directory: StateDirectory) -> None:
    calibrated_parameters.save(directory, PROFILE)
    (directory.path / "profile.json").chmod(0o666)
    directory.path.chmod(0o777)
    assert not directory.is_writable_by_others()
    calibrated_parameters.read(directory)
    assert stat.S_IMODE((directory.path / "profile.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.path.stat().st_mode) == 0o700


@pytest.mark.parametrize("parameters", [KdfParameters(8, 1, 1), KdfParameters(2**20, 3, 1)], ids=str)
def test_parameters_that_may_not_seal_are_not_saved(directory: StateDirectory, parameters: KdfParameters) -> None:
    with pytest.raises(RefusedParameters):
        calibrated_parameters.save(directory, DeviceProfile(parameters, 1))
    assert not directory.path.exists()


def edited(**changes: Any) -> bytes:
    return json.dumps({**json.loads(encode_profile(PROFILE)), **changes}).encode()


@table(
    "encoded",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        b'{"lanes": 1, ' + encode_profile(PROFILE)[1:],
        b"[" * 4000,
        edited() + b" " * 5000,
        edited(format=0),
        edited(format=True),
        edited(format=1.0),
        edited(format="1"),
        edited(memory_kib=64 * 1024 - 1),
        edited(memory_kib=256 * 1024 + 1),
        edited(memory_kib=None),
        edited(memory_kib=160 * 1024.0),
        edited(passes=2),
        edited(passes=17),
        edited(passes=True),
        edited(lanes=0),
        edited(lanes=2),
        edited(lanes=2**60),
        edited(milliseconds=-1),
        encode_profile(PROFILE)[:-5],
    ],
)
def test_an_invalid_calibration_is_damaged(directory: StateDirectory, encoded: bytes) -> None:
    directory.path.mkdir(exist_ok=True)
    (directory.path / "profile.json").write_bytes(encoded)
    with pytest.raises(ProfileDamaged):
        calibrated_parameters.read(directory)


def test_a_calibration_of_a_later_version_is_its_own_error(tmp_path: Path) -> None:
    with pytest.raises(ProfileNewer) as newer:
        decode_profile(edited(format=2, memory="much"), tmp_path)
    assert newer.value.profile_format == 2


def test_a_damaged_calibration_is_replaced(directory: StateDirectory) -> None:
    directory.path.mkdir()
    (directory.path / "profile.json").write_bytes(b"{")
    calibrated_parameters.save(directory, PROFILE)
    assert calibrated_parameters.read(directory) == PROFILE.parameters


def test_a_directory_in_place_of_the_calibration_is_a_typed_error(directory: StateDirectory) -> None:
    (directory.path / "profile.json").mkdir(parents=True)
    with pytest.raises(StateUnusable):
        calibrated_parameters.read(directory)
    with pytest.raises(StateUnusable):
        calibrated_parameters.save(directory, PROFILE)
    assert [each.name for each in directory.path.iterdir() if each.name.endswith(".new")] == []


def test_every_named_profile_can_be_saved(directory: StateDirectory) -> None:
    for parameters in PROFILES.values():
        calibrated_parameters.save(directory, DeviceProfile(parameters, 1))
        assert calibrated_parameters.read(directory) == parameters


def test_a_calibration_is_saved_as_readable_text() -> None:
    assert encode_profile(PROFILE).decode().split("\n") == [
        "{",
        ' "format": 1,',
        ' "memory_kib": 163840,',
        ' "passes": 3,',
        ' "lanes": 1,',
        ' "milliseconds": 745',
        "}",
        "",
    ]
