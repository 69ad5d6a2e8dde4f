"""Bringing back what a device had before its last restore, merge or import."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from obscura_backup_client.content.codec import decode, encode
from obscura_backup_client.content.errors import PayloadError
from obscura_backup_client.content.merge import merge_writers
from obscura_backup_client.content.model import MAX_INTEGER
from obscura_backup_client.device.errors import StateDamaged
from obscura_backup_client.device.state import UndoPoint
from obscura_backup_client.operations.changes import changes
from obscura_backup_client.operations.errors import NotConfirmed, NothingToUndo
from obscura_backup_client.operations.results import UndoPreview

if TYPE_CHECKING:
    from collections.abc import Callable

    from obscura_backup_client.device.directory import StateDirectory
    from obscura_backup_client.device.state import State


def with_undo_point(after: State, before: State, now_ms: int) -> State:
    """The state `after` a merge, with what was there `before` it.

    A merge that changes nothing that a person sees keeps the earlier undo point: restoring twice must not lose it.
    """
    if not changes(before.content, after.content):
        return after
    merged_at_ms = min(max(0, now_ms), MAX_INTEGER)
    return replace(after, undo=UndoPoint(encode(before.content), before.device_name, merged_at_ms))


def undo(directory: StateDirectory, confirm: Callable[[UndoPreview], bool]) -> UndoPreview:
    """See `LocalClient.undo`, which says what is raised."""
    with directory.locked() as locked_state:
        state = locked_state.require()
        point = state.undo
        if point is None:
            raise NothingToUndo
        try:
            before = decode(point.payload)
        except PayloadError as error:
            raise StateDamaged(directory.path, f"what it kept for `undo` is invalid: {error.reason}") from None
        # These record which backups this device saw. They never decrease, so that every later push is above them and
        # an older backup still raises an alarm.
        content = before.with_same_contacts(
            writers=merge_writers(before.writers, state.content.writers),
            key_epoch=max(before.key_epoch, state.content.key_epoch),
        )
        preview = UndoPreview(changes(state.content, content), content.contact_count, point.merged_at_ms)
        if not confirm(preview):
            raise NotConfirmed
        locked_state.write(replace(state, content=content, device_name=point.device_name, undo=None))
        return preview
