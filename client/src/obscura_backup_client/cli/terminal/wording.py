"""Times, counts and results as text for people."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from obscura_backup_client.cli.terminal.escaping import printable
from obscura_backup_client.content.errors import IdentityError
from obscura_backup_client.operations.errors import RollbackSuspected
from obscura_backup_client.sealing.errors import WrongPassword

if TYPE_CHECKING:
    from obscura_backup_client.content.model import Contact
    from obscura_backup_client.device.last_seen import BackupSummary
    from obscura_backup_client.errors import ClientError
    from obscura_backup_client.operations.contact_change import ContactChange
    from obscura_backup_client.operations.results import Changes


def timestamp_text(milliseconds: int) -> str:
    """Milliseconds since 1970 as RFC 3339 in UTC, to the second; the number itself beyond the calendar's range."""
    try:
        return datetime.fromtimestamp(milliseconds // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return f"{milliseconds} ms"


def contacts_text(count: int) -> str:
    """The number of contacts, in words."""
    return "1 contact" if count == 1 else f"{count} contacts"


def times_text(count: int) -> str:
    """The number of times, in words."""
    return "once" if count == 1 else f"{count} times"


def changes_text(changes: Changes) -> str:
    """The changes in words; empty for none."""
    counts = {"added": changes.added, "changed": changes.changed, "removed": changes.removed}
    said = [f"{contacts_text(count)} {word}" for word, count in counts.items() if count]
    said += ["another profile"] if changes.profile else []
    said += ["ANOTHER IDENTITY"] if changes.identity else []
    return ", ".join(said)


def merged_text(changes: Changes) -> str:
    """The changes from other devices as a sentence to append; empty for none."""
    return f" Merged from other devices: {changes_text(changes)}." if changes else ""


def contact_change_text(change: ContactChange) -> str:
    """What became of one contact, with the names before and afterwards."""
    before, after = change.before, change.after
    if before is None or after is None:
        did, contact = ("added", after) if before is None else ("removed", before)
        return f"{did:<8} {change.user_id}  {printable(contact.username if contact is not None else '')}"
    names = [printable(before.username)]
    if after.username != before.username:
        names.append(printable(after.username))
    key = "" if after.identity_key == before.identity_key else ", ANOTHER IDENTITY KEY"
    return f"changed  {change.user_id}  {' is now '.join(names)}{key}"


def _contact_facts(contact: Contact | None) -> dict[str, Any] | None:
    if contact is None:
        return None
    key = base64.b64encode(contact.identity_key).decode("ascii")
    return {"username": contact.username, "identity_key": key, "edited_at_ms": contact.stamp_ms}


def changes_facts(changes: Changes) -> dict[str, Any]:
    """The same as JSON members."""
    return {
        "added": changes.added,
        "changed": changes.changed,
        "removed": changes.removed,
        "profile": changes.profile,
        "identity": changes.identity,
        "named": [
            {
                "user_id": str(each.user_id),
                "before": _contact_facts(each.before),
                "after": _contact_facts(each.after),
            }
            for each in changes.contacts
        ],
    }


def summary_text(summary: BackupSummary) -> str:
    """A backup by the facts that a person can recognise."""
    device = printable(summary.device_name) or "a device without a name"
    return (
        f"version {summary.version}, sealed {timestamp_text(summary.sealed_at_ms)} on {device}, "
        f"{contacts_text(summary.contact_count)}, password set {times_text(summary.key_epoch)}"
    )


def summary_facts(summary: BackupSummary) -> dict[str, Any]:
    """The same as JSON members."""
    return {
        "version": summary.version,
        "sealed_at": timestamp_text(summary.sealed_at_ms),
        "sealed_on": summary.device_name,
        "contacts": summary.contact_count,
        "key_epoch": summary.key_epoch,
    }


def decision_help(error: ClientError) -> tuple[str, ...]:
    """The facts that a person needs for a decision, and the options that express it; one line each."""
    if isinstance(error, RollbackSuspected):
        found = "nothing" if error.found is None else summary_text(error.found)
        return (
            f"  expected     {summary_text(error.expected)}",
            f"  received     {found}",
            "  to continue  --accept-rollback",
        )
    if isinstance(error, IdentityError):
        return (
            f"  --keep mine    {error.local_public_key.hex()}, this device's",
            f"  --keep theirs  {error.remote_public_key.hex()}, the backup's",
        )
    if isinstance(error, WrongPassword):
        return (
            "  If the password was changed on another device, enter the new one.",
            "  If it is forgotten: on a device that has the identity and the contacts, `delete` the backup, then",
            "  `push` it under a new password. `status` shows what this device has.",
        )
    return ()
