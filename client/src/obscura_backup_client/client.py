"""The client for applications: an identity and its contacts on this device and in one sealed backup."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from obscura_backup_client.content.names import require_device_name
from obscura_backup_client.operations.delete import delete
from obscura_backup_client.operations.push import PushOptions
from obscura_backup_client.operations.restore import restore
from obscura_backup_client.operations.results import (
    DeletionPreview,
    PushResult,
    RestorePreview,
    RestoreResult,
    SyncResult,
)
from obscura_backup_client.reading_client import ReadingClient
from obscura_backup_client.sealing.kdf import refuse_memory

if TYPE_CHECKING:
    from collections.abc import Callable

    from obscura_backup_client.content.merge import Keep
    from obscura_backup_client.operations.keys import NewSecret, Secret
    from obscura_backup_client.sealing.kdf import ConfirmMemory
    from obscura_backup_client.sealing.kdf_parameters import KdfParameters


@dataclass(frozen=True)
class BackupClient(ReadingClient):
    """One device's identity, contacts and backup. Not for several threads at once.

    All methods raise the errors about the state that `LocalClient` lists; `restore`, `sync`, `verify` and `delete` need
    no identity. Without a token they raise `TokenUnusable`. `ReadingClient` lists the arguments.
    """

    def push(
        self,
        secret: Secret,
        *,
        parameters: KdfParameters | None = None,
        keep: Keep | None = None,
        accept_rollback: bool = False,
        confirm_memory: ConfirmMemory = refuse_memory,
    ) -> PushResult:
        """Merge with the server's backup, and upload the result if it has anything new.

        A backup is replaced only after it was opened: a mistyped password is an error and never becomes the password.
        A backup that another program sealed too weakly (see `kdf.weakness`) is sealed again, with a fresh salt and this
        device's profile; `PushResult.resealed_from` reports that.

        Args:
            secret: the password, a kept key, or a function that returns the password when it is needed.
            parameters: seal with these, even if nothing else changed; None keeps the current ones.
            keep: which identity stays if the backup holds another one; see `merge.merge_keeping`.
            accept_rollback: the person knows why the server's backup is older than expected, gone or lost.
            confirm_memory: called before a key derivation with more than 256 MiB.

        Raises:
            WrongPassword, Damaged, NotABackup, NewerFormat, RefusedParameters: the server's backup cannot be opened.
            DifferentKey: `secret` is a key that does not fit the backup or `parameters`: ask for the password. Its
                subclass `WeakKey`: the key may not seal.
            RollbackSuspected, IdentityConflict, IdentityReplaced: the person has to decide; nothing was merged.
            TooManyContacts, PayloadTooLarge, PasswordRefused: the content or the password cannot be sealed.
            PushContended, OutcomeUnknown, Unavailable and other transport errors: pushing again is safe.
        """
        session = self._session()
        with self.directory.locked() as locked_state:
            unchanged = session.unchanged(locked_state.require()) if parameters is None else None
            if unchanged is not None:
                return unchanged
            unlocker = self._unlocker(session, secret, confirm_memory)
            options = PushOptions(parameters, keep, accept_rollback)
            return session.push_with_retries(locked_state, unlocker, options, self.sleep, self.jitter)

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

        Afterwards the current backup opens with the new password only. Earlier copies still open with the old one,
        which no client can change.

        Args:
            secret: as for `push`; it opens the present backup.
            new_secret: the new password, or a function that returns it once the old one has opened the backup. As
                text, a change whose response was lost can be repeated: if the backup already opens with the new
                password, nothing is uploaded.
            parameters: seal with these; None uses the calibrated ones of this device, else the default.
            keep: as for `push`.
            accept_rollback: as for `push`.
            confirm_memory: as for `push`.

        Raises:
            NotFound, BackupLost: there is no backup whose password could change; `push` sets one.
            PasswordUnchanged: the new password is the same.
            And everything that `push` raises.
        """
        session = self._session()
        unlocker = self._unlocker(session, secret, confirm_memory, new_secret)
        options = PushOptions(parameters, keep, accept_rollback)
        with self.directory.locked() as locked_state:
            return session.push_with_retries(locked_state, unlocker, options, self.sleep, self.jitter)

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
        """Restore the backup: merged into the state of this device, or as a new device without an identity.

        Args:
            secret: as for `push`.
            confirm: gets the preview; nothing changes unless it returns True. A new device cannot detect an older
                backup by itself, so the person must check date and device.
            device_name: the device's name from now on; None keeps the present one.
            new_device_name: the name of a new device if `device_name` is None.
            keep: as for `push`.
            accept_rollback: as for `push`.
            confirm_memory: as for `push`.

        Raises:
            NameRefused: the device's name is invalid.
            NotFound: there is no backup.
            NotConfirmed: `confirm` returned False.
            BackupLost: the server lost it; `accept_rollback` does not help.
            And everything that `push` raises before it sends, except `IdentityReplaced`, which `confirm` decides.
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
        """Synchronize this device with the server: fetch, merge, push.

        A device without an identity restores first. Nothing is uploaded if nothing is new.

        Args:
            secret: as for `push`.
            confirm: as for `restore`; called only if this device has no identity.
            device_name: the name of a new device.
            keep: as for `push`.
            accept_rollback: as for `push`.
            confirm_memory: as for `push`.

        Raises:
            NotFound: there is neither an identity nor a backup; `create` makes an identity.
            And everything that `restore` and `push` raise.
        """
        if self.directory.read_or_none() is not None:
            pushed = self.push(secret, keep=keep, accept_rollback=accept_rollback, confirm_memory=confirm_memory)
            return SyncResult(None, pushed)
        restored = self.restore(secret, confirm=confirm, new_device_name=device_name, confirm_memory=confirm_memory)
        return SyncResult(restored, self.push(secret, confirm_memory=confirm_memory))

    def delete(self, *, confirm: Callable[[DeletionPreview], bool]) -> DeletionPreview:
        """Delete the backup from the server. This device keeps its data.

        Needs no password, so it also helps if the server's copy is damaged: a push afterwards uploads this device's
        data under a new password.

        Args:
            confirm: gets the preview; nothing is deleted unless it returns True.

        Raises:
            NotFound: there is no backup.
            NotConfirmed: `confirm` returned False.
            VersionMismatch: another device has replaced the backup; nothing was deleted.
            OutcomeUnknown, Unavailable and other transport errors: deleting again is safe.
        """
        session = self._session()
        with self.directory.locked() as locked_state:
            return delete(session, locked_state, confirm)
