"""`obscura-client status`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from obscura_backup_client.cli.context import CommandContext
from obscura_backup_client.cli.exits import ExitCode, UnreadableFile
from obscura_backup_client.cli.settings import global_options
from obscura_backup_client.cli.terminal.escaping import printable
from obscura_backup_client.cli.terminal.wording import contacts_text, timestamp_text

if TYPE_CHECKING:
    from obscura_backup_client.client import BackupClient
    from obscura_backup_client.operations.results import Status

REMOTE_STATE_TEXTS = {
    "not-asked": "not asked (no token)",
    "unknown": "not known, because it gave no usable answer",
    "none": "no backup yet",
    "gone": "NO BACKUP, although this device has seen one",
    "same": "unchanged since this device last saw it",
    "changed": "changed since this device last saw it",
    "never-seen": "a backup that this device has never opened",
}


@click.command()
@global_options
@click.pass_context
def status(context: click.Context) -> None:
    """Compare this device with the server's backup. Needs no password.

    Without a token, or if the server cannot be asked, it shows what this device knows by itself.
    """
    from obscura_backup_client.transport.errors import TransportError

    command = CommandContext.of(context)
    client = command.local()
    try:
        client = command.with_server(client)
        found = client.status()
    except (TransportError, UnreadableFile):
        _show_this_device(command, client)
        raise
    command.result(_facts(found), _text(found))
    if found.remote_state.value == "gone":
        context.exit(ExitCode.DECIDE)


def _show_this_device(command: CommandContext, client: BackupClient) -> None:
    """Show what needs no server. Without an identity there is nothing to show, and the first error is reported."""
    from obscura_backup_client.device.errors import StateError
    from obscura_backup_client.operations.results import RemoteState

    with suppress(StateError):
        found = replace(client.status(ask_server=False), remote_state=RemoteState.UNKNOWN)
        command.result(_facts(found), _text(found))


def _facts(found: Status) -> dict[str, Any]:
    return {
        "state": str(found.path),
        "device_id": found.device_id.hex(),
        "device_name": found.device_name,
        "identity_public_key": found.identity_public_key.hex(),
        "identity_epoch": found.identity_epoch,
        "contacts": found.contact_count,
        "removed_contacts": found.removed_count,
        "pending": found.pending,
        "weakness": found.weakness or None,
        "account": found.account and {"server": found.account.server, "user_id": str(found.account.user_id)},
        "last_seen": found.last_seen
        and {
            "version": found.last_seen.version,
            "sealed_at": timestamp_text(found.last_seen.sealed_at_ms),
            "sealed_on": found.last_seen.device_name,
            "contacts": found.last_seen.contact_count,
        },
        "undo_merged_at": None if found.undo_merged_at_ms is None else timestamp_text(found.undo_merged_at_ms),
        "password_typed_at": _password_typed_at(found),
        "password_check_due": found.password_check_due,
        "remote": {
            "state": found.remote_state.value,
            "version": found.remote and found.remote.version,
            "size_bytes": found.remote and found.remote.size_bytes,
            "updated_at": (found.remote and found.remote.updated_at) or None,
            "deleted_at": _deleted_at(found),
        },
    }


def _pushed(found: Status) -> str:
    if not found.pending:
        return "everything"
    if found.weakness:
        return f"sealed TOO WEAKLY when last seen ({found.weakness}): the next push seals it again"
    return "incomplete: this device has changes that were not pushed"


def _text(found: Status) -> str:
    lines = [
        f"State      {found.path}",
        f"Device     {printable(found.device_name) or '(no name)'}, {found.device_id.hex()}",
        f"Identity   {found.identity_public_key.hex()}, epoch {found.identity_epoch}",
        f"Contacts   {contacts_text(found.contact_count)}"
        + (f", {found.removed_count} more removed" if found.removed_count else ""),
    ]
    if found.undo_merged_at_ms is not None:
        lines.append(f"Undo       takes back what was merged at {timestamp_text(found.undo_merged_at_ms)}")
    if found.account is not None:
        lines.append(f"Account    {found.account.user_id} at {found.account.server}")
        lines.append(f"Pushed     {_pushed(found)}")
    if found.last_seen is not None:
        seen = found.last_seen
        sealed = f"{timestamp_text(seen.sealed_at_ms)} on {printable(seen.device_name) or 'a device without a name'}"
        lines.append(f"Last seen  version {seen.version}, sealed {sealed}, {contacts_text(seen.contact_count)}")
        lines.append(f"Password   {_password_text(found)}")
    remote = f"version {found.remote.version}: " if found.remote is not None else ""
    lines.append(f"Server     {remote}{_deleted_text(found) or REMOTE_STATE_TEXTS[found.remote_state.value]}")
    return "\n".join(lines)


def _password_typed_at(found: Status) -> str | None:
    known = found.last_seen
    return None if known is None or known.password_typed_at_ms is None else timestamp_text(known.password_typed_at_ms)


def _password_text(found: Status) -> str:
    typed_at = _password_typed_at(found)
    typed = "never typed on this device" if typed_at is None else f"last typed on this device {typed_at}"
    return f"{typed}. Do you still know it? `verify` finds out" if found.password_check_due else typed


def _deleted_at(found: Status) -> str | None:
    known = found.last_seen
    if found.remote_state.value != "none" or known is None or known.deleted_at_ms is None:
        return None
    return timestamp_text(known.deleted_at_ms)


def _deleted_text(found: Status) -> str:
    """That this device deleted the backup; empty otherwise."""
    if found.remote_state.value != "none" or found.last_seen is None:
        return ""
    deleted_at = _deleted_at(found)
    # Earlier versions did not record the time.
    return "deleted by this device" + ("" if deleted_at is None else f" at {deleted_at}")
