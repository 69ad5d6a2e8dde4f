from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

import obscura_backup_client
from obscura_backup_client.client import BackupClient
from obscura_backup_client.content import model
from obscura_backup_client.content.codec import decode
from obscura_backup_client.content.editing import NewContact
from obscura_backup_client.content.errors import TooManyContacts
from obscura_backup_client.operations.results import RemoteState
from obscura_backup_client.sealing.errors import PayloadTooLarge
from obscura_backup_client.sealing.sealed import open_sealed
from obscura_backup_client.transport.errors import TokenUnusable
from support.client.contents import ALICE, BOB
from support.client.devices import KEY, USER, names, yes
from support.client.server_in_memory import ServerInMemory

PASSWORD = "correct horse battery"


# --- too many contacts ---


@pytest.fixture
def two_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "MAX_LIVE_CONTACTS", 2)


@pytest.fixture
def overfull(two_at_most: None, phone: BackupClient, laptop: BackupClient) -> BackupClient:
    """The phone. It and the laptop are within the limit; the merge of both is not."""
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


def test_devices_that_exceed_the_limit_together_lose_no_contact(overfull: BackupClient) -> None:
    assert names(overfull) == {"alice", "bob", "carol"}


def test_beyond_the_limit_contacts_are_still_renamed_and_removed_and_then_pushed(
    overfull: BackupClient, laptop: BackupClient
) -> None:
    overfull.put_contacts([NewContact(ALICE, "alicia")])
    overfull.remove_contact(UUID(int=7))
    assert overfull.push(KEY).uploaded
    laptop.push(KEY)
    assert names(laptop) == {"alicia", "bob"}


def test_a_restore_accepts_more_contacts_than_a_push(
    two_at_most: None, phone: BackupClient, laptop: BackupClient
) -> None:
    phone.put_contacts([NewContact(UUID(int=7), "carol")])
    phone.push(KEY)
    laptop.put_contacts([NewContact(BOB, "bob")])
    laptop.restore(KEY, confirm=yes)
    assert names(laptop) == {"alice", "bob", "carol"}


# --- contacts, status and the rest ---


def test_a_clock_before_1970_does_not_prevent_a_push(phone: BackupClient, server: ServerInMemory) -> None:
    old = replace(phone, now_ms=lambda: -5_000)
    old.put_contacts([NewContact(BOB, "bob")])
    assert old.push(KEY).uploaded
    assert decode(open_sealed(server.slot.blob or b"", KEY, USER).payload).sealed_at_ms == 0


def test_content_over_the_servers_limit_is_not_sealed(phone: BackupClient, server: ServerInMemory) -> None:
    with pytest.raises(PayloadTooLarge):
        replace(phone, max_blob_bytes=16_000).push(KEY)
    assert server.pushed == []


def test_an_import_is_one_write_and_counts_its_changes(phone: BackupClient) -> None:
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


def test_the_status_shows_that_the_backup_is_missing(phone: BackupClient, server: ServerInMemory) -> None:
    phone.push(KEY)
    server.delete(1)
    assert phone.status().remote_state is RemoteState.GONE


def test_the_status_without_a_server_shows_only_this_device(phone: BackupClient) -> None:
    local = replace(phone, transport=None, account=None)
    assert local.status().remote_state is RemoteState.NOT_ASKED


def test_a_push_without_a_token_is_a_token_error(phone: BackupClient) -> None:
    with pytest.raises(TokenUnusable):
        replace(phone, transport=None, account=None).push(KEY)


def test_a_client_without_a_token_opens_without_a_server(tmp_path: Path) -> None:
    client = obscura_backup_client.BackupClient.open(tmp_path / "state")
    client.create("tablet")
    assert client.status().device_name == "tablet"
