"""Finding and replacing single contacts in a content, without building all the others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from obscura_backup_client.content import model
from obscura_backup_client.content.codec import contents, encode_contact, kept_contact, length_delimited
from obscura_backup_client.content.rules import check, check_contacts, check_counts, contact_order

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from uuid import UUID

# Up to so many entries are looked up in the encoding; for more it is faster to build all contacts.
_FEW: Final = 1000
# Where a contact's canonical encoding has its user id: behind a tag and a length.
_ENCODED_ID: Final = slice(2, 2 + model.USER_ID_BYTES)


def find_contacts(backup: model.Backup, user_ids: Collection[UUID]) -> dict[UUID, model.Contact]:
    """The entries of those users that have one. Does not build the other entries."""
    if backup.build_contacts is None or len(user_ids) > _FEW:
        wanted = {user_id.int for user_id in user_ids}
        return {contact.user_id: contact for contact in backup.contacts if contact.user_id.int in wanted}
    encoded_by_id = _encoded_by_id(backup)
    found = {user_id: encoded_by_id.get(user_id.bytes) for user_id in user_ids}
    return {user_id: kept_contact(encoded) for user_id, encoded in found.items() if encoded is not None}


def put_entries(backup: model.Backup, entries: Sequence[model.Contact]) -> model.Backup:
    """The content with these entries added, or replacing those with the same user ids. Checks only these entries.

    Raises:
        PayloadError: an entry breaks a rule of the format, or there are too many.
    """
    if backup.build_contacts is None or len(entries) > _FEW:
        by_id = {contact.user_id.int: contact for contact in (*backup.contacts, *entries)}
        changed = replace(backup, contacts=tuple(by_id[user_id] for user_id in sorted(by_id)))
        check(changed)
        return changed
    check_contacts(sorted(entries, key=contact_order))
    before = find_contacts(backup, [entry.user_id for entry in entries]).values()
    encoded_by_id = {**_encoded_by_id(backup), **{entry.user_id.bytes: encode_contact(entry) for entry in entries}}
    encoded = [encoded_by_id[user_id] for user_id in sorted(encoded_by_id)]
    check_counts(len(encoded), 0)
    removed = (
        backup.contact_totals.removed + sum(each.removed for each in entries) - sum(each.removed for each in before)
    )
    highest_stamp_ms = max(backup.contact_totals.highest_stamp_ms, *(entry.stamp_ms for entry in entries))
    changed = backup.without_contacts()
    changed.defer_contacts(
        lambda: tuple(map(kept_contact, encoded)),
        model.ContactTotals(len(encoded) - removed, removed, highest_stamp_ms),
        length_delimited(2, encoded),
    )
    return changed


def _encoded_by_id(backup: model.Backup) -> Mapping[bytes, bytes]:
    if backup.encoded_by_id is None:
        by_id = {each[_ENCODED_ID]: each for each in contents(backup.encoded_contacts or b"")}
        object.__setattr__(backup, "encoded_by_id", by_id)
        return by_id
    return backup.encoded_by_id
