"""Exporting the unencrypted payload to a file, and importing it back into the state."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from obscura_backup_client.content import editing
from obscura_backup_client.content.codec import encode
from obscura_backup_client.content.merge import future_dated_contacts, merge_keeping, same_identity
from obscura_backup_client.content.model import DEVICE_ID_BYTES, Backup, Contact
from obscura_backup_client.device.atomic_files import create_file, replace_file
from obscura_backup_client.device.state import State, with_new_id_if_copied
from obscura_backup_client.formats.errors import ExportExists, ExportRefused, ExportUnwritable
from obscura_backup_client.formats.export_reading import decode_payload
from obscura_backup_client.operations.changes import changes
from obscura_backup_client.operations.errors import NotConfirmed
from obscura_backup_client.operations.undo import with_undo_point
from obscura_backup_client.sealing.sealed import MAX_PAYLOAD_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from obscura_backup_client.content.merge import Keep
    from obscura_backup_client.device.directory import StateDirectory
    from obscura_backup_client.formats.export_reading import ParsedExport
    from obscura_backup_client.operations.results import Changes
    from obscura_backup_client.sealing.sealed import RandomBytes

# The prefix of a temporary file, which a crash may leave beside an export. It may hold the private key.
TEMPORARY_PREFIX: Final = ".obscura-export-"
# Devices are never removed from the list, and the format allows 4,096: a file must leave room for future devices.
MAX_WRITERS_BY_IMPORT: Final = 1024


@dataclass(frozen=True, slots=True)
class ImportPreview:
    """What an import changes. It is shown before anything is written, and returned afterwards.

    Key epochs, identity epochs and writers only ever grow: no device can lower them again.

    Attributes:
        changes: to contacts, profile and identity.
        contact_count: contacts on this device after the import.
        local_contact_count: contacts before it; None if this device has no identity.
        identity_public_key: the identity after the import, 32 or 33 bytes.
        replaces_identity: whether the file's keys replace this device's.
        keeps_other_identity: whether the file's keys differ and are not taken.
        key_epochs: how often the password was set, before and after.
        identity_epochs: of the identity, before and after.
        writer_changes: number of devices of which the file holds later sealings.
        future_dated: user ids of contacts edited more than a day in the future.
    """

    changes: Changes
    contact_count: int
    local_contact_count: int | None
    identity_public_key: bytes
    replaces_identity: bool
    keeps_other_identity: bool
    key_epochs: tuple[int, int]
    identity_epochs: tuple[int, int]
    writer_changes: int
    future_dated: tuple[UUID, ...] = ()


def write_export(
    path: Path,
    encoded: bytes,
    *,
    overwrite: bool,
    directory: StateDirectory | None = None,
    random: RandomBytes = os.urandom,
) -> None:
    """Write an export that only this user can read, completely or not at all. A link's target is written.

    Args:
        path: the file to write.
        encoded: its content.
        overwrite: whether to replace an existing file.
        directory: the state directory, whose own files are never created or replaced.
        random: returns unpredictable bytes.

    Raises:
        ExportExists: `path` exists, and not `overwrite`.
        ExportUnwritable: the operating system refused, `path` is not a file, or it is one of the client's own files.
            An existing file is unchanged.
    """
    try:
        if directory is not None and directory.owns(path):
            raise ExportUnwritable(path, "the client keeps its own files there")
        target = Path(os.path.realpath(path)) if overwrite else path
        temporary = target.with_name(f"{TEMPORARY_PREFIX}{random(8).hex()}")
        if overwrite and target.exists() and not stat.S_ISREG(target.stat().st_mode):
            # Renaming over a device or a pipe would remove it for every other program.
            raise ExportUnwritable(path, "it is not a regular file; use `-` for standard output")
        if overwrite:
            replace_file(target, encoded, temporary=temporary)
        else:
            create_file(target, encoded, temporary=temporary)
    except FileExistsError:
        raise ExportExists(path) from None
    except (OSError, ValueError) as error:  # ValueError: an empty name, or one with a zero byte
        reason = error.strerror if isinstance(error, OSError) else None
        raise ExportUnwritable(path, reason or "invalid file name") from error


def import_payload(
    directory: StateDirectory,
    encoded: bytes,
    *,
    confirm: Callable[[ImportPreview], bool],
    keep: Keep | None,
    new_device_name: str,
    random: RandomBytes,
    now_ms: Callable[[], int],
) -> ImportPreview:
    """See `LocalClient.import_payload`, which says what is raised."""
    now = now_ms()
    exported = decode_payload(encoded, now_ms=now)
    with directory.locked() as locked_state:
        local, content = locked_state.state, exported.dated
        if local is None:
            if not exported.has_identity:
                raise ExportRefused("neither the file nor this device has one", "identity")
            state, before = State(random(DEVICE_ID_BYTES), new_device_name, 0, content), Backup(content.identity)
        else:
            before = local.content
            if not exported.has_identity:
                content = replace(content, identity=before.identity)
            state = replace(local, content=merge_keeping(before, content, keep))
            state = with_new_id_if_copied(state, content, random)
        _require_few_writers(before, state.content)
        _require_room(before, state.content)
        state = replace(state, content=_edited(state.content, exported, now))
        found = ImportPreview(
            changes=changes(before, state.content),
            contact_count=state.content.contact_count,
            local_contact_count=None if local is None else before.contact_count,
            identity_public_key=state.content.identity.public_key,
            replaces_identity=not same_identity(before, state.content),
            keeps_other_identity=not same_identity(content, state.content),
            key_epochs=(before.key_epoch, state.content.key_epoch),
            identity_epochs=(before.identity.epoch, state.content.identity.epoch),
            writer_changes=len(set(state.content.writers) - set(before.writers)),
            future_dated=tuple(contact.user_id for contact in future_dated_contacts(state.content, now)),
        )
        # No confirmation if nothing changes.
        if state != local:
            if not confirm(found):
                raise NotConfirmed
            locked_state.write(state if local is None else with_undo_point(state, local, now))
        return found


def _require_few_writers(before: Backup, after: Backup) -> None:
    if len(after.writers) > max(MAX_WRITERS_BY_IMPORT, len(before.writers)):
        raise ExportRefused(f"there would be more than {MAX_WRITERS_BY_IMPORT} devices", "writers")


def _require_room(before: Backup, after: Backup) -> None:
    """Check that entries that can never be removed again leave room for a backup; otherwise every push would fail."""
    lasting = _lasting_bytes(after)
    if lasting > MAX_PAYLOAD_BYTES and lasting > _lasting_bytes(before):
        raise ExportRefused("its removed contacts and unknown fields, which stay for ever, would fill a backup")


def _lasting_bytes(content: Backup) -> int:
    """The size of the payload if every contact were removed."""
    kept = (Contact(each.user_id, "", b"", each.stamp_ms, removed=True) for each in content.live_contacts)
    gone = (each for each in content.contacts if each.removed)
    return len(encode(replace(content, contacts=tuple(sorted((*kept, *gone), key=lambda each: each.user_id.bytes)))))


def _edited(content: Backup, exported: ParsedExport, now_ms: int) -> Backup:
    """Apply the file's entries without a time as edits of this moment, if they differ."""
    undated = {contact.user_id: contact for contact in exported.undated_contacts}
    before = {contact.user_id: contact for contact in content.contacts}
    live = [each for each in undated.values() if not each.removed]
    if live:
        wanted = [editing.NewContact(each.user_id, each.username, each.identity_key) for each in live]
        content = editing.put_contacts(content, wanted, now_ms)
    gone = {each.user_id for each in content.live_contacts if each.user_id in undated and undated[each.user_id].removed}
    if gone or live:
        stamp_ms = editing.next_stamp_ms(content, now_ms) if gone else 0

        def after(entry: Contact) -> Contact:
            if entry.user_id in gone:
                return Contact(entry.user_id, "", b"", stamp_ms, removed=True)
            given = undated.get(entry.user_id)
            if given is not None and given.unknown and entry != before.get(entry.user_id):
                # Unknown fields of the entry belong to the edit that they came with.
                return replace(entry, unknown=given.unknown)
            return entry

        content = replace(content, contacts=tuple(map(after, content.contacts)))
    profile, current = exported.undated_profile, content.profile
    shown = ("", b"") if current is None else (current.attachment_id, current.decryption_key)
    if profile is not None and (profile.attachment_id, profile.decryption_key) != shown:
        content = editing.set_profile(content, profile.attachment_id, profile.decryption_key, now_ms)
        if profile.unknown and content.profile is not None:
            content = replace(content, profile=replace(content.profile, unknown=profile.unknown))
    return content
