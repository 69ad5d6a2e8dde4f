"""What an application does on its device alone: an identity, contacts, a profile. No server, no password.

Everything that changes the state holds it alone from reading to writing, so that two processes take turns.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from obscura_backup_client import editing
from obscura_backup_client.model import DEVICE_ID_BYTES, KEY_BYTES, Backup, Contact, Identity
from obscura_backup_client.names import require_device_name
from obscura_backup_client.results import ImportResult
from obscura_backup_client.state import State
from obscura_backup_client.state_errors import StateExists

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from uuid import UUID

    from obscura_backup_client.sealed import Random
    from obscura_backup_client.state_directory import StateDirectory


@dataclass(frozen=True)
class LocalClient:
    """One device's identity and contacts.

    Args:
        directory: where the state is kept.
        random: gives unpredictable bytes, and `now_ms` the time in milliseconds since 1970: they come from outside so
            that tests can decide them.
    """

    directory: StateDirectory
    random: Random = os.urandom
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000

    def create(self, device_name: str = "") -> State:
        """Make a new identity on this device.

        Raises:
            NameRefused: the device cannot be called so; nothing was written.
            StateExists: there is one already; it is not touched.
        """
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

        require_device_name(device_name)
        with self.directory.locked() as held:
            if held.state is not None:
                raise StateExists(self.directory.path)
            # X25519, because a Signal-style messenger's identity key is one: sessions are agreed by Diffie-Hellman
            # with it (X3DH), and signatures are made with the same key where they are needed (XEdDSA).
            private_key = self.random(KEY_BYTES)
            public_key = X25519PrivateKey.from_private_bytes(private_key).public_key().public_bytes_raw()
            content = Backup(Identity(public_key, private_key, epoch=1))
            return held.write(State(self.random(DEVICE_ID_BYTES), device_name, 0, content))

    def contacts(self) -> tuple[Contact, ...]:
        """The contacts, without the removed ones. Raises `StateMissing` where there is no identity yet."""
        return self.directory.read().content.live_contacts

    def put_contacts(self, contacts: Iterable[editing.NewContact]) -> ImportResult:
        """Add or change contacts, all of them in one write. See `editing.put_contacts` for the rules and errors."""
        with self.directory.locked() as held:
            state, wanted = held.require(), list(contacts)
            content = editing.put_contacts(state.content, wanted, self.now_ms())
            before = {contact.user_id for contact in state.content.live_contacts}
            changed = {contact.user_id for contact in set(content.contacts) - set(state.content.contacts)}
            if changed:
                held.write(replace(state, content=content))
            ids = {contact.user_id for contact in wanted}
            return ImportResult(len(changed - before), len(changed & before), len(ids - changed))

    def remove_contact(self, user_id: UUID) -> None:
        """Remove a contact, on this device now and on the others with the next push.

        Raises:
            UnknownContact: there is none with this id.
        """
        with self.directory.locked() as held:
            state = held.require()
            held.write(replace(state, content=editing.remove_contact(state.content, user_id, self.now_ms())))

    def set_profile(self, attachment_id: str, decryption_key: bytes) -> None:
        """Point to another avatar; empty values clear it."""
        with self.directory.locked() as held:
            state = held.require()
            content = editing.set_profile(state.content, attachment_id, decryption_key, self.now_ms())
            held.write(replace(state, content=content))
