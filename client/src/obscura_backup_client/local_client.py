"""Identity, contacts and profile on this device. No server, no password.

Every change holds the state's lock from reading to writing, so that processes take turns.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from obscura_backup_client.content import editing
from obscura_backup_client.content.model import DEVICE_ID_BYTES, IDENTITY_KEY_BYTES, Backup, Contact, Identity, Profile
from obscura_backup_client.content.names import require_device_name
from obscura_backup_client.device.errors import StateExists
from obscura_backup_client.device.state import State
from obscura_backup_client.operations.results import ImportResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from uuid import UUID

    from obscura_backup_client.content.merge import Keep
    from obscura_backup_client.device.directory import StateDirectory
    from obscura_backup_client.operations.export import ImportPreview
    from obscura_backup_client.operations.results import UndoPreview
    from obscura_backup_client.sealing.sealed import RandomBytes


@dataclass(frozen=True)
class LocalClient:
    """One device's identity and contacts.

    Besides the errors that it names, every method raises `StateBusy` if another process held the lock for ten seconds,
    and `StateUnusable`, `StateDamaged` or `StateNewer` if the state cannot be used. All but `create` and
    `import_payload` raise `StateMissing` if there is no identity. An error means that nothing changed.

    Args:
        directory: the state directory.
        random: returns unpredictable bytes. Tests replace it and `now_ms`.
        now_ms: returns the time in milliseconds since 1970.
    """

    directory: StateDirectory
    random: RandomBytes = os.urandom
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000

    def create(self, device_name: str = "") -> State:
        """Create a new identity on this device.

        Args:
            device_name: the device's name, at most 256 bytes of UTF-8.

        Raises:
            NameRefused: the name is invalid.
            StateExists: there is already an identity, which is not changed.
        """
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

        require_device_name(device_name)
        with self.directory.locked() as locked_state:
            if locked_state.state is not None:
                raise StateExists(self.directory.path)
            # X25519 is the identity key of Signal-style messengers: it serves key agreement (X3DH) and, where needed,
            # signatures (XEdDSA).
            private_key = self.random(IDENTITY_KEY_BYTES)
            public_key = X25519PrivateKey.from_private_bytes(private_key).public_key().public_bytes_raw()
            content = Backup(Identity(public_key, private_key, epoch=1))
            return locked_state.write(State(self.random(DEVICE_ID_BYTES), device_name, 0, content))

    def contacts(self) -> tuple[Contact, ...]:
        """The contacts without removed ones, sorted by user id."""
        return self.directory.read().content.live_contacts

    def contact(self, user_id: UUID) -> Contact:
        """One contact. Raises `UnknownContact` if there is none with this id."""
        return editing.find_contact(self.directory.read().content, user_id)

    def put_contacts(self, contacts: Iterable[editing.NewContact]) -> ImportResult:
        """Add or change contacts in one write. See `editing.edit_contacts` for the rules and errors."""
        with self.directory.locked() as locked_state:
            state = locked_state.require()
            edited = editing.edit_contacts(state.content, contacts, self.now_ms())
            if edited.content is not state.content:
                locked_state.write(replace(state, content=edited.content))
            return ImportResult(edited.added, edited.changed, edited.unchanged)

    def rename_contact(self, user_id: UUID, username: str) -> Contact:
        """Change the name of a contact on this device, and return the contact. Its key stays.

        Raises:
            UnknownContact: there is no contact with this id.
            NameRefused: the name is invalid.
        """
        with self.directory.locked() as locked_state:
            state = locked_state.require()
            before = editing.find_contact(state.content, user_id)
            content = editing.put_contacts(state.content, [editing.NewContact(user_id, username)], self.now_ms())
            after = editing.find_contact(content, user_id)
            if after != before:
                locked_state.write(replace(state, content=content))
            return after

    def remove_contact(self, user_id: UUID) -> None:
        """Remove a contact on this device, and on others with the next push.

        Raises:
            UnknownContact: there is no contact with this id.
        """
        with self.directory.locked() as locked_state:
            state = locked_state.require()
            locked_state.write(replace(state, content=editing.remove_contact(state.content, user_id, self.now_ms())))

    def profile(self) -> Profile | None:
        """The reference to the avatar, with its decryption key; None if there is none or it was cleared."""
        found = self.directory.read().content.profile
        return found if found is not None and found.attachment_id else None

    def set_profile(self, attachment_id: str, decryption_key: bytes) -> None:
        """Set the reference to the avatar; two empty values clear it.

        Args:
            attachment_id: at most 256 bytes of UTF-8.
            decryption_key: at most 128 bytes, in the messenger's own format.

        Raises:
            PayloadError: a value is too long, or there is a key without an id.
        """
        with self.directory.locked() as locked_state:
            state = locked_state.require()
            content = editing.set_profile(state.content, attachment_id, decryption_key, self.now_ms())
            locked_state.write(replace(state, content=content))

    def undo(self, *, confirm: Callable[[UndoPreview], bool]) -> UndoPreview:
        """Bring back what this device had before its last restore, merge or import.

        Possible once, and only until the next push, or upload with an unknown outcome. Edits since then are lost, too.
        The server's backup does not change: the next push merges it again.

        Args:
            confirm: gets the preview; nothing changes unless it returns True.

        Raises:
            NothingToUndo: nothing was merged since the last push or undo.
            NotConfirmed: `confirm` returned False.
        """
        from obscura_backup_client.operations.undo import undo

        return undo(self.directory, confirm)

    def export_payload(self, *, with_identity: bool = True) -> bytes:
        """The content as JSON for other programs. With the identity it contains the unencrypted private key."""
        from obscura_backup_client.formats.export_writing import encode_payload

        return encode_payload(self.directory.read().content, with_identity=with_identity)

    def import_payload(
        self,
        exported: bytes,
        *,
        confirm: Callable[[ImportPreview], bool],
        keep: Keep | None = None,
        new_device_name: str = "",
    ) -> ImportPreview:
        """Merge the output of `export_payload`, edited or not. Without an identity it becomes the new state.

        If both have a contact, the later edit wins. A changed entry without `edited_at_ms` counts as edited now.

        Args:
            exported: JSON text, at most 64 MiB.
            confirm: gets the preview; nothing changes unless it returns True. Not called if nothing would change.
            keep: whose identity stays if they differ: this device's (`MINE`) or the file's (`THEIRS`).
            new_device_name: the device's name if it has no identity yet.

        Raises:
            NameRefused: the device's name, or the name of a contact without `edited_at_ms`, is invalid.
            ExportRefused: the text is not a valid export; the error names the place.
            NotConfirmed: `confirm` returned False.
            IdentityConflict, IdentityReplaced: the identities differ, and `keep` is None.
            TooManyContacts: entries without `edited_at_ms` would exceed what a backup holds.
        """
        from obscura_backup_client.operations.export import import_payload

        require_device_name(new_device_name)
        return import_payload(
            self.directory,
            exported,
            confirm=confirm,
            keep=keep,
            new_device_name=new_device_name,
            random=self.random,
            now_ms=self.now_ms,
        )
