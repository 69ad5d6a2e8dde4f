"""What a person would notice between two contents of one backup."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obscura_backup_client.content.merge import same_identity
from obscura_backup_client.operations.results import Changes

if TYPE_CHECKING:
    from obscura_backup_client.content.model import Backup


def changes(before: Backup, after: Backup) -> Changes:
    """What leads from one content to the other."""
    old, new = _shown(before), _shown(after)
    return Changes(
        added=len(new.keys() - old.keys()),
        changed=sum(old[user_id] != new[user_id] for user_id in old.keys() & new.keys()),
        removed=len(old.keys() - new.keys()),
        profile=_profile(before) != _profile(after),
        identity=not same_identity(before, after),
    )


def _shown(backup: Backup) -> dict[bytes, tuple[str, bytes]]:
    return {each.user_id.bytes: (each.username, each.identity_key) for each in backup.live_contacts}


def _profile(backup: Backup) -> tuple[str, bytes]:
    return ("", b"") if backup.profile is None else (backup.profile.attachment_id, backup.profile.decryption_key)
