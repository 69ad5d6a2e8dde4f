"""`verify` changes nothing; `sync` fetches, merges and pushes in one call."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from obscura_backup_client.client import BackupClient
from obscura_backup_client.content.editing import NewContact
from obscura_backup_client.content.model import Profile
from obscura_backup_client.operations.changes import changes
from obscura_backup_client.operations.errors import RollbackSuspected
from obscura_backup_client.operations.results import Changes, RestorePreview
from obscura_backup_client.sealing.errors import Damaged
from obscura_backup_client.transport.errors import BackupLost, NotFound
from support.client.contents import ALICE, BOB, NOW_MS, backup, contact, tombstone
from support.client.devices import KEY, Device, names, yes
from support.client.server_in_memory import ServerInMemory


def never(_found: RestorePreview) -> bool:
    raise AssertionError("no question was expected")


def test_a_pushed_backup_is_verified_and_equal(phone: BackupClient) -> None:
    phone.push(KEY)
    found = phone.verify(KEY)
    assert (found.is_ok, found.same_identity, found.incoming, found.outgoing) == (True, True, Changes(), Changes())
    assert (found.found.contact_count, found.found.device_name, found.found) == (1, "phone", found.expected)


def test_the_differences_of_both_sides_are_reported(phone: BackupClient, laptop: BackupClient) -> None:
    laptop.put_contacts([NewContact(BOB, "bob"), NewContact(ALICE, "alice, of old")])
    laptop.push(KEY)
    phone.put_contacts([NewContact(UUID(int=7), "carol"), NewContact(UUID(int=8), "dave")])
    found = phone.verify(KEY)
    assert (found.incoming, found.outgoing) == (Changes(added=1, changed=1), Changes(added=2))


def test_verifying_changes_neither_device_nor_server(
    phone: BackupClient, laptop: BackupClient, server: ServerInMemory
) -> None:
    laptop.put_contacts([NewContact(BOB, "bob")])
    laptop.push(KEY)
    before, slot_before = (phone.directory.path / "state.json").read_bytes(), server.slot
    server.calls.clear()
    phone.verify(KEY)
    assert (phone.directory.path / "state.json").read_bytes() == before
    assert (server.slot, server.calls) == (slot_before, ["fetch"])


def test_verifying_needs_and_creates_no_identity(phone: BackupClient, device: Device) -> None:
    phone.push(KEY)
    found = device("new").verify(KEY)
    assert (found.is_ok, found.expected, found.same_identity, found.incoming) == (True, None, None, None)
    assert not device("new").directory.path.exists()


def test_an_older_backup_is_reported_with_the_expected_one(phone: BackupClient, server: ServerInMemory) -> None:
    phone.push(KEY)
    old = server.slot
    phone.put_contacts([NewContact(BOB, "bob")])
    phone.push(KEY)
    server.slot = replace(old, version=3)
    found = phone.verify(KEY)
    assert (found.is_ok, found.suspicions) == (False, ("older-writers",))
    assert found.expected is not None
    assert (found.expected.contact_count, found.found.contact_count) == (2, 1)


def test_another_identity_is_reported_and_contacts_are_compared(phone: BackupClient, device: Device) -> None:
    phone.push(KEY)
    stranger = device("stranger")
    stranger.create()
    found = stranger.verify(KEY)
    assert (found.is_ok, found.same_identity, found.incoming) == (False, False, Changes(added=1))


def test_a_missing_lost_or_damaged_backup_is_an_error(
    phone: BackupClient, device: Device, server: ServerInMemory
) -> None:
    phone.push(KEY)
    slot = server.slot
    server.slot = replace(slot, blob=(slot.blob or b"")[:-1] + b"!")
    with pytest.raises(Damaged):
        phone.verify(KEY)
    server.lost = True
    with pytest.raises(BackupLost):
        phone.verify(KEY)
    server.slot, server.lost = replace(slot, blob=None), False
    with pytest.raises(RollbackSuspected):
        phone.verify(KEY)
    with pytest.raises(NotFound):
        device("new").verify(KEY)


# --- sync ---


def test_a_sync_pushes_local_and_merges_remote_changes(phone: BackupClient, laptop: BackupClient) -> None:
    laptop.put_contacts([NewContact(BOB, "bob")])
    laptop.sync(KEY, confirm=never)
    phone.put_contacts([NewContact(UUID(int=7), "carol")])
    result = phone.sync(KEY, confirm=never)
    assert (result.restored, result.pushed.uploaded, result.pushed.merged) == (None, True, Changes(added=1))
    assert names(phone) == {"alice", "bob", "carol"}


def test_a_sync_of_a_new_device_restores_and_uploads_nothing(
    phone: BackupClient, device: Device, server: ServerInMemory
) -> None:
    phone.push(KEY)
    result = device("tablet").sync(KEY, confirm=yes, device_name="tablet")
    assert result.restored is not None
    assert (result.restored.new_device, result.pushed.uploaded, server.slot.version) == (True, False, 1)
    assert device("tablet").status().device_name == "tablet"


def test_a_sync_without_identity_and_backup_is_not_found(device: Device) -> None:
    with pytest.raises(NotFound):
        device("tablet").sync(KEY, confirm=never)


# --- changes ---


def test_only_visible_differences_are_changes() -> None:
    before = backup(contact(ALICE, "alice"), contact(BOB, "bob"))
    after = backup(
        contact(UUID(int=1), "carol"), contact(ALICE, "alison"), tombstone(BOB), profile=Profile("x", b"", 1)
    )
    assert changes(before, after) == Changes(added=1, changed=1, removed=1, profile=True)


def test_a_stamp_or_an_unknown_tombstone_is_not_a_change() -> None:
    before = backup(contact(ALICE, stamp_ms=NOW_MS))
    assert not changes(before, backup(contact(ALICE, stamp_ms=NOW_MS + 1), tombstone(BOB)))
