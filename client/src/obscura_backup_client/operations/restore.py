"""Restoring the server's backup: shown first, then merged into this device's state or taken as it is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from obscura_backup_client.content.merge import (
    Keep,
    future_dated_contacts,
    merge_keeping,
    replaces_identity,
    same_identity,
)
from obscura_backup_client.content.model import DEVICE_ID_BYTES
from obscura_backup_client.device.state import State
from obscura_backup_client.operations.changes import changes
from obscura_backup_client.operations.errors import NotConfirmed
from obscura_backup_client.operations.push import LostBackup
from obscura_backup_client.operations.results import RestorePreview, RestoreResult
from obscura_backup_client.operations.undo import with_undo_point
from obscura_backup_client.sealing.kdf import weakness
from obscura_backup_client.transport.errors import BackupLost, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable

    from obscura_backup_client.content.model import Backup
    from obscura_backup_client.device.directory import LockedState
    from obscura_backup_client.operations.keys import Unlocker
    from obscura_backup_client.operations.push import BackupSession, RemoteBackup


def restore(
    session: BackupSession,
    locked_state: LockedState,
    unlocker: Unlocker,
    *,
    confirm: Callable[[RestorePreview], bool],
    device_name: str | None,
    new_device_name: str,
    keep: Keep | None,
    accept_rollback: bool,
) -> RestoreResult:
    """See `BackupClient.restore`, which says what is raised."""
    remote = session.fetch(locked_state.state, unlocker, accept_rollback=accept_rollback)
    if remote is None:
        raise NotFound
    if isinstance(remote, LostBackup):
        raise BackupLost(remote.version)
    content, local = remote.content, locked_state.state
    state = local or State(session.random(DEVICE_ID_BYTES), new_device_name, 0, content)
    if device_name is not None:
        state = replace(state, device_name=device_name)
    if keep is None and replaces_identity(state.content, content):
        # `confirm` gets this and decides.
        keep = Keep.THEIRS
    merged = merge_keeping(state.content, content, keep)
    found = _found(session, remote, None if local is None else local.content, merged)
    if not confirm(found):
        raise NotConfirmed
    state = session.with_new_id_if_copied(replace(state, content=merged), content)
    if local is not None:
        state = with_undo_point(state, local, session.now_ms())
    # An accepted rollback is recorded at once, because no upload follows. The content's version vector keeps what was
    # seen before, so the next push uploads above it.
    state = locked_state.write(session.with_last_seen(state, remote, typed=unlocker.was_typed(remote.key)))
    # A push uploads changes of this device, and seals a weakly sealed backup again.
    pending = not state.last_seen[session.account].includes(merged) or bool(weakness(remote.key.parameters))
    result = RestoreResult(found, merged.contact_count, local is None, pending, remote.key)
    if local is None:
        return result
    return replace(result, can_undo=state.undo != local.undo, merged=changes(local.content, merged))


def _found(session: BackupSession, remote: RemoteBackup, local: Backup | None, merged: Backup) -> RestorePreview:
    content = remote.content
    return RestorePreview(
        version=remote.version,
        size_bytes=len(remote.blob),
        sealed_at_ms=content.sealed_at_ms,
        device_name=content.device_name,
        contact_count=content.contact_count,
        identity_public_key=content.identity.public_key,
        replaces_identity=local is not None and not same_identity(local, merged),
        keeps_other_identity=not same_identity(content, merged),
        local_contact_count=None if local is None else local.contact_count,
        parameters=remote.key.parameters,
        future_dated=tuple(contact.user_id for contact in future_dated_contacts(content, session.now_ms())),
    )
