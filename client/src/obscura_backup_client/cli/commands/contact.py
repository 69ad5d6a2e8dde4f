"""`obscura-client contact`."""

from __future__ import annotations

import base64
import unicodedata
from typing import TYPE_CHECKING, Any

import click

from obscura_backup_client.cli.context import CommandContext
from obscura_backup_client.cli.settings import global_options, read_file
from obscura_backup_client.cli.terminal.completion_values import files
from obscura_backup_client.cli.terminal.escaping import printable
from obscura_backup_client.cli.terminal.wording import contacts_text, timestamp_text

if TYPE_CHECKING:
    from uuid import UUID

    from obscura_backup_client.content.model import Contact


def _user_id(_context: click.Context, _parameter: click.Parameter, value: str) -> UUID:
    from obscura_backup_client.content.user_ids import parse_user_id

    user_id = parse_user_id(value)
    if user_id is None:
        raise click.BadParameter(f"{value!r} is not a UUID of the form 0b0b0b0b-0000-4000-8000-000000000b0b.")
    return user_id


def _identity_key(_context: click.Context, _parameter: click.Parameter, value: str) -> bytes:
    """A public key in hex or Base64."""
    from obscura_backup_client.formats.identity_keys import MalformedKeyError, parse_identity_key

    try:
        return parse_identity_key(value)
    except MalformedKeyError as malformed:
        raise click.BadParameter(f"{malformed}.") from None


@click.group()
@global_options
def contact() -> None:
    """Add, rename, remove, list and import contacts on this device. The next push uploads the changes."""


@contact.command()
@click.argument("user_id", callback=_user_id)
@click.argument("username")
@click.option(
    "--identity-key", callback=_identity_key, default="", help="The contact's public identity key, in hex or Base64."
)
@global_options
@click.pass_context
def add(context: click.Context, user_id: UUID, username: str, identity_key: bytes) -> None:
    """Add a contact, or change its name or key."""
    from obscura_backup_client.content.editing import NewContact

    command = CommandContext.of(context)
    result = command.local().put_contacts([NewContact(user_id, username, identity_key)])
    word = "Added" if result.added else "Changed" if result.changed else "Already there:"
    facts = {
        "user_id": str(user_id),
        "username": username,
        "added": bool(result.added),
        "changed": bool(result.changed),
    }
    command.result(facts, f"{word} {printable(username)} ({user_id}).")


@contact.command()
@click.argument("user_id", callback=_user_id)
@global_options
@click.pass_context
def remove(context: click.Context, user_id: UUID) -> None:
    """Remove a contact on this device, and on other devices after both have pushed."""
    command = CommandContext.of(context)
    command.local().remove_contact(user_id)
    command.result({"user_id": str(user_id), "removed": True}, f"Removed {user_id}.")


@contact.command()
@click.argument("user_id", callback=_user_id)
@click.argument("username")
@global_options
@click.pass_context
def rename(context: click.Context, user_id: UUID, username: str) -> None:
    """Change a contact's name. Its key stays."""
    command = CommandContext.of(context)
    renamed = command.local().rename_contact(user_id, username)
    command.result(_facts(renamed), f"{user_id} is now {printable(renamed.username)}.")


@contact.command()
@click.argument("user_id", callback=_user_id)
@global_options
@click.pass_context
def show(context: click.Context, user_id: UUID) -> None:
    """Show a contact's name, identity key and last edit."""
    command = CommandContext.of(context)
    found = command.local().contact(user_id)
    lines = [
        f"User id  {found.user_id}",
        f"Name     {printable(found.username)}",
        f"Key      {found.identity_key.hex() or 'unknown'}",
        f"Edited   {timestamp_text(found.stamp_ms)}",
    ]
    command.result(_facts(found), "\n".join(lines))


@contact.command("list")
@click.argument("word", default="")
@click.option("--limit", metavar="N", type=click.IntRange(min=1), help="Show at most N contacts. [default: all]")
@click.option("--offset", metavar="N", type=click.IntRange(min=0), default=0, help="Skip the first N contacts.")
@global_options
@click.pass_context
def list_(context: click.Context, word: str, limit: int | None, offset: int) -> None:
    """List the contacts, by name. With WORD, only those whose name contains it or whose user id begins with it.

    Upper and lower case do not matter. With --limit, the result says where the next page begins.
    """
    command = CommandContext.of(context)
    found = sorted(
        (each for each in command.local().contacts() if _matches(each, word)),
        key=lambda each: (each.username.casefold(), each.user_id.bytes),
    )
    end = len(found) if limit is None else min(offset + limit, len(found))
    page, next_offset = found[offset:end], end if end < len(found) else None
    facts = {"contacts": [_facts(each) for each in page], "total": len(found), "next_offset": next_offset}
    if page or command.settings.as_json:
        command.result(facts, "\n".join(f"{each.user_id}  {printable(each.username)}" for each in page))
    elif found:
        command.note(f"There are only {contacts_text(len(found))}.")
    else:
        command.note("No contact matches." if word else "There are no contacts yet.")
    if page and next_offset is not None:
        command.note(f"{len(page)} of {contacts_text(len(found))}. The next page: --offset {next_offset}")


@contact.command("import")
@click.argument("file", metavar="FILE|-", shell_complete=files)
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["csv", "vcard", "json"]),
    help="Default: detected from the name or the content.",
)
@global_options
@click.pass_context
def import_(context: click.Context, file: str, file_format: Any) -> None:
    """Add or change all contacts of a CSV, JSON or vCard file. If any entry is invalid, nothing changes."""
    from obscura_backup_client.content.editing import NewContact
    from obscura_backup_client.formats.contacts import MAX_CONTACT_FILE_BYTES, read_contacts

    command = CommandContext.of(context)
    content = read_file(file, max_bytes=MAX_CONTACT_FILE_BYTES + 1)
    found = read_contacts(content, file_format=file_format, name="" if file == "-" else file)
    result = command.local().put_contacts(
        [NewContact(each.user_id, each.username, each.identity_key) for each in found]
    )
    facts = {"added": result.added, "changed": result.changed, "unchanged": result.unchanged}
    command.result(facts, f"{result.added} added, {result.changed} changed, {result.unchanged} unchanged.")


def _facts(each: Contact) -> dict[str, Any]:
    return {
        "user_id": str(each.user_id),
        "username": each.username,
        "identity_key": base64.b64encode(each.identity_key).decode("ascii"),
        "edited_at_ms": each.stamp_ms,
    }


def _matches(each: Contact, word: str) -> bool:
    return _folded(word) in _folded(each.username) or str(each.user_id).startswith(word.lower())


def _folded(text: str) -> str:
    """The text without differences of case and of equivalent spellings in Unicode."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
