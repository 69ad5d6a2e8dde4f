"""Deleting the server's backup, and what the device does afterwards."""

from __future__ import annotations

from dataclasses import replace

import pytest

from obscura_backup_client import Preview
from obscura_backup_client.client import BackupClient
from obscura_backup_client.content.editing import NewContact
from obscura_backup_client.content.errors import IdentityConflict
from obscura_backup_client.device.errors import StateMissing
from obscura_backup_client.operations.errors import NotConfirmed, RollbackSuspected
from obscura_backup_client.operations.results import DeletionPreview, RemoteState
from obscura_backup_client.sealing.errors import Damaged
from obscura_backup_client.transport.errors import NotFound, OutcomeUnknown
from support.client.contents import BOB, NOW_MS
from support.client.devices import ACCOUNT, KEY, Device, names, yes
from support.client.server_in_memory import ServerInMemory


def agreed(_preview: DeletionPreview) -> bool:
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


def test_one_confirm_function_serves_a_restore_and_a_deletion(phone: BackupClient) -> None:
    phone.push(KEY)
    shown = []

    def confirm(found: Preview) -> bool:
        shown.append((found.operation.value, found.version, found.device_name, found.contact_count, found.size_bytes))
        assert (found.sealed_at_ms, found.local_contact_count) == (sealed_at_ms, 1)
        return True

    sealed_at_ms = phone.verify(KEY).found.sealed_at_ms
    phone.restore(KEY, confirm=confirm)
    phone.delete(confirm=confirm)
    restored, deleted = shown
    assert restored[1:] == deleted[1:]
    assert (restored[0], *deleted[:4]) == ("restore", "delete", 1, "phone", 1)


def test_of_an_unseen_version_a_deletion_knows_neither_time_nor_device(
    phone: BackupClient, laptop: BackupClient
) -> None:
    laptop.put_contacts([NewContact(BOB, "bob")])
    laptop.push(KEY)
    found = phone.delete(confirm=agreed)
    assert (found.sealed_at_ms, found.device_name, found.contact_count) == (None, None, None)


def test_a_deletion_records_when_this_device_asked_for_it(phone: BackupClient) -> None:
    phone.push(KEY)
    assert phone.directory.read().last_seen[ACCOUNT].deleted_at_ms is None
    phone.delete(confirm=agreed)
    deleted_at_ms = phone.directory.read().last_seen[ACCOUNT].deleted_at_ms
    assert deleted_at_ms is not None
    assert deleted_at_ms > NOW_MS


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
