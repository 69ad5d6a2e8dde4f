from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from hypothesis import given

from obscura_backup_client.content.codec import decode, encode
from obscura_backup_client.content.editing import (
    EditedContacts,
    NewContact,
    edit_contacts,
)
from obscura_backup_client.content.merge import future_dated_contacts, merge, replaces_identity
from obscura_backup_client.content.model import Backup
from support.client.contents import (
    ALICE,
    BOB,
    IDENTITY,
    NOW_MS,
    backup,
    backups,
    contact,
    tombstone,
)
from support.table import table

DAY_MS = 24 * 60 * 60 * 1000


@given(backups(), backups())
def test_merging_is_commutative(one: Backup, other: Backup) -> None:
    assert encode(merge(one, other)) == encode(merge(other, one))


@given(backups(), backups(), backups())
def test_merging_is_associative(one: Backup, two: Backup, three: Backup) -> None:
    assert encode(merge(merge(one, two), three)) == encode(merge(one, merge(two, three)))


@given(backups(), backups())
def test_merging_is_idempotent(one: Backup, other: Backup) -> None:
    merged = merge(one, other)
    assert merge(one, one) == one
    assert merge(merged, one) == merged
    assert merge(merged, other) == merged


@given(backups(), backups())
def test_a_merge_keeps_every_known_entry(one: Backup, other: Backup) -> None:
    wanted = {entry.user_id for entry in (*one.contacts, *other.contacts)}
    assert {entry.user_id for entry in merge(one, other).contacts} == wanted


@given(backups(), backups())
def test_a_merge_drops_a_contact_only_for_a_later_removal(one: Backup, other: Backup) -> None:
    merged = {entry.user_id: entry for entry in merge(one, other).contacts}
    for entry in (*one.live_contacts, *other.live_contacts):
        kept = merged[entry.user_id]
        assert kept.stamp_ms >= entry.stamp_ms
        if kept.removed:
            # A later tombstone of a device; at the same stamp the live contact stays.
            assert kept in (*one.contacts, *other.contacts)
            assert kept.stamp_ms > entry.stamp_ms


def test_a_newer_identity_wins_and_is_announced() -> None:
    newer = backup(identity=replace(IDENTITY, private_key=b"N" * 32, epoch=2))
    assert merge(backup(), newer).identity.epoch == 2
    assert replaces_identity(local=backup(), remote=newer)
    assert not replaces_identity(local=newer, remote=backup())


def test_stamps_over_a_day_ahead_are_reported_and_kept() -> None:
    fine, wrong = contact(ALICE, stamp_ms=NOW_MS + DAY_MS), contact(BOB, stamp_ms=NOW_MS + DAY_MS + 1)
    merged = merge(backup(fine), backup(wrong))
    assert future_dated_contacts(merged, NOW_MS) == (wrong,)


@table("sealed_before", [False, True])
def test_an_edit_counts_each_contact_once_and_a_removed_one_as_added(*, sealed_before: bool) -> None:
    original = backup(contact(ALICE, stamp_ms=1), tombstone(BOB))
    if sealed_before:
        original = decode(encode(original))
    carol, dave = UUID(int=1), UUID(int=2)
    wanted = [(ALICE, "alice"), (BOB, "bob"), (BOB, "bobby"), (carol, "carol"), (carol, "carol"), (dave, "dave")]
    edited = edit_contacts(original, [NewContact(*each) for each in wanted], NOW_MS)
    assert edited == EditedContacts(edited.content, added=3, changed=0, unchanged=1)
    again = edit_contacts(edited.content, [NewContact(ALICE, "al"), NewContact(BOB, "bobby")], NOW_MS)
    assert again == EditedContacts(again.content, added=0, changed=1, unchanged=1)
