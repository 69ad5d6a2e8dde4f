"""`obscura-client profile`."""

from __future__ import annotations

import base64
from typing import Any

import click

from obscura_backup_client.cli.context import CommandContext
from obscura_backup_client.cli.exits import UnreadableFile
from obscura_backup_client.cli.settings import display_name, global_options, read_password_line
from obscura_backup_client.cli.terminal.completion_values import files
from obscura_backup_client.cli.terminal.escaping import printable
from obscura_backup_client.cli.terminal.wording import timestamp_text


@click.group()
@global_options
def profile() -> None:
    """Set, show and clear the reference to your profile picture. The next push uploads the change.

    The reference is the picture's attachment id in the messenger, and the key that decrypts it.
    """


@profile.command("set")
@click.argument("attachment_id")
@click.option(
    "--key-file",
    metavar="FILE|-",
    required=True,
    shell_complete=files,
    help="File whose first line is the picture's decryption key, in hex or Base64; `-` for standard input.",
)
@global_options
@click.pass_context
def set_(context: click.Context, attachment_id: str, key_file: str) -> None:
    """Set the attachment id and the decryption key of your profile picture."""
    if not attachment_id:
        raise click.BadParameter("it is empty. `profile clear` removes the reference.", param_hint="'ATTACHMENT_ID'")
    command = CommandContext.of(context)
    key = _read_key(key_file)
    command.local().set_profile(attachment_id, key)
    facts = {"attachment_id": attachment_id, "decryption_key_bytes": len(key)}
    command.result(facts, f"The profile picture is now {printable(attachment_id)}.")


@profile.command()
@click.option("--with-key", is_flag=True, help="Show the decryption key, too.")
@global_options
@click.pass_context
def show(context: click.Context, *, with_key: bool) -> None:
    """Show the reference to your profile picture. The decryption key is a secret: it is shown only with --with-key."""
    command = CommandContext.of(context)
    found = command.local().profile()
    if found is None:
        if command.settings.as_json:
            command.result({"profile": None}, "")
        else:
            command.note("There is no profile picture.")
        return
    key = base64.b64encode(found.decryption_key).decode("ascii")
    facts: dict[str, Any] = {
        "attachment_id": found.attachment_id,
        "decryption_key_bytes": len(found.decryption_key),
        "edited_at_ms": found.stamp_ms,
    }
    if with_key:
        facts["decryption_key"] = key
    lines = [
        f"Attachment  {printable(found.attachment_id)}",
        f"Key         {key if with_key else f'{len(found.decryption_key)} bytes'}",
        f"Edited      {timestamp_text(found.stamp_ms)}",
    ]
    command.result({"profile": facts}, "\n".join(lines))


@profile.command()
@global_options
@click.pass_context
def clear(context: click.Context) -> None:
    """Remove the reference to your profile picture on this device, and on others with the next push."""
    command = CommandContext.of(context)
    client = command.local()
    had_one = client.profile() is not None
    if had_one:
        client.set_profile("", b"")
    command.result({"cleared": had_one}, "The profile picture is cleared." if had_one else "There was none.")


def _read_key(name: str) -> bytes:
    """The key in the first line of a file. No error quotes it.

    Raises:
        UnreadableFile: the file cannot be read, or its first line is not a key.
    """
    from obscura_backup_client.formats.identity_keys import MalformedKeyError, parse_identity_key

    try:
        key = parse_identity_key(read_password_line(name).decode("ascii", "replace"), what="decryption key")
    except MalformedKeyError as malformed:
        raise UnreadableFile(display_name(name), str(malformed)) from None
    if not key:
        raise UnreadableFile(display_name(name), "its first line is empty")
    return key
