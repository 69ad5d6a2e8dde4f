"""A password change: a fresh salt, the next epoch, and the old password no longer opens the backup."""

from __future__ import annotations

from dataclasses import replace

import pytest

from obscura_backup_client.client import BackupClient
from obscura_backup_client.content.codec import decode
from obscura_backup_client.content.editing import NewContact
from obscura_backup_client.device import calibrated_parameters
from obscura_backup_client.operations.errors import RollbackSuspected
from obscura_backup_client.operations.keys import Purpose
from obscura_backup_client.operations.results import Changes
from obscura_backup_client.sealing.errors import PasswordTooShort, PasswordUnchanged, WrongPassword
from obscura_backup_client.sealing.kdf_parameters import KdfParameters
from obscura_backup_client.sealing.passwords import normalize
from obscura_backup_client.sealing.sealed import SealingKey, open_sealed, read_header
from obscura_backup_client.transport.errors import BackupLost, NotFound, OutcomeUnknown, Unavailable
from support.client.cheap_kdf import cheap_argon2id
from support.client.contents import BOB
from support.client.devices import KEY, LOW_MEMORY, USER, Device, names, yes
from support.client.server_in_memory import ServerInMemory

pytestmark = pytest.mark.usefixtures("cheap_kdf")

OLD, NEW = "correct horse battery", "rusty anvil cloud seven"
SALT = b"old salt--------"
OLD_KEY = SealingKey(LOW_MEMORY, SALT, cheap_argon2id(normalize(OLD), SALT, LOW_MEMORY))
"""The key of the old password, so that most tests need not derive it."""


def key_epoch(server: ServerInMemory, password: str) -> int:
    return decode(open_sealed(server.slot.blob or b"", password, USER).payload).key_epoch


def test_only_the_new_password_opens_after_a_change(phone: BackupClient, server: ServerInMemory) -> None:
    phone.push(OLD_KEY)
    assert phone.change_password(OLD, NEW, parameters=LOW_MEMORY).version == 2
    assert key_epoch(server, NEW) == 2
    assert read_header(server.slot.blob or b"").salt != SALT
    with pytest.raises(WrongPassword):
        open_sealed(server.slot.blob or b"", OLD, USER)


def test_a_change_seals_with_the_calibrated_parameters(phone: BackupClient, server: ServerInMemory) -> None:
    calibrated = KdfParameters(LOW_MEMORY.memory_kib + 1024, 3, 1)
    calibrated_parameters.save(phone.directory, calibrated_parameters.DeviceProfile(calibrated, milliseconds=700))
    phone.push(KEY)
    phone.change_password(KEY, NEW)
    assert read_header(server.slot.blob or b"").parameters == calibrated


def test_a_change_merges_the_backup_of_other_devices(
    phone: BackupClient, laptop: BackupClient, server: ServerInMemory
) -> None:
    laptop.put_contacts([NewContact(BOB, "bob")])
    server.meanwhile.append(lambda: laptop.push(KEY))
    result = phone.change_password(KEY, NEW, parameters=LOW_MEMORY)
    assert (result.version, result.merged) == (3, Changes(added=1))
    assert names(phone) == {"alice", "bob"}
    assert key_epoch(server, NEW) == 2


def test_other_devices_continue_with_the_new_password(phone: BackupClient, laptop: BackupClient) -> None:
    phone.change_password(KEY, NEW, parameters=LOW_MEMORY)
    laptop.put_contacts([NewContact(BOB, "bob")])
    with pytest.raises(WrongPassword):
        laptop.push(OLD)
    assert laptop.push(NEW).uploaded


def test_a_backup_from_before_the_change_is_an_alarm(phone: BackupClient, server: ServerInMemory) -> None:
    phone.push(OLD_KEY)
    old = server.slot
    phone.change_password(OLD_KEY, NEW, parameters=LOW_MEMORY)
    server.slot = replace(old, version=3)
    with pytest.raises(RollbackSuspected) as alarm:
        phone.push(OLD_KEY)
    assert alarm.value.reasons == ("older-writers", "older-password")


def test_changing_back_to_the_old_password_is_a_change(phone: BackupClient, server: ServerInMemory) -> None:
    phone.push(OLD_KEY)
    old = server.slot
    phone.change_password(OLD_KEY, NEW, parameters=LOW_MEMORY)
    server.slot = replace(old, version=3)
    phone.push(OLD_KEY, accept_rollback=True)
    assert key_epoch(server, OLD) == 3


def test_a_mistyped_old_password_changes_nothing(phone: BackupClient, server: ServerInMemory) -> None:
    phone.push(OLD_KEY)
    held, asked = server.slot, list[Purpose]()

    def ask(purpose: Purpose) -> str:
        asked.append(purpose)
        return NEW

    with pytest.raises(WrongPassword):
        phone.change_password("correct horse batter", ask)
    assert (server.slot, asked) == (held, [])


def test_the_same_password_in_another_normal_form_is_unchanged(phone: BackupClient, server: ServerInMemory) -> None:
    phone.push(OLD_KEY)
    with pytest.raises(PasswordUnchanged):
        phone.change_password(OLD, OLD.replace(" ", "\u00a0"))
    assert server.slot.version == 1


def test_a_new_password_must_follow_the_rules(phone: BackupClient, server: ServerInMemory) -> None:
    phone.push(KEY)
    with pytest.raises(PasswordTooShort):
        phone.change_password(KEY, "short")
    assert server.slot.version == 1


def test_a_change_whose_response_was_lost_can_be_repeated(phone: BackupClient, server: ServerInMemory) -> None:
    phone.push(OLD_KEY)
    server.lose_next_answers = 1
    with pytest.raises(OutcomeUnknown):
        phone.change_password(OLD, NEW, parameters=LOW_MEMORY)
    assert not phone.change_password(OLD, NEW, parameters=LOW_MEMORY).uploaded
    assert key_epoch(server, NEW) == 2


def test_a_change_that_did_not_arrive_can_be_repeated(phone: BackupClient, server: ServerInMemory) -> None:
    phone.push(OLD_KEY)

    def unreachable() -> None:
        raise Unavailable("no connection")

    server.meanwhile.append(unreachable)
    with pytest.raises(Unavailable):
        phone.change_password(OLD_KEY, NEW, parameters=LOW_MEMORY)
    assert phone.change_password(OLD_KEY, NEW, parameters=LOW_MEMORY).uploaded


def test_a_change_without_a_backup_is_not_found(phone: BackupClient, server: ServerInMemory) -> None:
    with pytest.raises(NotFound):
        phone.change_password(OLD, NEW)
    phone.push(KEY)
    server.lost = True
    with pytest.raises(BackupLost):
        phone.change_password(KEY, NEW, accept_rollback=True)


def test_a_person_who_mistypes_the_old_one_is_asked_again_although_the_new_one_is_known(phone: BackupClient) -> None:
    phone.push(OLD_KEY)
    answers = ["correct horse batter", OLD]
    assert phone.change_password(lambda _: answers.pop(0), NEW, parameters=LOW_MEMORY).uploaded


# --- asking again ---


def test_a_person_who_mistypes_is_asked_again(phone: BackupClient, device: Device) -> None:
    phone.push(OLD_KEY)
    answers, asked = ["correct horse batter", OLD], list[Purpose]()

    def ask(purpose: Purpose) -> str:
        asked.append(purpose)
        return answers.pop(0)

    device("laptop").restore(ask, confirm=yes)
    assert asked == [Purpose.OPEN, Purpose.RETRY]


def test_the_same_wrong_password_again_ends_the_attempts(phone: BackupClient, device: Device) -> None:
    phone.push(OLD_KEY)
    asked: list[Purpose] = []

    def ask(purpose: Purpose) -> str:
        asked.append(purpose)
        return "correct horse batter"

    with pytest.raises(WrongPassword):
        device("laptop").restore(ask, confirm=yes)
    assert asked == [Purpose.OPEN, Purpose.RETRY]


def test_three_wrong_passwords_end_the_attempts(phone: BackupClient, device: Device) -> None:
    phone.push(OLD_KEY)
    asked: list[Purpose] = []

    def ask(purpose: Purpose) -> str:
        asked.append(purpose)
        return f"wrong answer {len(asked)}"

    with pytest.raises(WrongPassword):
        device("laptop").restore(ask, confirm=yes)
    assert asked == [Purpose.OPEN, Purpose.RETRY, Purpose.RETRY]
