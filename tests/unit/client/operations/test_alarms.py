"""What a device does when the server's backup is not the one it remembers, and after it had it deleted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from obscura_backup_client.content.codec import decode
from obscura_backup_client.content.editing import NewContact
from obscura_backup_client.content.errors import IdentityConflict
from obscura_backup_client.device.errors import StateMissing
from obscura_backup_client.operations.errors import NotConfirmed, RollbackSuspected
from obscura_backup_client.operations.results import DeletionPreview, RemoteState
from obscura_backup_client.sealing.errors import Damaged
from obscura_backup_client.sealing.sealed import open_sealed, seal_plaintext
from obscura_backup_client.transport.errors import BackupLost, NotFound, OutcomeUnknown, Unavailable, VersionMismatch
from support.client.contents import BOB
from support.client.devices import KEY, USER, Device, names, yes

if TYPE_CHECKING:
    from obscura_backup_client.client import BackupClient
    from support.client.server_in_memory import ServerInMemory, Slot


# --- alarms ---


def test_an_older_backup_is_an_alarm_and_changes_nothing(phone: BackupClient, server: ServerInMemory) -> None:
    phone.push(KEY)
    old = server.slot
    phone.put_contacts([NewContact(BOB, "bob")])
    phone.push(KEY)
    server.slot = replace(old, version=3)
    before = phone.directory.read()
    with pytest.raises(RollbackSuspected) as alarm:
        phone.push(KEY)
    assert alarm.value.reasons == ("older-writers",)
    assert phone.directory.read() == before


def test_a_push_repairs_an_accepted_rollback(phone: BackupClient, laptop: BackupClient, server: ServerInMemory) -> None:
    old = server.slot
    phone.put_contacts([NewContact(BOB, "bob")])
    phone.push(KEY)
    server.slot = replace(old, version=3)
    assert phone.push(KEY, accept_rollback=True).uploaded
    laptop.push(KEY)
    assert names(laptop) == {"alice", "bob"}


def test_a_fetched_backup_counts_as_seen_even_if_the_push_fails(
    phone: BackupClient, laptop: BackupClient, server: ServerInMemory
) -> None:
    old = server.slot
    laptop.put_contacts([NewContact(BOB, "bob")])
    laptop.push(KEY)
    phone.put_contacts([NewContact(UUID(int=7), "carol")])

    def never_arrives() -> None:
        server.slot = old
        raise OutcomeUnknown("the connection broke")

    server.meanwhile.append(never_arrives)
    with pytest.raises(OutcomeUnknown):
        phone.push(KEY)
    with pytest.raises(RollbackSuspected):
        phone.push(KEY)


def test_a_missing_backup_is_an_alarm(phone: BackupClient, server: ServerInMemory) -> None:
    phone.push(KEY)
    server.delete(1)
    with pytest.raises(RollbackSuspected) as alarm:
        phone.push(KEY)
    assert alarm.value.reasons == ("gone",)


def test_a_push_replaces_a_backup_whose_absence_was_accepted(phone: BackupClient, server: ServerInMemory) -> None:
    phone.push(KEY)
    server.delete(1)
    assert phone.push(KEY, accept_rollback=True).version == 3


def test_a_lost_backup_is_replaced_only_if_accepted(phone: BackupClient, server: ServerInMemory) -> None:
    phone.push(KEY)
    server.lost = True
    with pytest.raises(BackupLost):
        phone.push(KEY)
    assert phone.push(KEY, accept_rollback=True).version == 2


def test_a_restore_of_an_older_backup_is_an_alarm_too(
    phone: BackupClient, laptop: BackupClient, server: ServerInMemory
) -> None:
    old = server.slot
    laptop.put_contacts([NewContact(BOB, "bob")])
    laptop.push(KEY)
    server.slot = old
    with pytest.raises(RollbackSuspected):
        laptop.restore(KEY, confirm=yes)


# --- an accepted rollback ---


@pytest.fixture
def rolled_back(phone: BackupClient, laptop: BackupClient, server: ServerInMemory) -> Slot:
    """Both devices have seen a second version with the same contacts as the first, which the server is back to."""
    old = server.slot
    laptop.put_contacts([NewContact(BOB, "bob")])
    laptop.push(KEY)
    phone.push(KEY)
    # Everything that the older one lacks is a sealing.
    with phone.directory.locked() as held:
        state = held.require()
        contents = decode(open_sealed(old.blob or b"", KEY, USER).payload).contacts
        held.write(replace(state, content=replace(state.content, contacts=contents)))
    server.slot = replace(old, version=3)
    return server.slot


def test_an_accepted_rollback_is_repaired_without_local_changes(
    rolled_back: Slot, phone: BackupClient, laptop: BackupClient
) -> None:
    assert phone.push(KEY, accept_rollback=True).uploaded
    laptop.push(KEY)
    assert not phone.push(KEY).uploaded


def test_the_next_push_repairs_a_rollback_that_a_restore_accepted(
    rolled_back: Slot, phone: BackupClient, laptop: BackupClient
) -> None:
    assert phone.restore(KEY, confirm=yes, accept_rollback=True).pending
    assert phone.status().pending
    assert phone.push(KEY).uploaded
    laptop.push(KEY)


def test_a_push_repairs_an_accepted_fork(phone: BackupClient, laptop: BackupClient, server: ServerInMemory) -> None:
    payload = open_sealed(server.slot.blob or b"", KEY, USER).payload
    plaintext = (len(payload).to_bytes(4, "big") + payload).ljust(16384, b"\0")
    server.slot = replace(server.slot, version=2, blob=seal_plaintext(plaintext, KEY, USER, nonce=b"n" * 12))
    assert phone.push(KEY, accept_rollback=True).uploaded
    laptop.push(KEY)


def test_a_rollback_stays_an_alarm_until_its_repair_is_stored(
    rolled_back: Slot, phone: BackupClient, server: ServerInMemory
) -> None:
    def unreachable() -> None:
        raise Unavailable("no connection")

    server.meanwhile.append(unreachable)
    with pytest.raises(Unavailable):
        phone.push(KEY, accept_rollback=True)
    with pytest.raises(RollbackSuspected):
        phone.push(KEY)


def test_restoring_a_lost_backup_is_its_own_error(phone: BackupClient, server: ServerInMemory) -> None:
    phone.push(KEY)
    server.lost = True
    with pytest.raises(BackupLost):
        phone.restore(KEY, confirm=yes, accept_rollback=True)


# --- deleting ---


def agreed(_doomed: DeletionPreview) -> bool:
    return True


def test_a_deletion_removes_only_the_servers_backup(phone: BackupClient, server: ServerInMemory) -> None:
    phone.push(KEY)
    phone.delete(confirm=agreed)
    assert server.slot.blob is None
    assert names(phone) == {"alice"}


def test_a_deletion_shows_the_backup_first(phone: BackupClient, server: ServerInMemory) -> None:
    phone.push(KEY)
    shown: list[DeletionPreview] = []

    def look_and_decline(preview: DeletionPreview) -> bool:
        shown.append(preview)
        return False

    with pytest.raises(NotConfirmed):
        phone.delete(confirm=look_and_decline)
    assert (shown[0].version, shown[0].last_seen, shown[0].local_contact_count) == (1, True, 1)
    assert server.slot.blob is not None


def test_a_deletion_reports_a_version_that_this_device_has_not_seen(phone: BackupClient, laptop: BackupClient) -> None:
    laptop.put_contacts([NewContact(BOB, "bob")])
    laptop.push(KEY)
    assert not phone.delete(confirm=agreed).last_seen


def test_a_deletion_by_this_device_is_not_an_alarm(phone: BackupClient) -> None:
    phone.push(KEY)
    phone.delete(confirm=agreed)
    assert (phone.status().remote_state, phone.status().pending) == (RemoteState.NONE, True)
    assert phone.push(KEY).version == 3


def test_a_deletion_by_another_device_is_an_alarm(phone: BackupClient, laptop: BackupClient) -> None:
    phone.delete(confirm=agreed)
    with pytest.raises(RollbackSuspected):
        laptop.push(KEY)


def test_after_a_deletion_and_a_push_an_absence_is_an_alarm_again(phone: BackupClient, server: ServerInMemory) -> None:
    phone.push(KEY)
    phone.delete(confirm=agreed)
    phone.push(KEY)
    server.delete(server.slot.version)
    with pytest.raises(RollbackSuspected):
        phone.push(KEY)


def test_after_a_deletion_an_older_backup_is_still_an_alarm(phone: BackupClient, server: ServerInMemory) -> None:
    phone.push(KEY)
    old = server.slot
    phone.put_contacts([NewContact(BOB, "bob")])
    phone.push(KEY)
    phone.delete(confirm=agreed)
    server.slot = old
    with pytest.raises(RollbackSuspected):
        phone.push(KEY)


def test_other_devices_continue_with_the_backup_pushed_after_a_deletion(
    phone: BackupClient, laptop: BackupClient
) -> None:
    phone.delete(confirm=agreed)
    phone.push(KEY)
    assert not laptop.push(KEY).uploaded


def test_a_deletion_whose_response_is_lost_is_not_an_alarm(phone: BackupClient, server: ServerInMemory) -> None:
    phone.push(KEY)
    server.lose_next_answers = 1
    with pytest.raises(OutcomeUnknown):
        phone.delete(confirm=agreed)
    assert phone.push(KEY).version == 3


def test_once_a_backup_is_seen_again_its_absence_is_an_alarm_again(phone: BackupClient, server: ServerInMemory) -> None:
    phone.push(KEY)
    slot = server.slot
    server.lose_next_answers = 1
    with pytest.raises(OutcomeUnknown):
        phone.delete(confirm=agreed)
    server.slot = slot
    assert not phone.push(KEY).uploaded
    server.delete(1)
    with pytest.raises(RollbackSuspected):
        phone.push(KEY)


def test_a_refused_deletion_keeps_the_alarm(phone: BackupClient, server: ServerInMemory) -> None:
    phone.push(KEY)

    def another_device_is_faster(_doomed: DeletionPreview) -> bool:
        server.slot = replace(server.slot, version=2)
        return True

    with pytest.raises(VersionMismatch):
        phone.delete(confirm=another_device_is_faster)
    server.delete(2)
    with pytest.raises(RollbackSuspected):
        phone.push(KEY)


def test_deleting_a_missing_backup_is_not_found(phone: BackupClient) -> None:
    with pytest.raises(NotFound):
        phone.delete(confirm=agreed)


def test_a_device_without_an_identity_can_delete_after_a_warning(
    phone: BackupClient, device: Device, server: ServerInMemory
) -> None:
    phone.push(KEY)
    assert device("new").delete(confirm=agreed).local_contact_count is None
    assert server.slot.blob is None
    with pytest.raises(StateMissing):
        device("new").contacts()


def test_a_damaged_backup_is_deleted_and_pushed_again(phone: BackupClient, server: ServerInMemory) -> None:
    phone.push(KEY)
    server.slot = replace(server.slot, version=2, blob=(server.slot.blob or b"")[:-1] + b"!")
    with pytest.raises(Damaged):
        phone.restore(KEY, confirm=yes)
    phone.delete(confirm=agreed)
    assert phone.push(KEY).uploaded


def test_a_lost_backup_is_deleted_and_pushed_again(phone: BackupClient, server: ServerInMemory) -> None:
    phone.push(KEY)
    server.lost = True
    assert phone.delete(confirm=agreed).size_bytes is None
    server.lost = False
    assert phone.push(KEY).uploaded


def test_deleting_another_identitys_backup_keeps_this_devices(phone: BackupClient, device: Device) -> None:
    phone.push(KEY)
    other = device("other")
    other.create()
    with pytest.raises(IdentityConflict):
        other.push(KEY)
    other.delete(confirm=agreed)
    assert other.push(KEY).uploaded
