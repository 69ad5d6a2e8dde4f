"""`obscura-client passwd`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from obscura_backup_client.cli.context import CommandContext
from obscura_backup_client.cli.settings import global_options
from obscura_backup_client.cli.terminal.choices import keep_of, parameters_of, push_options
from obscura_backup_client.cli.terminal.completion_values import files
from obscura_backup_client.cli.terminal.password_prompt import new_from_file
from obscura_backup_client.cli.terminal.wording import changes_facts, merged_text

if TYPE_CHECKING:
    from obscura_backup_client.operations.keys import NewSecret


@click.command()
@click.option(
    "--new-password-file",
    metavar="FILE",
    shell_complete=files,
    envvar="OBSCURA_NEW_PASSWORD_FILE",
    help="File whose first line is the new password; `-` for the next line of standard input. Default: ask.",
)
@push_options
@global_options
@click.pass_context
def passwd(
    context: click.Context,
    new_password_file: str | None,
    profile: str | None,
    keep: str | None,
    *,
    accept_rollback: bool,
    accept_weak: bool,
) -> None:
    """Change the backup's password. Asks for the current password, then twice for the new one.

    Also merges what other devices pushed. Afterwards the server's backup opens with the new password only. Copies made
    earlier still open with the old password, and nothing can change that: if another person knows the old password,
    assume that this person can read the identity and the contacts in such a copy.
    """
    command = CommandContext.of(context)
    parameters = parameters_of(command, profile)
    secret: NewSecret = command.secret(accept_weak=accept_weak, changes=True)
    new_secret = secret
    if new_password_file is not None:
        # Both may come from standard input, one line each: the current password is read first.
        secret = command.read_password() or secret
        new_secret = new_from_file(new_password_file, accept_weak)
    client = command.connected()
    if new_password_file is not None:
        client = replace(client, password_is_typed=False)
    command.confirm_account(client)
    result = client.change_password(
        secret,
        new_secret,
        parameters=parameters,
        keep=keep_of(keep),
        accept_rollback=accept_rollback,
        confirm_memory=command.confirm_memory,
    )
    command.warn_future_dated(result.future_dated)
    command.name_changes(result.merged, "Merged from other devices")
    facts = {
        "changed": result.uploaded,
        "version": result.version,
        "contacts": result.contact_count,
        "merged": changes_facts(result.merged),
    }
    merged = merged_text(result.merged)
    if not result.uploaded:
        command.result(facts, f"The backup, version {result.version}, already opens with the new password.{merged}")
        return
    command.note("Earlier copies of the backup, on the server or elsewhere, still open with the old password.")
    command.result(facts, f"Password changed in version {result.version}.{merged}")
