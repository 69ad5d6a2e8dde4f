from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

import obscura_backup_client
from client_testing.contents import ALICE, BOB, NOW_MS
from client_testing.devices import KEY, LOW_MEMORY, USER, Device, names, yes
from obscura_backup_client import model
from obscura_backup_client.editing import NewContact
from obscura_backup_client.errors import (
    DifferentKey,
    IdentityConflict,
    IdentityReplaced,
    NotConfirmed,
    PasswordTooShort,
    PayloadTooLarge,
    PushContended,
    TooManyContacts,
    WrongPassword,
)
from obscura_backup_client.merge import merge
from obscura_backup_client.parameters import PROFILES, KdfParameters
from obscura_backup_client.payload import decode
from obscura_backup_client.results import Found, RemoteState, Step
from obscura_backup_client.sealed import SealingKey, open_sealed, read_header, seal_plaintext
from obscura_backup_client.state_errors import StateExists, StateMissing
from obscura_backup_client.transport_errors import NotFound, OutcomeUnknown, TokenUnusable
from obscura_backup_client.unlocking import Purpose

if TYPE_CHECKING:
    from pathlib import Path

    from client_testing.server_in_memory import ServerInMemory
    from obscura_backup_client.sync import BackupClient

PASSWORD = "correct horse battery"


# --- the first push and the first restore ---


def test_a_new_device_gets_identity_and_contacts_back(phone: BackupClient, laptop: BackupClient) -> None:
    assert names(laptop) == {"alice"}
    assert laptop.directory.read().content.identity == phone.directory.read().content.identity


def test_a_new_device_is_another_writer(phone: BackupClient, laptop: BackupClient) -> None:
    assert laptop.directory.read().device_id != phone.directory.read().device_id


def test_what_is_found_is_shown_before_anything_changes(phone: BackupClient, device: Device) -> None:
    phone.push(KEY)
    shown: list[Found] = []

    def look_and_decline(found: Found) -> bool:
        shown.append(found)
        return False

    with pytest.raises(NotConfirmed):
        device("laptop").restore(KEY, confirm=look_and_decline)
    assert (shown[0].device_name, shown[0].contact_count, shown[0].local_contact_count) == ("phone", 1, None)
    assert shown[0].sealed_at_ms > NOW_MS
    with pytest.raises(StateMissing):
        device("laptop").contacts()


def test_restoring_where_nothing_was_pushed_finds_nothing(device: Device) -> None:
    with pytest.raises(NotFound):
        device("laptop").restore(KEY, confirm=yes)


def test_a_restore_does_not_lose_what_is_here_already(phone: BackupClient, laptop: BackupClient) -> None:
    laptop.put_contacts([NewContact(BOB, "bob")])
    result = laptop.restore(KEY, confirm=yes)
    assert names(laptop) == {"alice", "bob"}
    assert (result.new_device, result.pending) == (False, True)


def test_a_new_identity_never_overwrites_one(phone: BackupClient) -> None:
    with pytest.raises(StateExists):
        phone.create()


def test_the_public_key_is_the_private_keys(phone: BackupClient) -> None:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey  # noqa: PLC0415

    identity = phone.directory.read().content.identity
    derived = X25519PrivateKey.from_private_bytes(identity.private_key).public_key().public_bytes_raw()
    assert derived == identity.public_key


# --- passwords and keys ---


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


def test_a_backup_sealed_below_the_floor_is_resealed_above_it(phone: BackupClient, server: ServerInMemory) -> None:
    weak = KdfParameters(memory_kib=8, passes=1, lanes=1)
    phone.push(KEY)
    payload = open_sealed(server.slot.blob or b"", KEY, USER).payload
    plaintext = (len(payload).to_bytes(4, "big") + payload).ljust(16384, b"\0")
    from obscura_backup_client.parameters import argon2id  # noqa: PLC0415

    weak_key = SealingKey(weak, b"w" * 16, argon2id(PASSWORD.encode(), b"w" * 16, weak))
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


# --- pushing what changed ---


def test_a_push_without_changes_uploads_nothing(phone: BackupClient, server: ServerInMemory) -> None:
    assert phone.push(KEY).uploaded
    assert not phone.push(KEY).uploaded
    assert server.calls == ["fetch", "push", "head"]


def test_a_restored_device_has_nothing_to_push(laptop: BackupClient) -> None:
    assert not laptop.push(KEY).uploaded


def test_an_edit_on_each_device_ends_up_on_both(phone: BackupClient, laptop: BackupClient) -> None:
    phone.put_contacts([NewContact(BOB, "bob")])
    laptop.put_contacts([NewContact(UUID(int=7), "carol")])
    phone.push(KEY)
    assert laptop.push(KEY).merged
    phone.push(KEY)
    assert names(phone) == names(laptop) == {"alice", "bob", "carol"}


def test_a_removal_reaches_the_other_device(phone: BackupClient, laptop: BackupClient) -> None:
    laptop.remove_contact(ALICE)
    laptop.push(KEY)
    phone.push(KEY)
    assert names(phone) == set()


def test_a_push_that_only_takes_in_uploads_nothing(
    phone: BackupClient, laptop: BackupClient, server: ServerInMemory
) -> None:
    laptop.put_contacts([NewContact(BOB, "bob")])
    laptop.push(KEY)
    held = server.slot
    result = phone.push(KEY)
    assert (result.uploaded, result.merged, names(phone)) == (False, True, {"alice", "bob"})
    assert server.slot == held


def test_a_device_that_was_faster_is_merged_and_the_push_repeated(
    phone: BackupClient, laptop: BackupClient, server: ServerInMemory
) -> None:
    phone.put_contacts([NewContact(BOB, "bob")])
    laptop.put_contacts([NewContact(UUID(int=7), "carol")])
    server.meanwhile.append(lambda: laptop.push(KEY))
    result = phone.push(KEY)
    assert (result.uploaded, result.version) == (True, 3)
    assert names(phone) == {"alice", "bob", "carol"}


def test_two_first_pushes_of_one_identity_are_merged(
    phone: BackupClient, device: Device, server: ServerInMemory, tmp_path: Path
) -> None:
    shutil.copytree(tmp_path / "phone", tmp_path / "copy")
    copy = device("copy")
    copy.put_contacts([NewContact(BOB, "bob")])
    server.meanwhile.append(lambda: copy.push(KEY))
    phone.push(KEY)
    assert names(phone) == {"alice", "bob"}


def test_endless_contention_is_an_error(phone: BackupClient, laptop: BackupClient, server: ServerInMemory) -> None:
    def interfere() -> None:
        laptop.put_contacts([NewContact(UUID(int=len(server.calls)), "x")])
        laptop.push(KEY)

    phone.put_contacts([NewContact(BOB, "bob")])
    server.meanwhile.extend(each for _ in range(5) for each in (interfere, lambda: None))
    with pytest.raises(PushContended):
        phone.push(KEY)


def test_waits_between_attempts_grow_and_are_jittered(
    phone: BackupClient, laptop: BackupClient, server: ServerInMemory
) -> None:
    waits: list[float] = []
    laptop.put_contacts([NewContact(UUID(int=7), "carol")])
    server.meanwhile.append(lambda: laptop.push(KEY))
    phone.put_contacts([NewContact(BOB, "bob")])
    replace(phone, sleep=waits.append, jitter=lambda: 0.0).push(KEY)
    assert waits == [0.05]


# --- lost answers and seqs ---


def test_after_a_lost_answer_the_next_push_finds_its_own_upload(phone: BackupClient, server: ServerInMemory) -> None:
    server.lose_next_answers = 1
    with pytest.raises(OutcomeUnknown):
        phone.push(KEY)
    result = phone.push(KEY)
    assert (result.uploaded, result.version, server.slot.version) == (False, 1, 1)


def test_a_seq_is_reserved_before_anything_is_sent(phone: BackupClient, server: ServerInMemory) -> None:
    seen: list[int] = []
    server.meanwhile.append(lambda: seen.append(phone.directory.read().seq))
    phone.push(KEY)
    assert seen == [1]


def test_no_seq_is_used_twice_even_after_failures(phone: BackupClient, server: ServerInMemory) -> None:
    server.lose_next_answers = 2
    for name in ("bob", "bobby", "robert"):
        phone.put_contacts([NewContact(BOB, name)])
        try:
            phone.push(KEY)
        except OutcomeUnknown:
            continue
    sealed = [decode(open_sealed(blob, KEY, USER).payload) for blob in server.pushed]
    assert [set(content.vector.values()) for content in sealed] == [{1}, {2}, {3}]


def test_a_copied_state_becomes_another_writer(
    phone: BackupClient, device: Device, server: ServerInMemory, tmp_path: Path
) -> None:
    phone.push(KEY)
    shutil.copytree(tmp_path / "phone", tmp_path / "copy")
    phone.put_contacts([NewContact(BOB, "bob")])
    phone.push(KEY)
    copy = device("copy")
    copy.put_contacts([NewContact(UUID(int=7), "carol")])
    copy.push(KEY)
    assert copy.directory.read().device_id != phone.directory.read().device_id
    assert len(decode(open_sealed(server.slot.blob or b"", KEY, USER).payload).vector) == 2


# --- identities ---


def test_another_identity_is_never_merged_in(phone: BackupClient, device: Device) -> None:
    phone.push(KEY)
    stranger = device("stranger")
    stranger.create()
    with pytest.raises(IdentityConflict):
        stranger.push(KEY)
    with pytest.raises(IdentityConflict):
        stranger.restore(KEY, confirm=yes)


def test_a_newer_identity_is_taken_over_by_a_confirmed_restore_and_not_by_a_push(
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


def test_contacts_of_a_clock_that_runs_ahead_are_told(phone: BackupClient) -> None:
    replace(phone, now_ms=lambda: NOW_MS + 10 * 86_400_000).put_contacts([NewContact(BOB, "bob")])
    assert phone.push(KEY).ahead == (BOB,)


# --- too many contacts ---


@pytest.fixture
def two_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "MAX_CONTACTS", 2)


@pytest.fixture
def overfull(two_at_most: None, phone: BackupClient, laptop: BackupClient) -> BackupClient:
    """The phone, within the limit as the laptop is, and beyond it once it has merged."""
    laptop.put_contacts([NewContact(UUID(int=7), "carol")])
    laptop.push(KEY)
    phone.put_contacts([NewContact(BOB, "bob")])
    with pytest.raises(TooManyContacts):
        phone.push(KEY)
    return phone


def test_contacts_beyond_the_limit_are_not_added(two_at_most: None, phone: BackupClient) -> None:
    with pytest.raises(TooManyContacts) as refused:
        phone.put_contacts([NewContact(BOB, "bob"), NewContact(UUID(int=7), "carol")])
    assert (refused.value.count, refused.value.max_count) == (3, 2)
    assert names(phone) == {"alice"}


def test_devices_that_are_beyond_the_limit_together_lose_nobody(overfull: BackupClient) -> None:
    assert names(overfull) == {"alice", "bob", "carol"}


def test_beyond_the_limit_contacts_are_still_renamed_and_removed_and_then_pushed(
    overfull: BackupClient, laptop: BackupClient
) -> None:
    overfull.put_contacts([NewContact(ALICE, "alicia")])
    overfull.remove_contact(UUID(int=7))
    assert overfull.push(KEY).uploaded
    laptop.push(KEY)
    assert names(laptop) == {"alicia", "bob"}


def test_a_restore_takes_in_more_than_may_be_pushed(
    two_at_most: None, phone: BackupClient, laptop: BackupClient
) -> None:
    phone.put_contacts([NewContact(UUID(int=7), "carol")])
    phone.push(KEY)
    laptop.put_contacts([NewContact(BOB, "bob")])
    laptop.restore(KEY, confirm=yes)
    assert names(laptop) == {"alice", "bob", "carol"}


# --- contacts, status and the rest ---


def test_a_clock_from_before_1970_is_no_reason_not_to_push(phone: BackupClient, server: ServerInMemory) -> None:
    old = replace(phone, now_ms=lambda: -5_000)
    old.put_contacts([NewContact(BOB, "bob")])
    assert old.push(KEY).uploaded
    assert decode(open_sealed(server.slot.blob or b"", KEY, USER).payload).sealed_at_ms == 0


def test_content_that_the_server_would_not_take_is_not_even_sealed(phone: BackupClient, server: ServerInMemory) -> None:
    with pytest.raises(PayloadTooLarge):
        replace(phone, max_blob_bytes=16_000).push(KEY)
    assert server.pushed == []


def test_an_import_is_one_write_and_counts_what_it_did(phone: BackupClient) -> None:
    phone.put_contacts([NewContact(BOB, "bob")])
    result = phone.put_contacts(
        [NewContact(ALICE, "alice"), NewContact(BOB, "bobby")] + [NewContact(UUID(int=n), "n") for n in range(1, 501)]
    )
    assert (result.added, result.changed, result.unchanged) == (500, 1, 1)
    assert len({contact.stamp_ms for contact in phone.contacts()}) == 2


def test_the_status_of_a_device_that_never_pushed(phone: BackupClient) -> None:
    status = phone.status()
    assert (status.contact_count, status.pending, status.remote_state) == (1, True, RemoteState.NONE)


def test_the_status_after_a_push(phone: BackupClient) -> None:
    phone.push(KEY)
    status = phone.status()
    assert (status.pending, status.remote_state) == (False, RemoteState.SAME)


def test_the_status_shows_an_edit_that_was_not_pushed(phone: BackupClient) -> None:
    phone.push(KEY)
    phone.remove_contact(ALICE)
    status = phone.status()
    assert (status.pending, status.contact_count, status.removed_count) == (True, 0, 1)


def test_the_status_shows_that_another_device_pushed(phone: BackupClient, laptop: BackupClient) -> None:
    laptop.put_contacts([NewContact(BOB, "bob")])
    laptop.push(KEY)
    assert phone.status().remote_state is RemoteState.CHANGED


def test_the_status_shows_that_the_backup_is_gone(phone: BackupClient, server: ServerInMemory) -> None:
    phone.push(KEY)
    server.delete(1)
    assert phone.status().remote_state is RemoteState.GONE


def test_without_a_server_the_status_is_this_device_alone(phone: BackupClient) -> None:
    local = replace(phone, transport=None, account=None)
    assert local.status().remote_state is RemoteState.NOT_ASKED


def test_a_push_without_a_token_says_so(phone: BackupClient) -> None:
    with pytest.raises(TokenUnusable):
        replace(phone, transport=None, account=None).push(KEY)


def test_a_client_without_a_token_opens_without_a_server(tmp_path: Path) -> None:
    client = obscura_backup_client.BackupClient.open(tmp_path / "state")
    client.create("tablet")
    assert client.status().device_name == "tablet"
