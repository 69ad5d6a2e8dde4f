"""Times, counts and names as people read them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from obscura_backup_client.cli.terminal.escaping import printable
from obscura_backup_client.content.errors import IdentityError
from obscura_backup_client.operations.errors import RollbackSuspected
from obscura_backup_client.sealing.errors import WrongPassword

if TYPE_CHECKING:
    from obscura_backup_client.device.remembered import Sighting
    from obscura_backup_client.errors import ClientError
    from obscura_backup_client.operations.results import Changes


def moment(milliseconds: int) -> str:
    """Milliseconds since 1970 as RFC 3339 in UTC, to the second; the number itself where no calendar goes that far."""
    try:
        return datetime.fromtimestamp(milliseconds // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return f"{milliseconds} ms"


def contacts_text(count: int) -> str:
    """So many contacts, in words."""
    return "1 contact" if count == 1 else f"{count} contacts"


def changes_text(changes: Changes) -> str:
    """The changes in words, empty where there are none."""
    counts = {"added": changes.added, "changed": changes.changed, "removed": changes.removed}
    said = [f"{contacts_text(count)} {word}" for word, count in counts.items() if count]
    said += ["another profile"] if changes.profile else []
    said += ["ANOTHER IDENTITY"] if changes.identity else []
    return ", ".join(said)


def changes_facts(changes: Changes) -> dict[str, Any]:
    """The same for programs."""
    return {
        "added": changes.added,
        "changed": changes.changed,
        "removed": changes.removed,
        "profile": changes.profile,
        "identity": changes.identity,
    }


def sighting_text(sighting: Sighting) -> str:
    """A backup as a person would recognise it."""
    device = printable(sighting.device_name) or "a device without a name"
    return (
        f"version {sighting.version}, sealed {moment(sighting.sealed_at_ms)} on {device}, "
        f"{contacts_text(sighting.contact_count)}, password number {sighting.key_epoch}"
    )


def sighting_facts(sighting: Sighting) -> dict[str, Any]:
    """The same for programs."""
    return {
        "version": sighting.version,
        "sealed_at": moment(sighting.sealed_at_ms),
        "sealed_on": sighting.device_name,
        "contacts": sighting.contact_count,
        "key_epoch": sighting.key_epoch,
    }


def particulars(error: ClientError) -> tuple[str, ...]:
    """What a person has to look at before deciding, and how they say what they decided; a line each."""
    if isinstance(error, RollbackSuspected):
        found = "nothing" if error.found is None else sighting_text(error.found)
        return (f"  expected  {sighting_text(error.expected)}", f"  came      {found}", "  go on     --accept-rollback")
    if isinstance(error, IdentityError):
        return (
            f"  --keep mine    {error.local_public_key.hex()}, this device's",
            f"  --keep theirs  {error.remote_public_key.hex()}, the backup's",
        )
    if isinstance(error, WrongPassword):
        return ("  If it was changed on another device, the new one is asked for here, too.",)
    return ()
