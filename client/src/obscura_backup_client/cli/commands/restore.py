"""`obscura-client restore`."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import click

from obscura_backup_client.cli.context import CommandContext
from obscura_backup_client.cli.settings import global_options
from obscura_backup_client.cli.terminal.choices import keep_of, keep_option, rollback_option
from obscura_backup_client.cli.terminal.escaping import printable
from obscura_backup_client.cli.terminal.wording import changes_facts, contacts_text, timestamp_text

if TYPE_CHECKING:
    from obscura_backup_client.operations.results import RestorePreview


@click.command()
@click.option(
    "--device-name",
    metavar="TEXT",
    help="Name this device. Default: the host name for a new device, else the present name.",
)
@keep_option
@rollback_option
@global_options
@click.pass_context
def restore(context: click.Context, device_name: str | None, keep: str | None, *, accept_rollback: bool) -> None:
    """Restore identity and contacts to this device.

    Shows when and on which device the backup was made, and asks before anything changes. Data on this device is kept
    and merged.
    """
    from obscura_backup_client.content.names import sanitized_device_name
    from obscura_backup_client.sealing.kdf import weakness

    command = CommandContext.of(context)
    result = command.connected().restore(
        command.secret(),
        confirm=lambda found: _confirmed(command, found),
        device_name=device_name,
        new_device_name=sanitized_device_name(platform.node()),
        keep=keep_of(keep),
        accept_rollback=accept_rollback,
        confirm_memory=command.confirm_memory,
    )
    facts = {
        "version": result.found.version,
        "sealed_at": timestamp_text(result.found.sealed_at_ms),
        "sealed_on": result.found.device_name,
        "contacts": result.contact_count,
        "new_device": result.new_device,
        "pending": result.pending,
        "can_undo": result.can_undo,
        "merged": changes_facts(result.merged),
    }
    pending = " This device has changes that are not in the backup. Push them." if result.pending else ""
    if weakness(result.found.parameters):
        pending = " Push now: the backup is sealed too weakly, and a push seals it again."
    command.name_changes(result.merged, "Changed on this device")
    if result.can_undo:
        command.note("`undo` brings back what this device had before, until the next push.")
    command.result(
        facts, f"Restored from version {result.found.version}: {contacts_text(result.contact_count)}.{pending}"
    )


def _confirmed(command: CommandContext, found: RestorePreview) -> bool:
    from obscura_backup_client.sealing.kdf import weakness

    command.note(
        f"Found version {found.version} ({found.size_bytes} bytes), sealed {timestamp_text(found.sealed_at_ms)}"
    )
    command.note(f"  on         {printable(found.device_name) or 'a device without a name'}")
    command.note(f"  contacts   {found.contact_count}")
    command.note(f"  identity   {found.identity_public_key.hex()}")
    command.note(f"  sealed by  {found.parameters}")
    if reason := weakness(found.parameters):
        command.note(
            f"Warning: another program sealed it too weakly ({reason}). It is cheap to guess until the next push."
        )
    if found.local_contact_count is not None:
        command.note(f"It is merged with {contacts_text(found.local_contact_count)} on this device.")
    if found.replaces_identity:
        command.note("Warning: it holds ANOTHER IDENTITY, which replaces this device's keys.")
    if found.keeps_other_identity:
        command.note("Warning: it holds ANOTHER IDENTITY. This device keeps its own, and the next push replaces the")
        command.note("backup's. Other devices ask before they accept it.")
    command.warn_future_dated(found.future_dated)
    return command.settings.assume_yes or command.environment.ask_yes("Restore this backup?")
