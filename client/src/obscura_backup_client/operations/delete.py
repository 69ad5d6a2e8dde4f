"""Deleting the backup from the server, and remembering that it was this device's own wish."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from obscura_backup_client.operations.errors import NotConfirmed
from obscura_backup_client.operations.push import is_same
from obscura_backup_client.operations.results import Doomed, Step
from obscura_backup_client.transport.errors import BackupLost, NotFound, OutcomeUnknown, TransportError

if TYPE_CHECKING:
    from collections.abc import Callable

    from obscura_backup_client.device.directory import LockedState
    from obscura_backup_client.device.state import State
    from obscura_backup_client.operations.push import Exchange


def delete(exchange: Exchange, held: LockedState, confirm: Callable[[Doomed], bool]) -> Doomed:
    """Look at what the server holds, ask, and delete just that.

    Raises:
        NotConfirmed: `confirm` said no. What `BackupClient.delete` raises.
    """
    exchange.on_step(Step.FETCHING)
    doomed = _doomed(exchange, held.state)
    if not confirm(doomed):
        raise NotConfirmed
    # Written down before it is asked for: its answer may be lost, and a deletion of our own is no alarm.
    before = _expecting_absence(exchange, held)
    exchange.on_step(Step.DELETING)
    try:
        exchange.transport.delete(doomed.version)
    except (NotFound, OutcomeUnknown):
        # It is gone, or may be: what was noted stays true.
        raise
    except TransportError:
        if before is not None:
            held.write(before)
        raise
    return doomed


def _doomed(exchange: Exchange, state: State | None) -> Doomed:
    known = None if state is None else state.remembered.get(exchange.account)
    count = None if state is None else len(state.content.live_contacts)
    try:
        described = exchange.transport.head()
    except BackupLost as lost:
        if lost.version is None:
            raise
        return Doomed(lost.version, None, "", last_seen=False, local_contact_count=count)
    last_seen = known is not None and is_same(known, described)
    return Doomed(described.version, described.size_bytes, described.updated_at, last_seen, count)


def _expecting_absence(exchange: Exchange, held: LockedState) -> State | None:
    """The state as it was, if there was anything to note in it."""
    state = held.state
    known = None if state is None else state.remembered.get(exchange.account)
    if state is None or known is None:
        return None
    # The vector stays remembered: what this device pushes next is above it, and nothing older passes for newer.
    noted = replace(known, may_be_gone=True)
    held.write(replace(state, remembered={**state.remembered, exchange.account: noted}))
    return state
