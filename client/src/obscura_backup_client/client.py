"""The client for applications: keeps an identity and its contacts on this device and in one sealed backup."""

from __future__ import annotations

import random as random_module
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from obscura_backup_client.content.names import require_device_name
from obscura_backup_client.device import calibrated_parameters
from obscura_backup_client.device.directory import StateDirectory
from obscura_backup_client.device.state import Account
from obscura_backup_client.local_client import LocalClient
from obscura_backup_client.operations.changes import changes
from obscura_backup_client.operations.delete import delete
from obscura_backup_client.operations.errors import PushContended
from obscura_backup_client.operations.keys import NewSecret, Secret, Unlocker
from obscura_backup_client.operations.push import BackupSession, PushOptions
from obscura_backup_client.operations.restore import restore
from obscura_backup_client.operations.results import (
    DeletionPreview,
    PushResult,
    RestorePreview,
    RestoreResult,
    Status,
    Step,
    SyncResult,
    VerifyResult,
)
from obscura_backup_client.operations.status import read_status
from obscura_backup_client.operations.verify import verify
from obscura_backup_client.sealing.kdf import refuse_memory
from obscura_backup_client.sealing.kdf_parameters import DEFAULT_PROFILE
from obscura_backup_client.sealing.sealed import DEFAULT_MAX_BLOB_BYTES
from obscura_backup_client.transport.errors import TokenUnusable, VersionMismatch
from obscura_backup_client.transport.interface import DEFAULT_SERVER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from obscura_backup_client.content.merge import Keep
    from obscura_backup_client.device.directory import LockedState
    from obscura_backup_client.sealing.kdf import ConfirmMemory
    from obscura_backup_client.sealing.kdf_parameters import KdfParameters
    from obscura_backup_client.transport.interface import Transport

# Enough for a household of devices that all push at once; more means that something pushes in a loop.
PUSH_ATTEMPTS = 5
FIRST_WAIT_SECONDS = 0.1


def _ignore_step(_step: Step) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class BackupClient(LocalClient):
    """One device's identity, contacts and backup. Not for several threads at once.

    What every method of `LocalClient` raises about the state, these do, too; `restore`, `sync`, `verify` and `delete`
    need no identity. Without a token they raise `TokenUnusable`.

    Args:
        transport: the way to the server; None works for everything that needs no server.
        account: whose backup, and where.
        sleep: waits so many seconds; `jitter` gives a number from 0 to 1.
        on_step: told what takes time, just before it does.
        max_blob_bytes: the most that the server takes, checked before anything is sealed.
    """

    transport: Transport | None = None
    account: Account | None = None
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random_module.random
    on_step: Callable[[Step], None] = _ignore_step
    max_blob_bytes: int = DEFAULT_MAX_BLOB_BYTES

    @classmethod
    def open(
        cls,
        state: Path | str,
        *,
        server: str = DEFAULT_SERVER,
        token: str | None = None,
        user_claim: str = "sub",
        allow_insecure_http: bool = False,
    ) -> BackupClient:
        """The client for a state directory and, with a token, for the backup of the user that the token names.

        Args:
            state: the directory.
            server: its address.
            token: a JWT.
            user_claim: the claim of the token from which the server reads the user's id.
            allow_insecure_http: send the token over plain http to another machine, too.

        Raises:
            TokenUnusable: the token is not a JWT, or its claim `user_claim` is not a UUID.
            ServerRefused: the address is not one to send a token to.
            StateUnusable: the path begins with `~`, and there is no such home directory.
        """
        directory = StateDirectory.at(state)
        if token is None:
            return cls(directory)
        # Imported here so that what needs no server loads nothing for it.
        from obscura_backup_client.transport.bearer_token import user_id_of
        from obscura_backup_client.transport.blocking_transport import HttpTransport

        user_id = user_id_of(token, user_claim)
        transport = HttpTransport(server, token, allow_insecure_http=allow_insecure_http)
        return cls(directory, transport=transport, account=Account(transport.server, user_id))

    def push(
        self,
        secret: Secret,
        *,
        parameters: KdfParameters | None = None,
        keep: Keep | None = None,
        accept_rollback: bool = False,
        confirm_memory: ConfirmMemory = refuse_memory,
    ) -> PushResult:
        """Merge with what the server has, and replace it by the result if that has anything new.

        A backup is only ever replaced after it was opened: a mistyped password is an error and never a new password.
        One that another program sealed too weakly (`parameters.weakness`) is news: it is sealed anew, with a fresh salt
        and the profile of this device, and `PushResult.resealed_from` says so.

        Args:
            secret: the password, a kept key, or a function that gives the password once it turns out to be needed.
            parameters: seal with these, even if nothing else changed; None keeps what is in use.
            keep: which identity stays where the backup holds another one; see `merge.merge_keeping`.
            accept_rollback: the person knows why the server's backup is older than expected, gone or lost.
            confirm_memory: asked before a derivation of more than 256 MiB.

        Raises:
            WrongPassword, Damaged, NotABackup, NewerFormat, RefusedParameters: the server's backup cannot be opened.
            DifferentKey: `secret` is a key, and the backup was sealed under another one: ask for the password. So too
                where `parameters` are not the key's, and, as `WeakKey`, where nothing may be sealed under it.
            RollbackSuspected, IdentityConflict, IdentityReplaced: the person has to decide; nothing was merged.
            TooManyContacts, PayloadTooLarge, PasswordRefused: there is nothing that could be sent.
            PushContended, OutcomeUnknown, Unavailable and the other transport errors: pushing again is safe.
        """
        options = PushOptions(parameters, keep, accept_rollback)
        session = self._session()
        with self.directory.locked() as locked_state:
            state = locked_state.require()
            if options.parameters is None and session.is_up_to_date(state):
                known = state.last_seen[session.account]
                return PushResult(uploaded=False, version=known.version, contact_count=len(state.content.live_contacts))
            return self._pushed(session, locked_state, self._unlocker(session, secret, confirm_memory), options)

    def change_password(
        self,
        secret: Secret,
        new_secret: NewSecret,
        *,
        parameters: KdfParameters | None = None,
        keep: Keep | None = None,
        accept_rollback: bool = False,
        confirm_memory: ConfirmMemory = refuse_memory,
    ) -> PushResult:
        """Push under a new password: with a fresh salt, the next key epoch, and this device's own parameters.

        From then on the slot opens with the new one alone. Copies that a server or somebody else kept from before
        still open with the old one, which no client can change.

        Args:
            secret: as for `push`: what opens the backup as it is.
            new_secret: the new password, or a function that is asked for it once the old one turned out to be right.
                Given as text, a change whose answer was lost can be asked for again: if the backup opens with the new
                one already, nothing is uploaded.
            parameters: seal with these; None takes those that were calibrated for this device, else the default.
            keep: as for `push`.
            accept_rollback: as for `push`.
            confirm_memory: as for `push`.

        Raises:
            NotFound, BackupLost: there is no backup whose password could change; `push` sets one.
            PasswordUnchanged: it is the same one.
            All else that `push` raises.
        """
        session = self._session()
        unlocker = self._unlocker(session, secret, confirm_memory, new_secret)
        with self.directory.locked() as locked_state:
            return self._pushed(session, locked_state, unlocker, PushOptions(parameters, keep, accept_rollback))

    def restore(
        self,
        secret: Secret,
        *,
        confirm: Callable[[RestorePreview], bool],
        device_name: str | None = None,
        new_device_name: str = "",
        keep: Keep | None = None,
        accept_rollback: bool = False,
        confirm_memory: ConfirmMemory = refuse_memory,
    ) -> RestoreResult:
        """Bring the backup to this device: into what is here already, or as a new device where nothing is.

        Args:
            secret: as for `push`.
            confirm: shown what was found; nothing changes unless it says yes. A new device remembers nothing that an
                older backup could be told by, so that the person's eye is the check.
            device_name: what this device is called from now on, new or not.
            new_device_name: what a new device is called where `device_name` is None; another one keeps its name.
            keep: as for `push`.
            accept_rollback: as for `push`.
            confirm_memory: as for `push`.

        Raises:
            NameRefused: the device cannot be called so. NotFound: there is no backup. NotConfirmed: `confirm` said no.
            BackupLost: the server lost it, which no accepting brings back.
            All else that `push` raises before it sends anything; `IdentityReplaced` is what `confirm` decides here.
        """
        require_device_name(new_device_name if device_name is None else device_name)
        session = self._session()
        with self.directory.locked() as locked_state:
            return restore(
                session,
                locked_state,
                self._unlocker(session, secret, confirm_memory),
                confirm=confirm,
                device_name=device_name,
                new_device_name=new_device_name,
                keep=keep,
                accept_rollback=accept_rollback,
            )

    def sync(
        self,
        secret: Secret,
        *,
        confirm: Callable[[RestorePreview], bool],
        device_name: str = "",
        keep: Keep | None = None,
        accept_rollback: bool = False,
        confirm_memory: ConfirmMemory = refuse_memory,
    ) -> SyncResult:
        """Bring this device and the server to the same content: fetch, merge, push.

        A device without an identity restores first, and pushes nothing as long as it has nothing new.

        Args:
            secret: as for `push`.
            confirm: as for `restore`; asked only where this device has no identity yet.
            device_name: what a new device is called.
            keep: as for `push`.
            accept_rollback: as for `push`.
            confirm_memory: as for `push`.

        Raises:
            NotFound: there is neither an identity here nor a backup there; `create` makes one.
            All that `restore` and `push` raise.
        """
        if self.directory.read_or_none() is not None:
            pushed = self.push(secret, keep=keep, accept_rollback=accept_rollback, confirm_memory=confirm_memory)
            return SyncResult(None, pushed)
        restored = self.restore(secret, confirm=confirm, new_device_name=device_name, confirm_memory=confirm_memory)
        return SyncResult(restored, self.push(secret, confirm_memory=confirm_memory))

    def verify(self, secret: Secret, *, confirm_memory: ConfirmMemory = refuse_memory) -> VerifyResult:
        """Fetch and open the backup, compare it with this device, and change nothing.

        Args:
            secret: as for `push`.
            confirm_memory: as for `push`.

        Raises:
            WrongPassword, Damaged, NotABackup, NewerFormat, RefusedParameters, PayloadError: it cannot be opened.
            RollbackSuspected: there is none, although this device has seen one. NotFound: there is none.
            BackupLost and the other transport errors: the server cannot be asked.
        """
        session = self._session()
        return verify(session, self.directory.read_or_none(), self._unlocker(session, secret, confirm_memory))

    def delete(self, *, confirm: Callable[[DeletionPreview], bool]) -> DeletionPreview:
        """Delete the backup from the server. What is on this device stays, and so does what this device remembers.

        Needs no password and opens nothing, so that it is also the way out where the server's copy is damaged: a push
        afterwards uploads what this device has, under a new password.

        Args:
            confirm: shown what is about to be deleted; nothing is unless it says yes.

        Raises:
            NotFound: there is no backup. NotConfirmed: `confirm` said no.
            VersionMismatch: another device replaced it meanwhile; nothing was deleted.
            OutcomeUnknown, Unavailable and the other transport errors: deleting again is safe.
        """
        session = self._session()
        with self.directory.locked() as locked_state:
            return delete(session, locked_state, confirm)

    def status(self) -> Status:
        """This device beside the server, by a HEAD request and without a password.

        Raises:
            StateMissing: there is no identity yet. Transport errors: the server cannot be asked.
        """
        return read_status(self.directory.path, self.directory.read(), self.account, self.transport)

    def _pushed(
        self, session: BackupSession, locked_state: LockedState, unlocker: Unlocker, options: PushOptions
    ) -> PushResult:
        before = locked_state.require().content
        for attempt in range(PUSH_ATTEMPTS):
            if attempt:
                self.sleep(FIRST_WAIT_SECONDS * 2 ** (attempt - 1) * (0.5 + self.jitter()))
            try:
                result = session.push(locked_state, unlocker, options)
            except VersionMismatch:
                continue
            return replace(result, merged=changes(before, locked_state.require().content))
        raise PushContended(PUSH_ATTEMPTS)

    def _session(self) -> BackupSession:
        if self.transport is None or self.account is None:
            raise TokenUnusable(
                "there is none; give --token-file or OBSCURA_TOKEN, since the server must know whose backup it is"
            )
        return BackupSession(self.transport, self.account, self.random, self.now_ms, self.on_step, self.max_blob_bytes)

    def _unlocker(
        self, session: BackupSession, secret: Secret, confirm_memory: ConfirmMemory, new_secret: NewSecret | None = None
    ) -> Unlocker:
        return Unlocker(
            secret,
            session.account.user_id,
            self.random,
            self.on_step,
            confirm_memory,
            lambda: calibrated_parameters.read(self.directory) or DEFAULT_PROFILE,
            new_secret,
        )
