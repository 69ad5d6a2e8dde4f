"""What an application does on its device alone: an identity, contacts, a profile. No server, no password.

Everything that changes the state holds it alone from reading to writing, so that two processes take turns.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from obscura_backup_client.content import editing
from obscura_backup_client.content.model import DEVICE_ID_BYTES, IDENTITY_KEY_BYTES, Backup, Contact, Identity
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
    from obscura_backup_client.sealing.sealed import RandomBytes


@dataclass(frozen=True)
class LocalClient:
    """One device's identity and contacts.

    Beside what is named there, every method raises `StateBusy` where another process held the directory for ten
    seconds, `StateUnusable`, `StateDamaged` or `StateNewer` where it cannot be used, and all but `create` and
    `import_payload` raise `StateMissing` where there is no identity yet. Nothing is changed then.

    Args:
        directory: where the state is kept.
        random: gives unpredictable bytes, and `now_ms` the time in milliseconds since 1970: they come from outside so
            that tests can decide them.
    """

    directory: StateDirectory
    random: RandomBytes = os.urandom
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000

    def create(self, device_name: str = "") -> State:
        """Make a new identity on this device, called `device_name` (at most 256 bytes of UTF-8) from then on.

        Raises:
            NameRefused: the device cannot be called so; nothing was written.
            StateExists: there is one already; it is not touched.
        """
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

        require_device_name(device_name)
        with self.directory.locked() as locked_state:
            if locked_state.state is not None:
                raise StateExists(self.directory.path)
            # X25519, because a Signal-style messenger's identity key is one: sessions are agreed by Diffie-Hellman
            # with it (X3DH), and signatures are made with the same key where they are needed (XEdDSA).
            private_key = self.random(IDENTITY_KEY_BYTES)
            public_key = X25519PrivateKey.from_private_bytes(private_key).public_key().public_bytes_raw()
            content = Backup(Identity(public_key, private_key, epoch=1))
            return locked_state.write(State(self.random(DEVICE_ID_BYTES), device_name, 0, content))

    def contacts(self) -> tuple[Contact, ...]:
        """The contacts, without the removed ones, in order of their user ids."""
        return self.directory.read().content.live_contacts

    def put_contacts(self, contacts: Iterable[editing.NewContact]) -> ImportResult:
        """Add or change contacts, all of them in one write. See `editing.put_contacts` for the rules and errors."""
        with self.directory.locked() as locked_state:
            state, wanted = locked_state.require(), list(contacts)
            content = editing.put_contacts(state.content, wanted, self.now_ms())
            before = {contact.user_id for contact in state.content.live_contacts}
            changed = {contact.user_id for contact in set(content.contacts) - set(state.content.contacts)}
            if changed:
                locked_state.write(replace(state, content=content))
            ids = {contact.user_id for contact in wanted}
            return ImportResult(len(changed - before), len(changed & before), len(ids - changed))

    def remove_contact(self, user_id: UUID) -> None:
        """Remove a contact, on this device now and on the others with the next push.

        Raises:
            UnknownContact: there is none with this id.
        """
        with self.directory.locked() as locked_state:
            state = locked_state.require()
            locked_state.write(replace(state, content=editing.remove_contact(state.content, user_id, self.now_ms())))

    def set_profile(self, attachment_id: str, decryption_key: bytes) -> None:
        """Point to another avatar, by its attachment's id (at most 256 bytes of UTF-8) and its key (at most 128 bytes).

        Both empty clears it. The key's form is the messenger's business.

        Raises:
            PayloadError: too long, or a key without an id.
        """
        with self.directory.locked() as locked_state:
            state = locked_state.require()
            content = editing.set_profile(state.content, attachment_id, decryption_key, self.now_ms())
            locked_state.write(replace(state, content=content))

    def export_payload(self, *, with_identity: bool = True) -> bytes:
        """The content as JSON for other programs. With the identity, the private key is in it in clear.

        Raises:
            StateMissing: there is no identity yet.
        """
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
        """Merge what `export_payload` gave, edited or not; or begin with it where there is no identity yet.

        Of two entries for one contact the later edit stays. An entry without `edited_at_ms` is an edit of this moment
        where it differs from what is here.

        Args:
            exported: JSON text, at most 64 MiB.
            confirm: shown what it leads to; nothing changes unless it says yes. Not asked where nothing changes.
            keep: whose identity stays, the one here (`MINE`) or the file's, if they are not the same.
            new_device_name: what this device is called where there is no identity yet.

        Raises:
            NameRefused: the device, or a contact without `edited_at_ms`, cannot be called so.
            ExportRefused: the text is not an export, and where. NotConfirmed: `confirm` said no.
            IdentityConflict, IdentityReplaced: the identity is another one, and `keep` is None.
            TooManyContacts: entries without `edited_at_ms` would add to more than a backup holds.
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
