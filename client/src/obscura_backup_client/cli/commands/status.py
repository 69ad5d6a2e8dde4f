"""`obscura-client status`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from obscura_backup_client.cli.context import Run
from obscura_backup_client.cli.exits import Exit
from obscura_backup_client.cli.settings import global_options
from obscura_backup_client.cli.terminal.escaping import printable
from obscura_backup_client.cli.terminal.wording import contacts_text, moment

if TYPE_CHECKING:
    from obscura_backup_client.operations.results import Status

REMOTE = {
    "not-asked": "not asked: there is no token",
    "none": "no backup yet",
    "gone": "GONE, although this device has seen one",
    "same": "the one that this device last saw",
    "changed": "changed since this device last saw it",
    "never-seen": "there is one that this device has never opened",
}


@click.command()
@global_options
@click.pass_context
def status(context: click.Context) -> None:
    """Show this device beside the server. Needs no password, and without a token not even a server."""
    run = Run.of(context)
    found = run.connected().status()
    run.result(_facts(found), _text(found))
    if found.remote_state.value == "gone":
        context.exit(Exit.DECIDE)


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
        "last_seen": found.known
        and {
            "version": found.known.version,
            "sealed_at": moment(found.known.sealed_at_ms),
            "sealed_on": found.known.device_name,
            "contacts": found.known.contact_count,
        },
        "remote": {
            "state": found.remote_state.value,
            "version": found.remote and found.remote.version,
            "size_bytes": found.remote and found.remote.size_bytes,
            "updated_at": (found.remote and found.remote.updated_at) or None,
        },
    }


def _pushed(found: Status) -> str:
    if not found.pending:
        return "everything"
    if found.weakness:
        return f"sealed TOO WEAKLY when last seen ({found.weakness}): the next push seals it anew"
    return "not everything: this device has changes"


def _text(found: Status) -> str:
    lines = [
        f"State      {found.path}",
        f"Device     {printable(found.device_name) or '(no name)'}, {found.device_id.hex()}",
        f"Identity   {found.identity_public_key.hex()}, epoch {found.identity_epoch}",
        f"Contacts   {found.contact_count}" + (f" ({found.removed_count} removed)" if found.removed_count else ""),
    ]
    if found.account is not None:
        lines.append(f"Account    {found.account.user_id} at {found.account.server}")
        lines.append(f"Pushed     {_pushed(found)}")
    if found.known is not None:
        sealed = (
            f"{moment(found.known.sealed_at_ms)} on {printable(found.known.device_name) or 'a device without a name'}"
        )
        lines.append(
            f"Last seen  version {found.known.version}, sealed {sealed}, {contacts_text(found.known.contact_count)}"
        )
    remote = f"version {found.remote.version}: " if found.remote is not None else ""
    lines.append(f"Server     {remote}{REMOTE[found.remote_state.value]}")
    return "\n".join(lines)
