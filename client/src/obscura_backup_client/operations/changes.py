"""The visible differences between two contents of one backup."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obscura_backup_client.content.merge import same_identity
from obscura_backup_client.operations.contact_change import ContactChange
from obscura_backup_client.operations.results import Changes

if TYPE_CHECKING:
    from uuid import UUID

    from obscura_backup_client.content.model import Backup, Contact

    Shown = dict[UUID, Contact]


def changes(before: Backup, after: Backup) -> Changes:
    """The differences from one content to the other: counted, and contact by contact in the order of user ids."""
    old, new = _different_contacts(before, after)
    differing = (
        ContactChange(user_id, old.get(user_id), new.get(user_id)) for user_id in sorted(old.keys() | new.keys())
    )
    contacts = tuple(each for each in differing if _is_visible(each))
    return Changes(
        added=sum(each.before is None for each in contacts),
        changed=sum(each.before is not None and each.after is not None for each in contacts),
        removed=sum(each.after is None for each in contacts),
        profile=_profile(before) != _profile(after),
        identity=not same_identity(before, after),
        contacts=contacts,
    )


def _is_visible(change: ContactChange) -> bool:
    """Whether the name or the key differs, and not only the time of the last edit."""
    before, after = change.before, change.after
    if before is None or after is None:
        return True
    return (before.username, before.identity_key) != (after.username, after.identity_key)


def _different_contacts(before: Backup, after: Backup) -> tuple[Shown, Shown]:
    """The live contacts of both sides, without most of those that are equal."""
    if before.encoded_contacts is not None and before.encoded_contacts == after.encoded_contacts:
        return {}, {}
    # An entry that no edit or merge touched is the same object on both sides.
    shared = set(map(id, before.contacts)) & set(map(id, after.contacts))
    return _shown(before, shared), _shown(after, shared)


def _shown(backup: Backup, shared: set[int]) -> Shown:
    live = (each for each in backup.contacts if id(each) not in shared and not each.removed)
    return {each.user_id: each for each in live}


def _profile(backup: Backup) -> tuple[str, bytes]:
    return ("", b"") if backup.profile is None else (backup.profile.attachment_id, backup.profile.decryption_key)
