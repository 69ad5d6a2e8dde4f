"""A backup that another program sealed too weakly is sealed again once, and reported."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest

from obscura_backup_client.client import BackupClient
from obscura_backup_client.content.editing import NewContact
from obscura_backup_client.device import calibrated_parameters
from obscura_backup_client.sealing import sealed
from obscura_backup_client.sealing.errors import DifferentKey, RefusedParameters, WeakKey
from obscura_backup_client.sealing.kdf import weakness
from obscura_backup_client.sealing.kdf_parameters import DEFAULT_PROFILE, PROFILES, KdfParameters
from obscura_backup_client.sealing.sealed import open_sealed, read_header
from support.client.contents import BOB
from support.client.devices import KEY, LOW_MEMORY, USER, Device, yes
from support.client.other_program import OTHER_SALT, sealed_by_another_program
from support.client.server_in_memory import ServerInMemory
from support.table import table

PASSWORD = "correct horse battery"
FLOOR_KIB = 64 * 1024
WEAK = KdfParameters(8, 1, 1)
TOO_WEAK = [
    pytest.param(WEAK, id="next to nothing"),
    pytest.param(KdfParameters(FLOOR_KIB - 1, 3, 1), id="a KiB too little"),
    pytest.param(KdfParameters(FLOOR_KIB, 2, 1), id="a pass too few"),
    pytest.param(KdfParameters(FLOOR_KIB, 3, 4), id="four lanes"),
    pytest.param(KdfParameters(2 * FLOOR_KIB, 1, 1), id="much memory and one pass"),
]
GOOD_ENOUGH = [
    pytest.param(LOW_MEMORY, id="the floor"),
    pytest.param(KdfParameters(FLOOR_KIB, 4, 1), id="a pass more"),
    pytest.param(KdfParameters(257 * 1024, 3, 1), id="above the ceiling"),
]


@pytest.fixture(autouse=True)
def derived_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys by a hash: only the parameters and the salt in the header matter here."""

    def hashed(password: bytes, salt: bytes, parameters: KdfParameters) -> bytes:
        return hashlib.sha256(password + salt + str(parameters).encode()).digest()

    monkeypatch.setattr(sealed, "argon2id", hashed)


def parameters_of(server: ServerInMemory) -> KdfParameters:
    return read_header(server.slot.blob or b"").parameters


@pytest.fixture
def pushed(phone: BackupClient) -> BackupClient:
    phone.push(PASSWORD, parameters=LOW_MEMORY)
    return phone


@pytest.mark.parametrize("parameters", TOO_WEAK)
def test_a_push_without_changes_reseals_a_weak_backup_and_reports_it(
    pushed: BackupClient, server: ServerInMemory, parameters: KdfParameters
) -> None:
    sealed_by_another_program(server, PASSWORD, parameters)
    result = pushed.push(PASSWORD)
    assert (result.uploaded, result.resealed_from) == (True, parameters)
    assert parameters_of(server) == DEFAULT_PROFILE
    assert result.key is not None
    assert result.key.parameters == DEFAULT_PROFILE


def test_resealing_uses_the_devices_profile(pushed: BackupClient, server: ServerInMemory) -> None:
    calibrated = KdfParameters(FLOOR_KIB + 1024, 3, 1)
    calibrated_parameters.save(pushed.directory, calibrated_parameters.DeviceProfile(calibrated, milliseconds=700))
    sealed_by_another_program(server, PASSWORD, WEAK)
    pushed.push(PASSWORD)
    assert parameters_of(server) == calibrated


def test_resealing_uses_neither_salt_nor_root_of_the_weak_backup(pushed: BackupClient, server: ServerInMemory) -> None:
    weak_key = sealed_by_another_program(server, PASSWORD, WEAK)
    result = pushed.push(PASSWORD)
    assert result.key is not None
    assert result.key.salt != OTHER_SALT
    assert result.key.root != weak_key.root


def test_resealing_does_not_use_an_earlier_salt(pushed: BackupClient, server: ServerInMemory) -> None:
    before = read_header(server.slot.blob or b"").salt
    sealed_by_another_program(server, PASSWORD, WEAK, salt=before)
    pushed.push(PASSWORD)
    assert read_header(server.slot.blob or b"").salt != before


def test_a_resealed_backup_is_not_resealed_again(pushed: BackupClient, server: ServerInMemory) -> None:
    sealed_by_another_program(server, PASSWORD, WEAK)
    pushed.push(PASSWORD)
    server.calls.clear()
    again = pushed.push(PASSWORD)
    assert (again.uploaded, again.resealed_from, server.calls) == (False, None, ["head"])


def test_a_weak_backup_that_was_not_replaced_is_fetched_again(pushed: BackupClient, server: ServerInMemory) -> None:
    """The push that saw it failed. HEAD then reports the seen backup, which must still be replaced."""
    sealed_by_another_program(server, PASSWORD, WEAK)
    with pytest.raises(RefusedParameters):
        pushed.push(PASSWORD, parameters=KdfParameters(16, 1, 1))
    assert pushed.push(PASSWORD).resealed_from == WEAK


def test_a_restored_weak_backup_is_pending_until_the_next_push(
    pushed: BackupClient, server: ServerInMemory, device: Device
) -> None:
    sealed_by_another_program(server, PASSWORD, WEAK)
    tablet = device("tablet")
    assert tablet.restore(PASSWORD, confirm=yes).pending
    assert tablet.status().weakness
    assert tablet.status().pending
    assert tablet.push(PASSWORD).resealed_from == WEAK
    assert not tablet.status().pending


def test_a_sync_of_a_new_device_reseals_a_weak_backup(
    pushed: BackupClient, server: ServerInMemory, device: Device
) -> None:
    sealed_by_another_program(server, PASSWORD, WEAK)
    assert device("tablet").sync(PASSWORD, confirm=yes).pushed.resealed_from == WEAK


def test_resealing_also_pushes_local_changes(pushed: BackupClient, server: ServerInMemory) -> None:
    sealed_by_another_program(server, PASSWORD, WEAK)
    pushed.put_contacts([NewContact(BOB, "bob")])
    assert pushed.push(PASSWORD).resealed_from == WEAK


@pytest.mark.parametrize("parameters", GOOD_ENOUGH)
def test_a_strong_enough_backup_keeps_its_parameters(
    pushed: BackupClient, server: ServerInMemory, parameters: KdfParameters
) -> None:
    calibrated_parameters.save(
        pushed.directory, calibrated_parameters.DeviceProfile(PROFILES["desktop"], milliseconds=700)
    )
    sealed_by_another_program(server, PASSWORD, parameters)
    result = pushed.push(PASSWORD, confirm_memory=lambda _: True)
    assert (result.uploaded, result.resealed_from) == (False, None)
    assert parameters_of(server) == parameters


def test_two_devices_with_different_profiles_do_not_replace_each_others_backup(
    pushed: BackupClient, server: ServerInMemory, device: Device
) -> None:
    laptop = device("laptop")
    laptop.restore(PASSWORD, confirm=yes)
    for client, profile in ((pushed, "low-memory"), (laptop, "desktop")):
        calibrated_parameters.save(
            client.directory, calibrated_parameters.DeviceProfile(PROFILES[profile], milliseconds=700)
        )
    sealed_by_another_program(server, PASSWORD, WEAK)
    assert laptop.push(PASSWORD).resealed_from == WEAK
    assert [client.push(PASSWORD).uploaded for client in (pushed, laptop, pushed, laptop)] == [False] * 4
    assert parameters_of(server) == PROFILES["desktop"]


def test_each_weak_backup_is_resealed_once(pushed: BackupClient, server: ServerInMemory) -> None:
    for _ in range(3):
        sealed_by_another_program(server, PASSWORD, WEAK)
        assert [pushed.push(PASSWORD).uploaded for _ in range(3)] == [True, False, False]


def test_verifying_reports_weak_sealing_and_changes_nothing(pushed: BackupClient, server: ServerInMemory) -> None:
    assert pushed.verify(PASSWORD).weakness == ""
    sealed_by_another_program(server, PASSWORD, WEAK)
    slot_before = server.slot
    assert pushed.verify(PASSWORD).weakness == "64 MiB of memory is the minimum"
    assert server.slot == slot_before


def test_a_kept_key_that_is_too_weak_asks_for_the_password(pushed: BackupClient, server: ServerInMemory) -> None:
    weak_key = sealed_by_another_program(server, PASSWORD, WEAK)
    with pytest.raises(WeakKey):
        pushed.push(weak_key)
    assert pushed.push(PASSWORD).resealed_from == WEAK


def test_other_parameters_than_those_of_a_kept_key_ask_for_the_password(
    phone: BackupClient, server: ServerInMemory
) -> None:
    phone.push(KEY)
    slot_before, seq = server.slot, phone.directory.read().seq
    with pytest.raises(DifferentKey):
        phone.push(KEY, parameters=PROFILES["desktop"])
    assert (server.slot, phone.directory.read().seq) == (slot_before, seq)


def test_a_seq_is_not_spent_on_parameters_that_are_refused(pushed: BackupClient, server: ServerInMemory) -> None:
    sealed_by_another_program(server, PASSWORD, WEAK)
    seq = pushed.directory.read().seq
    with pytest.raises(RefusedParameters):
        pushed.push(PASSWORD, parameters=WEAK)
    assert pushed.directory.read().seq == seq


def test_an_earlier_state_file_without_parameters_causes_one_fetch(phone: BackupClient, server: ServerInMemory) -> None:
    phone.push(KEY)
    file = phone.directory.path / "state.json"
    document = json.loads(file.read_text())
    del document["remembered"][0]["parameters"]
    file.write_text(json.dumps(document))
    server.calls.clear()
    assert [phone.push(KEY).uploaded for _ in range(2)] == [False, False]
    assert server.calls == ["fetch", "head"]


def test_a_resealed_backup_opens_with_the_same_password(pushed: BackupClient, server: ServerInMemory) -> None:
    sealed_by_another_program(server, PASSWORD, WEAK)
    pushed.push(PASSWORD)
    assert open_sealed(server.slot.blob or b"", PASSWORD, USER).payload


def test_the_same_bytes_are_not_called_weak_after_a_deletion(pushed: BackupClient, server: ServerInMemory) -> None:
    sealed_by_another_program(server, PASSWORD, WEAK)
    pushed.restore(PASSWORD, confirm=yes)
    assert pushed.status().weakness
    pushed.delete(confirm=lambda _: True)
    assert pushed.status().weakness == ""


@table(
    ("parameters", "weak"),
    [
        (KdfParameters(FLOOR_KIB, 3, 1), False),
        (KdfParameters(FLOOR_KIB - 1, 3, 1), True),
        (KdfParameters(FLOOR_KIB, 2, 1), True),
        (KdfParameters(FLOOR_KIB, 3, 2), True),
        (KdfParameters(512 * 1024, 3, 1), False),
        (KdfParameters(FLOOR_KIB, 17, 1), False),
    ],
)
def test_weakness_has_exact_limits(parameters: KdfParameters, *, weak: bool) -> None:
    assert bool(weakness(parameters)) == weak


# --- the same version, and other bytes ---


def test_an_equal_version_with_another_digest_is_fetched(pushed: BackupClient, server: ServerInMemory) -> None:
    """A server that was restored from a copy assigns a version again."""
    sealed_by_another_program(server, PASSWORD, LOW_MEMORY)
    server.slot = replace(server.slot, version=1)
    server.calls.clear()
    assert not pushed.push(PASSWORD).uploaded
    assert server.calls == ["head", "fetch"]
