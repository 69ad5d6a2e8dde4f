"""The client for applications: keeps an identity and its contacts on this device and in one sealed backup.

Everything that changes the state holds it alone from reading to writing, so that two processes take turns.
"""

from __future__ import annotations

import os
import random as random_module
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from obscura_backup_client import editing
from obscura_backup_client.errors import NotConfirmed, PushContended
from obscura_backup_client.exchange import Exchange, Remote
from obscura_backup_client.merge import contacts_ahead, merge, replaces_identity
from obscura_backup_client.model import DEVICE_ID_BYTES, KEY_BYTES, Backup, Contact, Identity
from obscura_backup_client.names import require_device_name
from obscura_backup_client.parameters import refuse
from obscura_backup_client.results import (
    Doomed,
    Found,
    ImportResult,
    PushResult,
    RestoreResult,
    Status,
    Step,
)
from obscura_backup_client.sealed import DEFAULT_MAX_BLOB_BYTES
from obscura_backup_client.standing import standing
from obscura_backup_client.state import Account, State
from obscura_backup_client.state_directory import StateDirectory
from obscura_backup_client.state_errors import StateExists
from obscura_backup_client.transport_errors import BackupLost, NotFound, TokenUnusable, VersionMismatch
from obscura_backup_client.unlocking import Secret, Unlocker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from uuid import UUID

    from obscura_backup_client.parameters import Confirm, KdfParameters
    from obscura_backup_client.sealed import Random
    from obscura_backup_client.transport import Transport

DEFAULT_SERVER = "http://127.0.0.1:8400"
# Enough for a household of devices that all push at once; more means that something pushes in a loop.
PUSH_ATTEMPTS = 5
FIRST_WAIT_SECONDS = 0.1


def _no_step(_step: Step) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class BackupClient:
    """One device's identity, contacts and backup.

    Args:
        directory: where the state is kept.
        transport: the way to the server; None works for everything that needs no server.
        account: whose backup, and where.
        random: gives unpredictable bytes, `now_ms` the time in milliseconds since 1970, `jitter` a number from 0 to
            1: they come from outside so that tests can decide them.
        on_step: told what takes time, just before it does.
        max_blob_bytes: the most that the server takes, checked before anything is sealed.
    """

    directory: StateDirectory
    transport: Transport | None = None
    account: Account | None = None
    random: Random = os.urandom
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random_module.random
    on_step: Callable[[Step], None] = _no_step
    max_blob_bytes: int = DEFAULT_MAX_BLOB_BYTES

    @classmethod
    def open(
        cls,
        state: Path | str,
        *,
        server: str = DEFAULT_SERVER,
        token: str | None = None,
        allow_insecure_http: bool = False,
    ) -> BackupClient:
        """The client for a state directory and, with a token, for the backup of the user that the token names.

        Raises:
            TokenUnusable: the token is not a JWT whose `sub` is a UUID.
            ServerRefused: the address is not one to send a token to.
            StateUnusable: the path begins with `~`, and there is no such home directory.
        """
        directory = StateDirectory.named(state)
        if token is None:
            return cls(directory)
        # Imported here so that what needs no server loads nothing for it.
        from obscura_backup_client.http_transport import HttpTransport
        from obscura_backup_client.token import user_id_of

        user_id = user_id_of(token)
        transport = HttpTransport(server, token, allow_insecure_http=allow_insecure_http)
        return cls(directory, transport, Account(transport.server, user_id))

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

    def push(
        self,
        secret: Secret,
        *,
        parameters: KdfParameters | None = None,
        accept_rollback: bool = False,
        confirm_memory: Confirm = refuse,
    ) -> PushResult:
        """Merge with what the server has, and replace it by the result if that has anything new.

        A backup is only ever replaced after it was opened: a mistyped password is an error and never a new password.

        Args:
            secret: the password, a kept key, or a function that gives the password once it turns out to be needed.
            parameters: seal with these, even if nothing else changed; None keeps what is in use.
            accept_rollback: the person knows why the server's backup is older than expected, gone or lost.
            confirm_memory: asked before a derivation of more than 256 MiB.

        Raises:
            WrongPassword, Damaged, NotABackup, NewerFormat, RefusedParameters: the server's backup cannot be opened.
            RollbackSuspected, IdentityConflict, IdentityReplaced: the person has to decide; nothing was merged.
            TooManyContacts, PayloadTooLarge, PasswordRefused: there is nothing that could be sent.
            PushContended, OutcomeUnknown, Unavailable and the other transport errors: pushing again is safe.
        """
        exchange = self._exchange()
        unlocker = self._unlocker(exchange, secret, confirm_memory)
        with self.directory.locked() as held:
            state = held.require()
            if parameters is None and exchange.holds_all_of(state):
                known = state.remembered[exchange.account]
                return PushResult(uploaded=False, version=known.version, contact_count=len(state.content.live_contacts))
            for attempt in range(PUSH_ATTEMPTS):
                if attempt:
                    self.sleep(FIRST_WAIT_SECONDS * 2 ** (attempt - 1) * (0.5 + self.jitter()))
                try:
                    return exchange.push(held, unlocker, parameters, accept_rollback=accept_rollback)
                except VersionMismatch:
                    continue
        raise PushContended(PUSH_ATTEMPTS)

    def restore(
        self,
        secret: Secret,
        *,
        confirm: Callable[[Found], bool],
        device_name: str | None = None,
        new_device_name: str = "",
        accept_rollback: bool = False,
        confirm_memory: Confirm = refuse,
    ) -> RestoreResult:
        """Bring the backup to this device: into what is here already, or as a new device where nothing is.

        Args:
            secret: as for `push`.
            confirm: shown what was found; nothing changes unless it says yes. A new device remembers nothing that an
                older backup could be told by, so that the person's eye is the check.
            device_name: what this device is called from now on, new or not.
            new_device_name: what a new device is called where `device_name` is None; another one keeps its name.
            accept_rollback: as for `push`.
            confirm_memory: as for `push`.

        Raises:
            NameRefused: the device cannot be called so. NotFound: there is no backup. NotConfirmed: `confirm` said no.
            BackupLost: the server lost it, which no accepting brings back.
            All else that `push` raises before it sends anything; `IdentityReplaced` is what `confirm` decides here.
        """
        require_device_name(new_device_name if device_name is None else device_name)
        exchange = self._exchange()
        with self.directory.locked() as held:
            unlocker = self._unlocker(exchange, secret, confirm_memory)
            remote = exchange.fetch(held.state, unlocker, accept_rollback=accept_rollback)
            if remote is None:
                raise NotFound
            if remote.content is None:
                raise BackupLost(remote.version)
            new_device = held.state is None
            state = held.state or State(self.random(DEVICE_ID_BYTES), new_device_name, 0, remote.content)
            if device_name is not None:
                state = replace(state, device_name=device_name)
            merged = merge(state.content, remote.content)
            found = self._found(remote, remote.content, held.state)
            if not confirm(found):
                raise NotConfirmed
            state = exchange.renewed_if_copied(replace(state, content=merged), remote.content)
            # An accepted rollback is remembered at once: nothing follows here that could heal it. What was seen before
            # stays in the content's own vector, so that the next push uploads above it.
            state = held.write(exchange.remembering(state, remote.content, remote.blob, remote.version))
            pending = not state.remembered[exchange.account].holds(merged)
            return RestoreResult(found, len(merged.live_contacts), new_device, pending)

    def delete(self, *, confirm: Callable[[Doomed], bool]) -> Doomed:
        """Delete the backup from the server. What is on this device stays, and so does what this device remembers.

        Needs no password and opens nothing, so that it is also the way out where the server's copy is damaged or holds
        another identity: a push afterwards uploads what this device has, under a new password.

        Args:
            confirm: shown what is about to be deleted; nothing is unless it says yes.

        Raises:
            NotFound: there is no backup. NotConfirmed: `confirm` said no.
            VersionMismatch: another device replaced it meanwhile; nothing was deleted.
            OutcomeUnknown, Unavailable and the other transport errors: deleting again is safe.
        """
        exchange = self._exchange()
        with self.directory.locked() as held:
            return exchange.delete(held, confirm)

    def status(self) -> Status:
        """This device beside the server, by a HEAD request and without a password.

        Raises:
            StateMissing: there is no identity yet. Transport errors: the server cannot be asked.
        """
        return standing(self.directory.path, self.directory.read(), self.account, self.transport)

    def _exchange(self) -> Exchange:
        if self.transport is None or self.account is None:
            raise TokenUnusable(
                "there is none; give --token-file or OBSCURA_TOKEN, since the server must know whose backup it is"
            )
        return Exchange(self.transport, self.account, self.random, self.now_ms, self.on_step, self.max_blob_bytes)

    def _unlocker(self, exchange: Exchange, secret: Secret, confirm_memory: Confirm) -> Unlocker:
        return Unlocker(secret, exchange.account.user_id, self.random, self.on_step, confirm_memory)

    def _found(self, remote: Remote, content: Backup, local: State | None) -> Found:
        if remote.key is None:
            raise NotFound
        return Found(
            version=remote.version,
            size_bytes=len(remote.blob),
            sealed_at_ms=content.sealed_at_ms,
            device_name=content.device_name,
            contact_count=len(content.live_contacts),
            identity_public_key=content.identity.public_key,
            replaces_identity=local is not None and replaces_identity(local.content, content),
            local_contact_count=None if local is None else len(local.content.live_contacts),
            parameters=remote.key.parameters,
            ahead=tuple(contact.user_id for contact in contacts_ahead(content, self.now_ms())),
        )
