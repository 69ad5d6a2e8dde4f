"""Alarms: the server's backup is older than the one that the device last saw, another one, missing or lost."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from obscura_backup_client.client import BackupClient
from obscura_backup_client.content.codec import decode
from obscura_backup_client.content.editing import NewContact
from obscura_backup_client.operations.errors import RollbackSuspected
from obscura_backup_client.sealing.sealed import open_sealed
from obscura_backup_client.transport.errors import BackupLost, OutcomeUnknown
from support.client.contents import BOB
from support.client.devices import KEY, USER, names, yes
from support.client.server_in_memory import ServerInMemory, Slot

# --- alarms ---


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


def test_a_lost_backup_is_replaced_only_if_accepted(phone: BackupClient, server: ServerInMemory) -> None:
    phone.push(KEY)
    server.lost = True
    with pytest.raises(BackupLost):
        phone.push(KEY)
    assert phone.push(KEY, accept_rollback=True).version == 2


# --- an accepted rollback ---


@pytest.fixture
def rolled_back(phone: BackupClient, laptop: BackupClient, server: ServerInMemory) -> Slot:
    """Both devices saw a second version with the same contacts; the server has the first one again."""
    old = server.slot
    laptop.put_contacts([NewContact(BOB, "bob")])
    laptop.push(KEY)
    phone.push(KEY)
    # The older backup lacks only a sealing, and no contact.
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


def test_restoring_a_lost_backup_is_its_own_error(phone: BackupClient, server: ServerInMemory) -> None:
    phone.push(KEY)
    server.lost = True
    with pytest.raises(BackupLost):
        phone.restore(KEY, confirm=yes, accept_rollback=True)
