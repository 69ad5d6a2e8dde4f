"""Deleting the backup from the server, and recording that this device asked for it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from obscura_backup_client.operations.errors import NotConfirmed
from obscura_backup_client.operations.push import matches_last_seen
from obscura_backup_client.operations.results import DeletionPreview, Step
from obscura_backup_client.transport.errors import BackupLost, NotFound, OutcomeUnknown, TransportError

if TYPE_CHECKING:
    from collections.abc import Callable

    from obscura_backup_client.device.directory import LockedState
    from obscura_backup_client.device.state import State
    from obscura_backup_client.operations.push import BackupSession


def delete(
    session: BackupSession, locked_state: LockedState, confirm: Callable[[DeletionPreview], bool]
) -> DeletionPreview:
    """Show the server's backup, ask for confirmation, and delete exactly that version.

    Raises:
        NotConfirmed: `confirm` returned False.
        And what `BackupClient.delete` raises.
    """
    session.on_step(Step.FETCHING)
    preview = _doomed(session, locked_state.state)
    if not confirm(preview):
        raise NotConfirmed
    # Recorded before the request, whose response may be lost: this device's own deletion must not raise an alarm.
    before = _expecting_absence(session, locked_state)
    session.on_step(Step.DELETING)
    try:
        session.transport.delete(preview.version)
    except (NotFound, OutcomeUnknown):
        # The backup is gone or may be gone, so the record stays.
        raise
    except TransportError:
        if before is not None:
            locked_state.write(before)
        raise
    return preview


def _doomed(session: BackupSession, state: State | None) -> DeletionPreview:
    known = None if state is None else state.last_seen.get(session.account)
    count = None if state is None else state.content.contact_count
    try:
        described = session.transport.head()
    except BackupLost as lost:
        if lost.version is None:
            raise
        return DeletionPreview(lost.version, None, "", last_seen=False, local_contact_count=count)
    last_seen = known is not None and matches_last_seen(known, described)
    preview = DeletionPreview(described.version, described.size_bytes, described.updated_at, last_seen, count)
    if known is None or not last_seen:
        return preview
    return replace(
        preview,
        sealed_at_ms=known.sealed_at_ms,
        device_name=known.device_name,
        contact_count=known.contact_count,
    )


def _expecting_absence(session: BackupSession, locked_state: LockedState) -> State | None:
    """Record that the backup may be gone. Returns the state before, or None if there was nothing to record."""
    state = locked_state.state
    known = None if state is None else state.last_seen.get(session.account)
    if state is None or known is None:
        return None
    # The vector stays recorded: this device's next push is above it, and no older backup passes for a newer one.
    noted = replace(known, may_be_gone=True, deleted_at_ms=session.clock_ms())
    locked_state.write(replace(state, last_seen={**state.last_seen, session.account: noted}))
    return state
