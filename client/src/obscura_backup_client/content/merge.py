"""Merging two versions of a backup, so that no edit is lost and all devices end with the same bytes.

Merging takes the maximum of each entry, counter and unknown field. A maximum is commutative, associative and
idempotent. Devices may therefore merge in any order and any number of times.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from obscura_backup_client.content.codec import (
    encode_contact,
    encode_identity,
    encode_profile,
    encode_writer,
)
from obscura_backup_client.content.errors import IdentityConflict, IdentityReplaced
from obscura_backup_client.content.model import Backup, Contact, Identity, Profile, Writer
from obscura_backup_client.content.rules import contact_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from obscura_backup_client.content.model import UnknownFields

E = TypeVar("E")
K = TypeVar("K", bytes, int)

# Below a day a wrong clock may be a time zone setting, which needs no warning.
MAX_CLOCK_SKEW_MS = 24 * 60 * 60 * 1000


class Keep(StrEnum):
    """Which identity stays if two devices have different ones. Everything else is merged in either case."""

    MINE = "mine"
    THEIRS = "theirs"


def merge_keeping(local: Backup, remote: Backup, keep: Keep | None) -> Backup:
    """Merge this device's content with the server's; `keep` says which identity stays.

    The kept identity gets an epoch above the other one's, if it had none. Every device with the other identity then
    sees a newer one and asks once, instead of reporting the same conflict for ever. Keeping the server's identity at
    its epoch changes nothing on the server.

    Raises:
        IdentityConflict: different keys of the same epoch, and `keep` is None.
        IdentityReplaced: the server's keys are newer than this device's, and `keep` is None.
    """
    mine, theirs = local.identity, remote.identity
    if _same_keys(mine, theirs):
        return merge(local, remote)
    if keep is None:
        if theirs.epoch > mine.epoch:
            raise IdentityReplaced(mine.epoch, theirs.epoch, mine.public_key, theirs.public_key)
        return merge(local, remote)
    if keep is Keep.MINE:
        kept = mine if mine.epoch > theirs.epoch else replace(mine, epoch=theirs.epoch + 1)
    else:
        kept = theirs if theirs.epoch >= mine.epoch else replace(theirs, epoch=mine.epoch + 1)
    return merge(local.with_same_contacts(identity=kept), remote.with_same_contacts(identity=kept))


def merge(one: Backup, other: Backup) -> Backup:
    """Merge two backups of one user. The higher identity epoch wins; the caller asks the person first.

    Raises:
        IdentityConflict: different keys of the same epoch.
    """
    if one is other:
        return one
    latest = max(one, other, key=lambda backup: (backup.sealed_at_ms, backup.device_name))
    are_same = one.encoded_contacts is not None and one.encoded_contacts == other.encoded_contacts
    base = one if are_same else Backup(one.identity, _merge_contacts(one.contacts, other.contacts))
    return base.with_same_contacts(
        identity=_newer_identity(one.identity, other.identity),
        profile=_newer_profile(one.profile, other.profile),
        writers=merge_writers(one.writers, other.writers),
        key_epoch=max(one.key_epoch, other.key_epoch),
        # Both describe one sealing, so they stay together.
        sealed_at_ms=latest.sealed_at_ms,
        device_name=latest.device_name,
        unknown=_greater_unknown(one.unknown, other.unknown),
    )


def merge_writers(one: Iterable[Writer], other: Iterable[Writer]) -> tuple[Writer, ...]:
    """The componentwise maximum of two version vectors, sorted by device id."""
    return _greatest(
        [*one, *other],
        key=lambda writer: writer.device_id,
        rank=lambda writer: (writer.seq, encode_writer(writer)),
    )


def rank(entry: Contact) -> tuple[int, bool, bytes]:
    """The order between two entries for one user: the later stamp, then live over removed, then the encoding."""
    return entry.stamp_ms, not entry.removed, encode_contact(entry)


def same_identity(one: Backup, other: Backup) -> bool:
    """Whether both have the same keys, at any epochs."""
    return _same_keys(one.identity, other.identity)


def replaces_identity(local: Backup, remote: Backup) -> bool:
    """Whether merging would replace this device's keys by newer ones, which the person must confirm."""
    return remote.identity.epoch > local.identity.epoch and not same_identity(local, remote)


def highest_stamp_ms(backup: Backup) -> int:
    """The highest stamp of all entries; 0 if there are none."""
    return max(backup.contact_totals.highest_stamp_ms, 0 if backup.profile is None else backup.profile.stamp_ms)


def future_dated_contacts(backup: Backup, now_ms: int) -> tuple[Contact, ...]:
    """Entries edited more than a day after `now_ms`, by a wrong clock. They are reported but never changed."""
    latest_ms = now_ms + MAX_CLOCK_SKEW_MS
    if backup.contact_totals.highest_stamp_ms <= latest_ms:
        return ()
    return tuple(contact for contact in backup.contacts if contact.stamp_ms > latest_ms)


def _merge_contacts(one: tuple[Contact, ...], other: tuple[Contact, ...]) -> tuple[Contact, ...]:
    # Most entries are equal. Comparing their known encodings is faster than comparing their fields.
    known = {contact.encoded for contact in one if contact.encoded is not None}
    others = [contact for contact in other if contact.encoded not in known]
    return _greatest([*one, *others], key=contact_order, rank=rank) if others else one


def _greatest(
    entries: Iterable[E], key: Callable[[E], K], rank: Callable[[E], tuple[int, *tuple[bool | bytes, ...]]]
) -> tuple[E, ...]:
    chosen: dict[K, E] = {}
    for entry in entries:
        current = chosen.setdefault(key(entry), entry)
        # Equal entries need no encoding to compare.
        if current != entry and rank(entry) > rank(current):
            chosen[key(entry)] = entry
    return tuple(chosen[each] for each in sorted(chosen))


def _same_keys(one: Identity, other: Identity) -> bool:
    return (one.public_key, one.private_key) == (other.public_key, other.private_key)


def _newer_identity(one: Identity, other: Identity) -> Identity:
    if one.epoch == other.epoch and not _same_keys(one, other):
        raise IdentityConflict(one.epoch, one.public_key, other.public_key)
    return max(one, other, key=lambda identity: (identity.epoch, encode_identity(identity)))


def _newer_profile(one: Profile | None, other: Profile | None) -> Profile | None:
    present = [profile for profile in (one, other) if profile is not None]
    return max(
        present,
        key=lambda profile: (profile.stamp_ms, bool(profile.attachment_id), encode_profile(profile)),
        default=None,
    )


def _greater_unknown(one: UnknownFields, other: UnknownFields) -> UnknownFields:
    numbers = sorted({number for number, _ in (*one, *other)})
    left, right = dict(one), dict(other)
    return tuple((number, max(left.get(number, b""), right.get(number, b""))) for number in numbers)
