"""`obscura-client new`."""

from __future__ import annotations

import platform

import click

from obscura_backup_client.cli.context import CommandContext
from obscura_backup_client.cli.settings import global_options


@click.command()
@click.option(
    "--device-name", metavar="TEXT", help="A name by which you recognise this device. Default: its host name."
)
@global_options
@click.pass_context
def new(context: click.Context, device_name: str | None) -> None:
    """Create a new identity on this device.

    An existing identity is never overwritten. Needs no server and no password.
    """
    from obscura_backup_client.content.names import sanitized_device_name

    command = CommandContext.of(context)
    state = command.local().create(sanitized_device_name(platform.node()) if device_name is None else device_name)
    public_key = state.content.identity.public_key.hex()
    facts = {
        "state": str(command.settings.state),
        "device_id": state.device_id.hex(),
        "device_name": state.device_name,
        "identity_public_key": public_key,
    }
    command.result(facts, f"Created a new identity in {command.settings.state}\nPublic key: {public_key}")
