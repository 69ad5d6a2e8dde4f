"""Joining two versions of one backup so that no edit is lost and every device arrives at the same bytes.

The join takes a maximum in every place (of entries, of counters, of unknown fields), and a maximum is commutative,
associative and idempotent. Devices may therefore merge in any order, any number of times, and still agree.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from obscura_backup_client.content.codec import encode_contact, encode_identity, encode_profile, encode_writer
from obscura_backup_client.content.errors import IdentityConflict, IdentityReplaced
from obscura_backup_client.content.model import Backup, Contact, Identity, Profile, Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from obscura_backup_client.content.model import UnknownFields

E = TypeVar("E")

# A clock that is a day wrong is worth telling a person; less is a time zone or a slow battery.
MAX_CLOCK_SKEW_MS = 24 * 60 * 60 * 1000


class Keep(StrEnum):
    """Whose identity stays where two of them claim one account; contacts and all else are merged either way."""

    MINE = "mine"
    THEIRS = "theirs"


def merge_keeping(local: Backup, remote: Backup, keep: Keep | None) -> Backup:
    """Join this device's content with the server's, where the person may have said which identity stays.

    The identity that stays gets an epoch above the other one's where it had none, so that every device that holds the
    other is told of a newer one, and asked once, instead of running into the same conflict for ever. Keeping the
    server's at the epoch that it has changes nothing there.

    Raises:
        IdentityConflict: other keys of the same epoch, and `keep` is None.
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
    return merge(replace(local, identity=kept), replace(remote, identity=kept))


def merge(one: Backup, other: Backup) -> Backup:
    """Join two backups of one user. The higher identity epoch wins: whether the person agreed is the caller's duty.

    Raises:
        IdentityConflict: the same epoch with other keys.
    """
    latest = max(one, other, key=lambda backup: (backup.sealed_at_ms, backup.device_name))
    return Backup(
        identity=_newer_identity(one.identity, other.identity),
        contacts=_greatest([*one.contacts, *other.contacts], key=lambda contact: contact.user_id.bytes, rank=rank),
        profile=_newer_profile(one.profile, other.profile),
        writers=merge_writers(one.writers, other.writers),
        key_epoch=max(one.key_epoch, other.key_epoch),
        # Both describe one sealing, so that they travel together.
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
    """What decides between two entries for one user: the later stamp, then live over removed, then the bytes."""
    return entry.stamp_ms, not entry.removed, encode_contact(entry)


def same_identity(one: Backup, other: Backup) -> bool:
    """Whether both have the same keys, whatever their epochs."""
    return _same_keys(one.identity, other.identity)


def replaces_identity(local: Backup, remote: Backup) -> bool:
    """Whether merging would replace this device's keys by newer ones, which the person has to confirm once."""
    return remote.identity.epoch > local.identity.epoch and not same_identity(local, remote)


def highest_stamp_ms(backup: Backup) -> int:
    """The highest stamp seen, from which the next edit counts on; 0 when there is none."""
    stamps = [contact.stamp_ms for contact in backup.contacts]
    return max([*stamps, 0 if backup.profile is None else backup.profile.stamp_ms])


def future_dated_contacts(backup: Backup, now_ms: int) -> tuple[Contact, ...]:
    """Entries stamped more than a day after `now_ms`: a device's clock is wrong. They are told, never rewritten."""
    return tuple(contact for contact in backup.contacts if contact.stamp_ms > now_ms + MAX_CLOCK_SKEW_MS)


def _greatest(
    entries: Iterable[E], key: Callable[[E], bytes], rank: Callable[[E], tuple[int, *tuple[bool | bytes, ...]]]
) -> tuple[E, ...]:
    chosen: dict[bytes, E] = {}
    for entry in entries:
        current = chosen.setdefault(key(entry), entry)
        # Equal entries are the common case by far, and need no encoding to compare.
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
