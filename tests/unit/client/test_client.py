from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from obscura_backup_client.client import BackupClient
from obscura_backup_client.content.codec import decode
from obscura_backup_client.content.editing import NewContact
from obscura_backup_client.device.errors import StateExists, StateMissing
from obscura_backup_client.operations.errors import NotConfirmed, PushContended
from obscura_backup_client.operations.results import Changes, RestorePreview
from obscura_backup_client.sealing.sealed import open_sealed
from obscura_backup_client.transport.errors import NotFound, OutcomeUnknown
from support.client.contents import ALICE, BOB, NOW_MS
from support.client.devices import KEY, USER, Device, names, yes
from support.client.server_in_memory import ServerInMemory

PASSWORD = "correct horse battery"


# --- the first push and the first restore ---


def test_a_new_device_restores_identity_and_contacts(phone: BackupClient, laptop: BackupClient) -> None:
    assert names(laptop) == {"alice"}
    assert laptop.directory.read().content.identity == phone.directory.read().content.identity


def test_a_new_device_is_another_writer(phone: BackupClient, laptop: BackupClient) -> None:
    assert laptop.directory.read().device_id != phone.directory.read().device_id


def test_a_restore_shows_the_backup_before_anything_changes(phone: BackupClient, device: Device) -> None:
    phone.push(KEY)
    shown: list[RestorePreview] = []

    def look_and_decline(found: RestorePreview) -> bool:
        shown.append(found)
        return False

    with pytest.raises(NotConfirmed):
        device("laptop").restore(KEY, confirm=look_and_decline)
    assert (shown[0].device_name, shown[0].contact_count, shown[0].local_contact_count) == ("phone", 1, None)
    assert shown[0].sealed_at_ms > NOW_MS
    with pytest.raises(StateMissing):
        device("laptop").contacts()


def test_restoring_a_missing_backup_is_not_found(device: Device) -> None:
    with pytest.raises(NotFound):
        device("laptop").restore(KEY, confirm=yes)


def test_a_restore_keeps_local_contacts(phone: BackupClient, laptop: BackupClient) -> None:
    laptop.put_contacts([NewContact(BOB, "bob")])
    result = laptop.restore(KEY, confirm=yes)
    assert names(laptop) == {"alice", "bob"}
    assert (result.new_device, result.pending) == (False, True)


def test_a_new_identity_never_overwrites_one(phone: BackupClient) -> None:
    with pytest.raises(StateExists):
        phone.create()


def test_the_public_key_belongs_to_the_private_key(phone: BackupClient) -> None:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey  # noqa: PLC0415

    identity = phone.directory.read().content.identity
    derived = X25519PrivateKey.from_private_bytes(identity.private_key).public_key().public_bytes_raw()
    assert derived == identity.public_key


# --- pushing what changed ---


def test_a_push_without_changes_uploads_nothing(phone: BackupClient, server: ServerInMemory) -> None:
    assert phone.push(KEY).uploaded
    assert not phone.push(KEY).uploaded
    assert server.calls == ["fetch", "push", "head"]


def test_a_restored_device_has_nothing_to_push(laptop: BackupClient) -> None:
    assert not laptop.push(KEY).uploaded


def test_an_edit_on_each_device_reaches_both(phone: BackupClient, laptop: BackupClient) -> None:
    phone.put_contacts([NewContact(BOB, "bob")])
    laptop.put_contacts([NewContact(UUID(int=7), "carol")])
    phone.push(KEY)
    assert laptop.push(KEY).merged == Changes(added=1)
    phone.push(KEY)
    assert names(phone) == names(laptop) == {"alice", "bob", "carol"}


def test_a_removal_reaches_the_other_device(phone: BackupClient, laptop: BackupClient) -> None:
    laptop.remove_contact(ALICE)
    laptop.push(KEY)
    phone.push(KEY)
    assert names(phone) == set()


def test_a_push_with_only_remote_changes_uploads_nothing(
    phone: BackupClient, laptop: BackupClient, server: ServerInMemory
) -> None:
    laptop.put_contacts([NewContact(BOB, "bob")])
    laptop.push(KEY)
    slot_before = server.slot
    result = phone.push(KEY)
    assert (result.uploaded, result.merged, names(phone)) == (False, Changes(added=1), {"alice", "bob"})
    assert server.slot == slot_before


def test_a_push_after_a_conflict_merges_and_tries_again(
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


@pytest.mark.parametrize(("jitter", "share"), [(0.0, 0.5), (0.5, 1.0), (1.0, 1.5)])
def test_waits_between_attempts_double_and_are_jittered(
    phone: BackupClient, laptop: BackupClient, server: ServerInMemory, jitter: float, share: float
) -> None:
    waits: list[float] = []

    def interfere() -> None:
        laptop.put_contacts([NewContact(UUID(int=len(server.calls)), "x")])
        laptop.push(KEY)

    server.meanwhile.extend(each for _ in range(3) for each in (interfere, lambda: None))
    phone.put_contacts([NewContact(BOB, "bob")])
    replace(phone, sleep=waits.append, jitter=lambda: jitter).push(KEY)
    assert waits == pytest.approx([0.1 * share, 0.2 * share, 0.4 * share])


# --- lost answers and seqs ---


def test_after_a_lost_response_the_next_push_finds_its_own_upload(phone: BackupClient, server: ServerInMemory) -> None:
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
