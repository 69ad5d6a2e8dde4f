"""Alarms: the server's backup is older than the one that the device last saw, another one, missing or lost."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from obscura_backup_client.content.codec import decode
from obscura_backup_client.content.editing import NewContact
from obscura_backup_client.operations.errors import RollbackSuspected
from obscura_backup_client.sealing.sealed import open_sealed, seal_plaintext
from obscura_backup_client.transport.errors import BackupLost, OutcomeUnknown, Unavailable
from support.client.contents import BOB
from support.client.devices import KEY, USER, names, yes

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
