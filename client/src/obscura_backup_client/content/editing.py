"""Edits by a person, as pure functions from one content to the next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from obscura_backup_client.content.entries import find_contacts, put_entries
from obscura_backup_client.content.errors import PayloadError, UnknownContact
from obscura_backup_client.content.merge import highest_stamp_ms
from obscura_backup_client.content.model import MAX_INTEGER, Backup, Contact, Profile
from obscura_backup_client.content.names import require_username
from obscura_backup_client.content.rules import check, require_writable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID


@dataclass(frozen=True, slots=True)
class NewContact:
    """A contact to add or change; an empty `identity_key` means unknown."""

    user_id: UUID
    username: str
    identity_key: bytes = b""


@dataclass(frozen=True, slots=True)
class EditedContacts:
    """The content after an edit, and how many contacts the edit added, changed and left unchanged."""

    content: Backup
    added: int
    changed: int
    unchanged: int


def next_stamp_ms(backup: Backup, now_ms: int) -> int:
    """The stamp of the next edit. It is later than every stamp so far, so that a slow clock cannot lose the edit.

    Raises:
        PayloadError: a device's clock was so far ahead that no later stamp is left.
    """
    stamp_ms = max(now_ms, highest_stamp_ms(backup) + 1)
    if stamp_ms > MAX_INTEGER:
        raise PayloadError("a stamp in it is so far ahead that no later edit is possible")
    return stamp_ms


def put_contacts(backup: Backup, contacts: Iterable[NewContact], now_ms: int) -> Backup:
    """The content after `edit_contacts`, which raises the same errors."""
    return edit_contacts(backup, contacts, now_ms).content


def edit_contacts(backup: Backup, contacts: Iterable[NewContact], now_ms: int) -> EditedContacts:
    """Add contacts, or change existing ones. An entry that does not change stays the same object, with its stamp.

    An empty `identity_key` keeps a known key: an import without keys must not discard verified ones.

    Raises:
        NameRefused: a name is invalid.
        PayloadError: a key is too long.
        TooManyContacts: an addition exceeds what a backup holds. Changing existing contacts still works.
    """
    stamp_ms = next_stamp_ms(backup, now_ms)
    wanted = list(contacts)
    ids = {contact.user_id for contact in wanted}
    entries = find_contacts(backup, ids)
    changes: dict[UUID, Contact] = {}
    added = 0
    for contact in wanted:
        existing = entries.get(contact.user_id)
        entry = _edited(contact, existing, stamp_ms)
        if entry != existing:
            require_username(contact.username)
            # A contact that occurs twice is added once: the second time it exists.
            added += existing is None or existing.removed
            entries[contact.user_id] = changes[contact.user_id] = entry
    if not changes:
        return EditedContacts(backup, added=0, changed=0, unchanged=len(ids))
    changed = put_entries(backup, list(changes.values()))
    if changed.contact_count > backup.contact_count:
        require_writable(changed)
    return EditedContacts(changed, added, len(changes) - added, len(ids) - len(changes))


def find_contact(backup: Backup, user_id: UUID) -> Contact:
    """The contact of this user.

    Raises:
        UnknownContact: there is no such contact, or it was removed.
    """
    existing = find_contacts(backup, [user_id]).get(user_id)
    if existing is None or existing.removed:
        raise UnknownContact(user_id)
    return existing


def remove_contact(backup: Backup, user_id: UUID, now_ms: int) -> Backup:
    """Replace a contact by a tombstone, which keeps only the user id and a stamp.

    Raises:
        UnknownContact: there is no such contact, or it is already removed.
    """
    find_contact(backup, user_id)
    tombstone = Contact(user_id, "", b"", next_stamp_ms(backup, now_ms), removed=True)
    return put_entries(backup, [tombstone])


def set_profile(backup: Backup, attachment_id: str, decryption_key: bytes, now_ms: int) -> Backup:
    """Set the reference to the avatar; an empty `attachment_id` with an empty key clears it.

    Raises:
        PayloadError: the id or the key is too long, or there is a key without an id.
    """
    unknown = () if backup.profile is None else backup.profile.unknown
    profile = Profile(attachment_id, decryption_key, next_stamp_ms(backup, now_ms), unknown)
    changed = backup.with_same_contacts(profile=profile)
    check(changed)
    return changed


def _edited(contact: NewContact, existing: Contact | None, stamp_ms: int) -> Contact:
    if existing is None or existing.removed:
        return Contact(contact.user_id, contact.username, contact.identity_key, stamp_ms)
    key = contact.identity_key or existing.identity_key
    if (contact.username, key) == (existing.username, existing.identity_key):
        return existing
    return replace(existing, username=contact.username, identity_key=key, stamp_ms=stamp_ms)
