"""`obscura-client verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from obscura_backup_client.cli.context import CommandContext
from obscura_backup_client.cli.exits import ExitCode
from obscura_backup_client.cli.settings import global_options
from obscura_backup_client.cli.terminal.attack_cost import parameters_facts
from obscura_backup_client.cli.terminal.wording import changes_facts, changes_text, summary_facts, summary_text

if TYPE_CHECKING:
    from obscura_backup_client.operations.results import VerifyResult


@click.command()
@global_options
@click.pass_context
def verify(context: click.Context) -> None:
    """Fetch the backup, open it with the password, and compare it with this device. Changes nothing on either side.

    Type the password here about once a month: while this device has everything, a forgotten password can be replaced.

    The exit code is 0 if the backup opens and is no older than what this device saw, and 5 if you have to decide.
    """
    command = CommandContext.of(context)
    found = command.connected().verify(command.secret(), confirm_memory=command.confirm_memory)
    command.warn_future_dated(found.future_dated)
    for changes, heading in ((found.incoming, "Incoming"), (found.outgoing, "Outgoing")):
        if changes is not None:
            command.name_changes(changes, heading)
    command.result(_facts(found), _text(found))
    if not found.is_ok:
        context.exit(ExitCode.DECIDE)


def _facts(found: VerifyResult) -> dict[str, Any]:
    return {
        "well": found.is_ok,
        "found": summary_facts(found.found),
        "expected": found.expected and summary_facts(found.expected),
        "suspicions": list(found.suspicions),
        "size_bytes": found.size_bytes,
        **parameters_facts(found.parameters),
        "weakness": found.weakness or None,
        "identity_public_key": found.identity_public_key.hex(),
        "identity_epoch": found.identity_epoch,
        "same_identity": found.same_identity,
        "incoming": None if found.incoming is None else changes_facts(found.incoming),
        "outgoing": None if found.outgoing is None else changes_facts(found.outgoing),
    }


def _text(found: VerifyResult) -> str:
    lines = [
        f"Opened     {summary_text(found.found)}, {found.size_bytes} bytes",
        f"Sealed by  {found.parameters}",
        f"Identity   {found.identity_public_key.hex()}, epoch {found.identity_epoch}",
    ]
    if found.weakness:
        lines.append(f"WEAK       {found.weakness}: the next push seals it again")
    if found.suspicions:
        lines.append(f"ALARM      not the latest backup that this device saw ({', '.join(found.suspicions)})")
    if found.expected is not None:
        lines.append(f"Last seen  {summary_text(found.expected)}")
    if found.same_identity is not None:
        lines.append(f"Device     {'has the same identity' if found.same_identity else 'has ANOTHER IDENTITY'}")
    if found.incoming is not None and found.outgoing is not None:
        lines.append(f"Incoming   {changes_text(found.incoming) or 'nothing new for this device'}")
        lines.append(f"Outgoing   {changes_text(found.outgoing) or 'nothing new for the backup'}")
    return "\n".join(lines)
