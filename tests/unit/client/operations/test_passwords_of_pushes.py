from __future__ import annotations

from dataclasses import replace

import pytest

from obscura_backup_client.client import BackupClient
from obscura_backup_client.content.codec import decode
from obscura_backup_client.content.editing import NewContact
from obscura_backup_client.content.errors import IdentityConflict, IdentityReplaced
from obscura_backup_client.content.merge import merge
from obscura_backup_client.operations.keys import Purpose
from obscura_backup_client.operations.results import Step
from obscura_backup_client.sealing.errors import DifferentKey, PasswordTooShort, WrongPassword
from obscura_backup_client.sealing.kdf_parameters import PROFILES, KdfParameters
from obscura_backup_client.sealing.sealed import SealingKey, open_sealed, read_header, seal_plaintext
from support.client.cheap_kdf import cheap_argon2id
from support.client.contents import BOB, NOW_MS
from support.client.devices import KEY, LOW_MEMORY, USER, Device, names, yes
from support.client.server_in_memory import ServerInMemory

pytestmark = pytest.mark.usefixtures("cheap_kdf")

PASSWORD = "correct horse battery"


def test_a_password_opens_what_it_sealed(phone: BackupClient, device: Device) -> None:
    phone.push(PASSWORD, parameters=LOW_MEMORY)
    device("laptop").restore(PASSWORD, confirm=yes)
    assert names(device("laptop")) == {"alice"}


def test_a_mistyped_password_never_replaces_the_backup(phone: BackupClient, server: ServerInMemory) -> None:
    phone.push(PASSWORD, parameters=LOW_MEMORY)
    held = server.slot
    phone.put_contacts([NewContact(BOB, "bob")])
    with pytest.raises(WrongPassword):
        phone.push("correct horse batter")
    assert server.slot == held


def test_a_later_push_derives_once_and_keeps_the_salt(phone: BackupClient, server: ServerInMemory) -> None:
    phone.push(PASSWORD, parameters=LOW_MEMORY)
    salt = read_header(server.slot.blob or b"").salt
    steps: list[Step] = []
    phone.put_contacts([NewContact(BOB, "bob")])
    replace(phone, on_step=steps.append).push(PASSWORD)
    assert read_header(server.slot.blob or b"").salt == salt
    assert steps.count(Step.DERIVING) == 1


def test_stronger_parameters_are_a_reason_to_push(phone: BackupClient, server: ServerInMemory) -> None:
    phone.push(PASSWORD, parameters=LOW_MEMORY)
    wanted = KdfParameters(LOW_MEMORY.memory_kib + 1024, 3, 1)
    assert phone.push(PASSWORD, parameters=wanted).uploaded
    assert read_header(server.slot.blob or b"").parameters == wanted


def test_a_backup_sealed_below_the_minimum_is_resealed_above_it(phone: BackupClient, server: ServerInMemory) -> None:
    weak = KdfParameters(memory_kib=8, passes=1, lanes=1)
    phone.push(KEY)
    payload = open_sealed(server.slot.blob or b"", KEY, USER).payload
    plaintext = (len(payload).to_bytes(4, "big") + payload).ljust(16384, b"\0")
    weak_key = SealingKey(weak, b"w" * 16, cheap_argon2id(PASSWORD.encode(), b"w" * 16, weak))
    weak_blob = seal_plaintext(plaintext, weak_key, USER, nonce=b"n" * 12)
    server.slot = replace(server.slot, blob=weak_blob)
    phone.put_contacts([NewContact(BOB, "bob")])
    phone.push(PASSWORD, accept_rollback=True)
    assert read_header(server.slot.blob or b"").parameters == PROFILES["default"]


def test_a_password_is_asked_for_only_when_it_is_needed(phone: BackupClient) -> None:
    asked: list[Purpose] = []

    def ask(purpose: Purpose) -> str:
        asked.append(purpose)
        return PASSWORD

    phone.push(ask, parameters=LOW_MEMORY)
    phone.push(ask)
    phone.put_contacts([NewContact(BOB, "bob")])
    phone.push(ask)
    assert asked == [Purpose.SET, Purpose.OPEN]


def test_a_short_new_password_is_refused_before_anything_is_sent(phone: BackupClient, server: ServerInMemory) -> None:
    with pytest.raises(PasswordTooShort):
        phone.push("short")
    assert "push" not in server.calls


def test_a_kept_key_of_another_salt_asks_for_the_password(phone: BackupClient) -> None:
    phone.push(KEY)
    phone.put_contacts([NewContact(BOB, "bob")])
    with pytest.raises(DifferentKey):
        phone.push(replace(KEY, salt=b"t" * 16))


def test_each_new_password_is_a_new_epoch(phone: BackupClient, server: ServerInMemory) -> None:
    phone.push(KEY)
    server.delete(1)
    phone.push(KEY, accept_rollback=True)
    assert decode(open_sealed(server.slot.blob or b"", KEY, USER).payload).key_epoch == 2


# --- identities ---


def test_another_identity_is_never_merged_in(phone: BackupClient, device: Device) -> None:
    phone.push(KEY)
    stranger = device("stranger")
    stranger.create()
    with pytest.raises(IdentityConflict):
        stranger.push(KEY)
    with pytest.raises(IdentityConflict):
        stranger.restore(KEY, confirm=yes)


def test_a_confirmed_restore_accepts_a_newer_identity_and_a_push_does_not(
    phone: BackupClient, laptop: BackupClient
) -> None:
    with laptop.directory.locked() as held:
        state = held.require()
        newer = replace(state.content.identity, private_key=b"N" * 32, epoch=2)
        held.write(replace(state, content=merge(state.content, replace(state.content, identity=newer))))
    laptop.push(KEY)
    with pytest.raises(IdentityReplaced):
        phone.push(KEY)
    found = phone.restore(KEY, confirm=yes).found
    assert found.replaces_identity
    assert phone.directory.read().content.identity.epoch == 2
    assert not phone.push(KEY).uploaded


def test_contacts_of_a_fast_clock_are_reported(phone: BackupClient) -> None:
    replace(phone, now_ms=lambda: NOW_MS + 10 * 86_400_000).put_contacts([NewContact(BOB, "bob")])
    assert phone.push(KEY).future_dated == (BOB,)


# --- keys for the platform's key store ---


def test_the_key_of_a_restore_is_enough_for_the_next_push(phone: BackupClient, device: Device) -> None:
    phone.push(PASSWORD, parameters=LOW_MEMORY)
    laptop = device("laptop")
    key = laptop.restore(PASSWORD, confirm=yes).key
    laptop.put_contacts([NewContact(BOB, "bob")])
    assert laptop.push(key).uploaded
    assert "root" not in repr(laptop.push(PASSWORD, accept_rollback=True))


def test_a_push_returns_its_sealing_key(phone: BackupClient) -> None:
    assert phone.push(KEY).key == KEY
    assert phone.push(KEY).key is None


@pytest.mark.parametrize("secret", [None, b"correct horse battery", 7])
def test_a_secret_of_a_wrong_type_is_refused(phone: BackupClient, secret: object) -> None:
    with pytest.raises(TypeError, match="a secret is a str"):
        phone.push(secret)  # type: ignore[arg-type]


def test_a_function_that_returns_no_text_is_refused(phone: BackupClient) -> None:
    with pytest.raises(TypeError, match="gave NoneType"):
        phone.push(lambda _: None)  # type: ignore[arg-type]
