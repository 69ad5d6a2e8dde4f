"""Bringing the server's backup to this device: shown first, then merged into what is here, or taken as it is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from obscura_backup_client.content.merge import Keep, contacts_ahead, merge_keeping, replaces_identity, same_identity
from obscura_backup_client.content.model import DEVICE_ID_BYTES
from obscura_backup_client.device.state import State
from obscura_backup_client.operations.errors import NotConfirmed
from obscura_backup_client.operations.push import Lost
from obscura_backup_client.operations.results import Found, RestoreResult
from obscura_backup_client.sealing.kdf import weakness
from obscura_backup_client.transport.errors import BackupLost, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable

    from obscura_backup_client.content.model import Backup
    from obscura_backup_client.device.directory import LockedState
    from obscura_backup_client.operations.keys import Unlocker
    from obscura_backup_client.operations.push import Exchange, Remote


def restore(
    exchange: Exchange,
    held: LockedState,
    unlocker: Unlocker,
    *,
    confirm: Callable[[Found], bool],
    device_name: str | None,
    new_device_name: str,
    keep: Keep | None,
    accept_rollback: bool,
) -> RestoreResult:
    """See `BackupClient.restore`, which says what is raised."""
    remote = exchange.fetch(held.state, unlocker, accept_rollback=accept_rollback)
    if remote is None:
        raise NotFound
    if isinstance(remote, Lost):
        raise BackupLost(remote.version)
    content, local = remote.content, held.state
    state = local or State(exchange.random(DEVICE_ID_BYTES), new_device_name, 0, content)
    if device_name is not None:
        state = replace(state, device_name=device_name)
    if keep is None and replaces_identity(state.content, content):
        # What `confirm` is shown, and decides.
        keep = Keep.THEIRS
    merged = merge_keeping(state.content, content, keep)
    found = _found(exchange, remote, None if local is None else local.content, merged)
    if not confirm(found):
        raise NotConfirmed
    state = exchange.renewed_if_copied(replace(state, content=merged), content)
    # An accepted rollback is remembered at once: nothing follows here that could heal it. What was seen before stays
    # in the content's own vector, so that the next push uploads above it.
    state = held.write(exchange.remembering(state, content, remote.blob, remote.version, remote.key))
    # A push uploads what the server does not have, and seals anew what is sealed too weakly.
    pending = not state.remembered[exchange.account].holds(merged) or bool(weakness(remote.key.parameters))
    return RestoreResult(found, len(merged.live_contacts), local is None, pending, remote.key)


def _found(exchange: Exchange, remote: Remote, local: Backup | None, merged: Backup) -> Found:
    content = remote.content
    return Found(
        version=remote.version,
        size_bytes=len(remote.blob),
        sealed_at_ms=content.sealed_at_ms,
        device_name=content.device_name,
        contact_count=len(content.live_contacts),
        identity_public_key=content.identity.public_key,
        replaces_identity=local is not None and not same_identity(local, merged),
        keeps_other_identity=not same_identity(content, merged),
        local_contact_count=None if local is None else len(local.live_contacts),
        parameters=remote.key.parameters,
        ahead=tuple(contact.user_id for contact in contacts_ahead(content, exchange.now_ms())),
    )
