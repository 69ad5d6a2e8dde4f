"""The edits that a person makes, as pure functions from one content to the next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from obscura_backup_client.content.codec import check, require_writable
from obscura_backup_client.content.errors import PayloadError, UnknownContact
from obscura_backup_client.content.merge import highest_stamp_ms
from obscura_backup_client.content.model import MAX_INTEGER, Backup, Contact, Profile
from obscura_backup_client.content.names import require_username

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID


@dataclass(frozen=True, slots=True)
class NewContact:
    """What a contact is to be from now on; `identity_key` is empty when it is not known."""

    user_id: UUID
    username: str
    identity_key: bytes = b""


def next_stamp_ms(backup: Backup, now_ms: int) -> int:
    """The stamp of the next edit: later than every one seen, so that a clock that runs behind cannot lose it.

    Raises:
        PayloadError: some device's clock was so far ahead that no later stamp is left.
    """
    stamp_ms = max(now_ms, highest_stamp_ms(backup) + 1)
    if stamp_ms > MAX_INTEGER:
        raise PayloadError("a stamp in it is so far ahead that nothing can be edited any more")
    return stamp_ms


def put_contacts(backup: Backup, contacts: Iterable[NewContact], now_ms: int) -> Backup:
    """Add contacts, or change those that are there; ones that are there exactly so keep their stamps.

    An empty `identity_key` leaves a known key as it is: an import without keys must not throw verified ones away.

    Raises:
        NameRefused: a name that no contact can have.
        PayloadError: a key that the format does not take.
        TooManyContacts: it would add to more than a backup holds. Changing those that are there still works.
    """
    stamp_ms = next_stamp_ms(backup, now_ms)
    entries = {entry.user_id: entry for entry in backup.contacts}
    for contact in contacts:
        existing = entries.get(contact.user_id)
        entry = _edited(contact, existing, stamp_ms)
        if entry != existing:
            require_username(contact.username)
            entries[contact.user_id] = entry
    changed = _with_contacts(backup, entries.values())
    if len(changed.live_contacts) > len(backup.live_contacts):
        require_writable(changed)
    return changed


def remove_contact(backup: Backup, user_id: UUID, now_ms: int) -> Backup:
    """Turn a contact into a tombstone, which keeps its user id and a stamp and forgets the rest.

    Raises:
        UnknownContact: there is none, or it is removed already.
    """
    if not any(contact.user_id == user_id for contact in backup.live_contacts):
        raise UnknownContact(user_id)
    tombstone = Contact(user_id, "", b"", next_stamp_ms(backup, now_ms), removed=True)
    return _with_contacts(backup, [*(entry for entry in backup.contacts if entry.user_id != user_id), tombstone])


def set_profile(backup: Backup, attachment_id: str, decryption_key: bytes, now_ms: int) -> Backup:
    """Point to another avatar; an empty `attachment_id` with an empty key clears it.

    Raises:
        PayloadError: an id or key that the format does not take.
    """
    unknown = () if backup.profile is None else backup.profile.unknown
    profile = Profile(attachment_id, decryption_key, next_stamp_ms(backup, now_ms), unknown)
    changed = replace(backup, profile=profile)
    check(changed)
    return changed


def _edited(contact: NewContact, existing: Contact | None, stamp_ms: int) -> Contact:
    if existing is None or existing.removed:
        return Contact(contact.user_id, contact.username, contact.identity_key, stamp_ms)
    key = contact.identity_key or existing.identity_key
    if (contact.username, key) == (existing.username, existing.identity_key):
        return existing
    return replace(existing, username=contact.username, identity_key=key, stamp_ms=stamp_ms)


def _with_contacts(backup: Backup, contacts: Iterable[Contact]) -> Backup:
    changed = replace(backup, contacts=tuple(sorted(contacts, key=lambda contact: contact.user_id.bytes)))
    check(changed)
    return changed
