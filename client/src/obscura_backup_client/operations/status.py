"""Comparing this device with the server's backup, without a password."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from obscura_backup_client.operations.push import matches_last_seen
from obscura_backup_client.operations.results import RemoteState, Status
from obscura_backup_client.sealing.kdf import weakness
from obscura_backup_client.transport.errors import NotFound

if TYPE_CHECKING:
    from pathlib import Path

    from obscura_backup_client.device.last_seen import LastSeen
    from obscura_backup_client.device.state import Account, State
    from obscura_backup_client.transport.interface import Transport

# A password that is not typed for longer is easily forgotten.
PASSWORD_CHECK_DAYS: Final = 30
_DAY_MS: Final = 24 * 60 * 60 * 1000


def read_status(path: Path, state: State, account: Account | None, transport: Transport | None, now_ms: int) -> Status:
    """Compare `state`, stored in `path`, with the server's backup, if there is a transport.

    Raises:
        TransportError: the server cannot be asked.
    """
    content = state.content
    local = Status(
        path=path,
        device_id=state.device_id,
        device_name=state.device_name,
        identity_public_key=content.identity.public_key,
        identity_epoch=content.identity.epoch,
        contact_count=content.contact_count,
        removed_count=content.contact_totals.removed,
        undo_merged_at_ms=None if state.undo is None else state.undo.merged_at_ms,
    )
    if account is None:
        return local
    last_seen = state.last_seen.get(account)
    weak = "" if last_seen is None or last_seen.parameters is None else weakness(last_seen.parameters)
    pending = last_seen is None or not last_seen.includes(content) or bool(weak)
    local = replace(
        local,
        account=account,
        last_seen=last_seen,
        pending=pending,
        weakness=weak,
        password_check_due=last_seen is not None and _is_check_due(last_seen, now_ms),
    )
    if transport is None:
        return local
    try:
        remote = transport.head()
    except NotFound:
        if last_seen is None or last_seen.may_be_gone:
            return replace(local, pending=True, remote_state=RemoteState.NONE, weakness="")
        return replace(local, remote_state=RemoteState.GONE)
    if last_seen is None:
        return replace(local, remote=remote, remote_state=RemoteState.NEVER_SEEN)
    same = matches_last_seen(last_seen, remote)
    return replace(local, remote=remote, remote_state=RemoteState.SAME if same else RemoteState.CHANGED)


def _is_check_due(known: LastSeen, now_ms: int) -> bool:
    if known.may_be_gone:
        # The next push sets a new password.
        return False
    typed_ms = known.password_typed_at_ms
    # A time in the future comes from a wrong clock and says nothing.
    return typed_ms is None or not -_DAY_MS <= now_ms - typed_ms <= PASSWORD_CHECK_DAYS * _DAY_MS
