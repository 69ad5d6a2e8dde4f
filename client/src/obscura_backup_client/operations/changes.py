"""The visible differences between two contents of one backup."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obscura_backup_client.content.merge import same_identity
from obscura_backup_client.operations.results import Changes

if TYPE_CHECKING:
    from uuid import UUID

    from obscura_backup_client.content.model import Backup

    Shown = dict[UUID, tuple[str, bytes]]


def changes(before: Backup, after: Backup) -> Changes:
    """Count the differences from one content to the other."""
    old, new = _different_contacts(before, after)
    return Changes(
        added=len(new.keys() - old.keys()),
        changed=sum(old[user_id] != new[user_id] for user_id in old.keys() & new.keys()),
        removed=len(old.keys() - new.keys()),
        profile=_profile(before) != _profile(after),
        identity=not same_identity(before, after),
    )


def _different_contacts(before: Backup, after: Backup) -> tuple[Shown, Shown]:
    """The live contacts of both sides, without most of those that are equal."""
    if before.encoded_contacts is not None and before.encoded_contacts == after.encoded_contacts:
        return {}, {}
    # An entry that no edit or merge touched is the same object on both sides.
    shared = set(map(id, before.contacts)) & set(map(id, after.contacts))
    return _shown(before, shared), _shown(after, shared)


def _shown(backup: Backup, shared: set[int]) -> Shown:
    live = (each for each in backup.contacts if id(each) not in shared and not each.removed)
    return {each.user_id: (each.username, each.identity_key) for each in live}


def _profile(backup: Backup) -> tuple[str, bytes]:
    return ("", b"") if backup.profile is None else (backup.profile.attachment_id, backup.profile.decryption_key)
