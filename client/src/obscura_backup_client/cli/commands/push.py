"""`obscura-client push`."""

from __future__ import annotations

import click

from obscura_backup_client.cli.context import CommandContext
from obscura_backup_client.cli.settings import global_options
from obscura_backup_client.cli.terminal.attack_cost import parameters_facts, parameters_text
from obscura_backup_client.cli.terminal.choices import keep_of, parameters_of, push_options
from obscura_backup_client.cli.terminal.wording import changes_facts, contacts_text, merged_text


@click.command()
@push_options
@global_options
@click.pass_context
def push(
    context: click.Context, profile: str | None, keep: str | None, *, accept_rollback: bool, accept_weak: bool
) -> None:
    """Merge with the backup on the server, and upload the result if it has anything new.

    Asks for the password only if something must be opened or sealed; twice if this sets the password.
    """
    from obscura_backup_client.sealing.kdf import weakness

    command = CommandContext.of(context)
    client = command.connected()
    command.confirm_account(client)
    result = client.push(
        command.secret(accept_weak=accept_weak),
        parameters=parameters_of(command, profile),
        keep=keep_of(keep),
        accept_rollback=accept_rollback,
        confirm_memory=command.confirm_memory,
    )
    command.warn_future_dated(result.future_dated)
    command.name_changes(result.merged, "Merged from other devices")
    facts = {
        "uploaded": result.uploaded,
        "version": result.version,
        "contacts": result.contact_count,
        "merged": changes_facts(result.merged),
        "size_bytes": result.size_bytes,
        "resealed_from": result.resealed_from and parameters_facts(result.resealed_from),
    }
    did = "Pushed" if result.uploaded else "Already up to date"
    merged = merged_text(result.merged)
    resealed = ""
    if result.resealed_from is not None and result.key is not None:
        before, now = parameters_text(result.resealed_from), parameters_text(result.key.parameters)
        resealed = f" Another program had sealed it with {before}. It is now sealed with {now}."
        if weakness(result.resealed_from):
            command.note(f"Earlier copies of the backup are still sealed too weakly ({before}), and cheap to guess.")
    command.result(facts, f"{did} (version {result.version}, {contacts_text(result.contact_count)}).{merged}{resealed}")
