"""The rules of the payload format that a type cannot express."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

from obscura_backup_client.content import model
from obscura_backup_client.content.errors import PayloadError, TooManyContacts

if TYPE_CHECKING:
    from collections.abc import Sequence

contact_order = operator.attrgetter("user_id.int")
"""The key that contacts are sorted by. User ids have the same order as numbers and as bytes."""


def require_writable(backup: model.Backup) -> None:
    """Check the rule that applies to content that is about to be sealed, but not to content that is read or kept.

    Raises:
        TooManyContacts: over 20,000 contacts, not counting removed ones. Merging may cause this; removing some helps.
    """
    count = backup.contact_count
    if count > model.MAX_LIVE_CONTACTS:
        raise TooManyContacts(count, model.MAX_LIVE_CONTACTS)


def check(backup: model.Backup) -> None:
    """Check every rule of the format that a type cannot express, except `require_writable`'s.

    Raises:
        PayloadError: names the first broken rule.
    """
    _check_identity(backup.identity)
    if backup.encoded_contacts is None:
        check_contacts(backup.contacts)
    require(len(backup.writers) <= model.MAX_WRITERS, f"it has more than {model.MAX_WRITERS} writers")
    for writer in backup.writers:
        require(len(writer.device_id) == model.DEVICE_ID_BYTES, "a device id is not 16 bytes long")
        require(1 <= writer.seq <= model.MAX_INTEGER, "a writer's seq is out of range")
    require(are_ascending([writer.device_id for writer in backup.writers]), "a writer is in it twice")
    if backup.profile is not None:
        _check_profile(backup.profile)
    for name, value in (("key_epoch", backup.key_epoch), ("sealed_at_ms", backup.sealed_at_ms)):
        require(0 <= value <= model.MAX_INTEGER, f"{name} is out of range")
    require(_fits(backup.device_name), f"the device name is over {model.MAX_NAME_BYTES} bytes")


def check_contacts(contacts: Sequence[model.Contact]) -> None:
    """Check contacts and their order. One that has an encoding was checked before. Raises `PayloadError`."""
    check_counts(len(contacts), 0)
    for contact in contacts:
        if contact.encoded is None:
            check_contact(contact.username, contact.identity_key, contact.stamp_ms, removed=contact.removed)
    require(are_ascending(list(map(contact_order, contacts))), "a contact is in it twice")


def check_counts(entries: int, writers: int) -> None:
    """Check the numbers of contacts and writers. Raises `PayloadError`."""
    require(entries <= model.MAX_ENTRIES, f"it has more than {model.MAX_ENTRIES} entries")
    require(writers <= model.MAX_WRITERS, f"it has more than {model.MAX_WRITERS} writers")


def _check_identity(identity: model.Identity) -> None:
    require(len(identity.public_key) in model.PUBLIC_KEY_LENGTHS, "the public identity key has a wrong length")
    require(len(identity.private_key) == model.IDENTITY_KEY_BYTES, "the private identity key has a wrong length")
    require(0 <= identity.epoch <= model.MAX_INTEGER, "the identity's epoch is out of range")


def check_contact(username: str, identity_key: bytes, stamp_ms: int, *, removed: bool) -> None:
    """Check the fields of one contact. Raises `PayloadError`."""
    if not 0 <= stamp_ms <= model.MAX_INTEGER:
        raise PayloadError("a contact's stamp is out of range")
    if removed:
        if username or identity_key:
            raise PayloadError("a removed contact still has a name or a key")
        return
    if not (username and _fits(username, model.MAX_USERNAME_BYTES)):
        raise PayloadError(f"a username is empty or over {model.MAX_USERNAME_BYTES} bytes")
    if len(identity_key) > model.MAX_CONTACT_KEY_BYTES:
        raise PayloadError("a contact's identity key is too long")


def _check_profile(profile: model.Profile) -> None:
    require(0 <= profile.stamp_ms <= model.MAX_INTEGER, "the profile's stamp is out of range")
    require(_fits(profile.attachment_id), f"the attachment id is over {model.MAX_NAME_BYTES} bytes")
    longest = model.MAX_DECRYPTION_KEY_BYTES if profile.attachment_id else 0
    require(len(profile.decryption_key) <= longest, "the profile's decryption key has a wrong length")


def require(rule: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as a sentence
    """Raise `PayloadError` with this reason unless the rule holds."""
    if not rule:
        raise PayloadError(otherwise)


def _fits(text: str, most_bytes: int = model.MAX_NAME_BYTES) -> bool:
    try:
        return len(text.encode()) <= most_bytes
    except UnicodeEncodeError:
        raise PayloadError("a text in it cannot be encoded as UTF-8") from None


def are_ascending(ids: Sequence[bytes] | Sequence[int]) -> bool:
    """Whether each id is higher than the one before."""
    return all(map(operator.lt, ids, ids[1:]))
