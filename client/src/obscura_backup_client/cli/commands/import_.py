"""`obscura-client import`."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import click

from obscura_backup_client.cli.context import CommandContext
from obscura_backup_client.cli.settings import global_options, read_file
from obscura_backup_client.cli.terminal.choices import keep_of, keep_option
from obscura_backup_client.cli.terminal.completion_values import files
from obscura_backup_client.cli.terminal.wording import changes_facts, contacts_text

if TYPE_CHECKING:
    from obscura_backup_client.operations.export import ImportPreview


@click.command("import")
@click.argument("file", metavar="FILE|-", shell_complete=files)
@keep_option
@global_options
@click.pass_context
def import_(context: click.Context, file: str, keep: str | None) -> None:
    """Merge a file that `export` wrote, edited or not, into this device. Without an identity it becomes the new state.

    If both have a contact, the later edit wins. A changed entry without `edited_at_ms` counts as edited now. Shows the
    changes and asks for confirmation. For address books use `contact import`.
    """
    from obscura_backup_client.content.names import sanitized_device_name
    from obscura_backup_client.formats.export_reading import MAX_EXPORT_BYTES

    command = CommandContext.of(context)
    result = command.local().import_payload(
        read_file(file, max_bytes=MAX_EXPORT_BYTES + 1),
        confirm=lambda found: _confirmed(command, found),
        keep=keep_of(keep),
        new_device_name=sanitized_device_name(platform.node()),
    )
    facts = {
        "added": result.changes.added,
        "changed": result.changes.changed,
        "removed": result.changes.removed,
        "profile_changed": result.changes.profile,
        "key_epoch": result.key_epochs[1],
        "identity_epoch": result.identity_epochs[1],
        "devices_changed": result.writer_changes,
        "contacts": result.contact_count,
        "new_device": result.local_contact_count is None,
        "named": changes_facts(result.changes)["named"],
    }
    command.result(facts, f"Imported: {_counts(result)}. This device has {contacts_text(result.contact_count)} now.")


def _counts(found: ImportPreview) -> str:
    profile = ", another profile picture" if found.changes.profile else ""
    return f"{found.changes.added} added, {found.changes.changed} changed, {found.changes.removed} removed{profile}"


def _confirmed(command: CommandContext, found: ImportPreview) -> bool:
    if found.local_contact_count is None:
        command.note("There is no identity on this device. The file's identity becomes this device's.")
    else:
        command.note(f"The file is merged with {contacts_text(found.local_contact_count)} on this device.")
    command.note(f"  contacts   {_counts(found)}")
    command.name_changes(found.changes, "  contact by contact")
    command.note(f"  identity   {found.identity_public_key.hex()}")
    for what, (before, after) in (("password", found.key_epochs), ("identity", found.identity_epochs)):
        # These change no contact, but no device can lower them again.
        if before != after:
            command.note(f"  counters   {what} set {after} times instead of {before}")
    if found.writer_changes:
        command.note(f"  devices    newer uploads of {found.writer_changes}")
    if found.replaces_identity:
        command.note("Warning: the file holds ANOTHER IDENTITY, which replaces this device's keys.")
    if found.keeps_other_identity:
        command.note("Warning: the file holds ANOTHER IDENTITY. This device keeps its own.")
    command.warn_future_dated(found.future_dated)
    return command.settings.assume_yes or command.environment.ask_yes("Import this file?")
