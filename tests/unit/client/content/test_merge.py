from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given

from obscura_backup_client.content.codec import decode, encode
from obscura_backup_client.content.editing import (
    EditedContacts,
    NewContact,
    edit_contacts,
    next_stamp_ms,
    put_contacts,
    remove_contact,
    set_profile,
)
from obscura_backup_client.content.errors import IdentityConflict, PayloadError, UnknownContact
from obscura_backup_client.content.merge import future_dated_contacts, merge, replaces_identity
from obscura_backup_client.content.model import MAX_INTEGER, Backup, Profile, Writer
from support.client.contents import (
    ALICE,
    BOB,
    IDENTITY,
    LAPTOP,
    NOW_MS,
    PHONE,
    backup,
    backups,
    contact,
    tombstone,
)

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


def test_the_later_stamp_wins() -> None:
    early, late = contact(username="old", stamp_ms=1), contact(username="new", stamp_ms=2)
    assert merge(backup(late), backup(early)).contacts == (late,)


def test_a_later_removal_wins_over_an_earlier_name() -> None:
    assert merge(backup(contact(stamp_ms=1)), backup(tombstone(stamp_ms=2))).live_contacts == ()


def test_at_the_same_stamp_live_wins_over_removed() -> None:
    assert merge(backup(tombstone()), backup(contact())).contacts == (contact(),)


def test_at_the_same_stamp_the_greater_bytes_win() -> None:
    assert merge(backup(contact(username="b")), backup(contact(username="a"))).contacts[0].username == "b"


def test_an_unknown_field_follows_the_entry_that_wins() -> None:
    tagged = contact(stamp_ms=1, unknown=((6, b"\x30\x01"),))
    assert merge(backup(tagged), backup(contact(stamp_ms=2))).contacts[0].unknown == ()


def test_unknown_fields_of_the_message_are_joined_by_the_greater_bytes() -> None:
    one = backup(unknown=((8, b"\x40\x02"), (9, b"\x48\x01")))
    other = backup(unknown=((8, b"\x40\x01"), (10, b"\x50\x01")))
    assert merge(one, other).unknown == ((8, b"\x40\x02"), (9, b"\x48\x01"), (10, b"\x50\x01"))


def test_the_version_vector_is_the_maximum_of_each_component() -> None:
    one = backup(writers=(Writer(LAPTOP, 5), Writer(PHONE, 1)))
    assert merge(one, backup(writers=(Writer(PHONE, 2),))).vector == {LAPTOP: 5, PHONE: 2}


def test_a_cleared_profile_stays_cleared() -> None:
    earlier, cleared = Profile("x", b"k" * 32, 1), Profile("", b"", 2)
    assert merge(backup(profile=earlier), backup(profile=cleared)).profile == cleared


def test_a_newer_identity_wins_and_is_announced() -> None:
    newer = backup(identity=replace(IDENTITY, private_key=b"N" * 32, epoch=2))
    assert merge(backup(), newer).identity.epoch == 2
    assert replaces_identity(local=backup(), remote=newer)
    assert not replaces_identity(local=newer, remote=backup())


@pytest.mark.parametrize("other", [{"private_key": b"X" * 32}, {"public_key": b"X" * 32}])
def test_other_keys_of_the_same_epoch_are_a_conflict(other: dict[str, bytes]) -> None:
    with pytest.raises(IdentityConflict) as conflict:
        merge(backup(), backup(identity=replace(IDENTITY, **other)))  # type: ignore[arg-type]
    assert conflict.value.epoch == 1


def test_stamps_over_a_day_ahead_are_reported_and_kept() -> None:
    fine, wrong = contact(ALICE, stamp_ms=NOW_MS + DAY_MS), contact(BOB, stamp_ms=NOW_MS + DAY_MS + 1)
    merged = merge(backup(fine), backup(wrong))
    assert future_dated_contacts(merged, NOW_MS) == (wrong,)


def test_an_edit_by_a_slow_clock_is_still_the_latest() -> None:
    original = backup(contact(stamp_ms=NOW_MS + 5_000))
    edited = put_contacts(original, [NewContact(ALICE, "alice2", b"K" * 32)], now_ms=NOW_MS)
    assert edited.contacts[0].stamp_ms == NOW_MS + 5_001
    assert merge(original, edited) == edited


def test_the_profiles_stamp_counts_as_seen() -> None:
    assert next_stamp_ms(backup(profile=Profile("x", b"", NOW_MS + 9)), NOW_MS) == NOW_MS + 10


def test_no_edit_is_made_beyond_the_last_stamp() -> None:
    with pytest.raises(PayloadError):
        put_contacts(backup(tombstone(stamp_ms=MAX_INTEGER)), [NewContact(BOB, "bob")], NOW_MS)


def test_putting_an_unchanged_contact_keeps_its_stamp() -> None:
    original = backup(contact(stamp_ms=7))
    assert put_contacts(original, [NewContact(ALICE, "alice")], NOW_MS) == original


def test_an_import_without_a_key_keeps_the_known_one() -> None:
    assert put_contacts(backup(contact()), [NewContact(ALICE, "al")], NOW_MS).contacts[0].identity_key == b"K" * 32


def test_an_edit_keeps_the_fields_that_a_later_version_put_there() -> None:
    original = backup(contact(unknown=((6, b"\x30\x01"),)))
    assert put_contacts(original, [NewContact(ALICE, "al")], NOW_MS).contacts[0].unknown == ((6, b"\x30\x01"),)


def test_a_removed_contact_leaves_only_a_tombstone() -> None:
    assert remove_contact(backup(contact(stamp_ms=1)), ALICE, NOW_MS).contacts == (tombstone(),)


@pytest.mark.parametrize("original", [backup(), backup(tombstone())])
def test_removing_an_unknown_contact_is_an_error(original: Backup) -> None:
    with pytest.raises(UnknownContact):
        remove_contact(original, ALICE, NOW_MS)


def test_a_removed_contact_can_be_added_again() -> None:
    again = put_contacts(backup(tombstone()), [NewContact(ALICE, "alice")], NOW_MS)
    assert [entry.stamp_ms for entry in again.live_contacts] == [NOW_MS + 1]


@pytest.mark.parametrize("sealed_before", [False, True])
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


def test_setting_a_profile_stamps_it() -> None:
    assert set_profile(backup(), "avatar", b"k" * 32, NOW_MS).profile == Profile("avatar", b"k" * 32, NOW_MS)
