"""Results of the client's operations, and the previews that are shown before a confirmation."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from obscura_backup_client.operations.previews import Operation

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from obscura_backup_client.device.last_seen import BackupSummary, LastSeen
    from obscura_backup_client.device.state import Account
    from obscura_backup_client.operations.contact_change import ContactChange
    from obscura_backup_client.sealing.kdf_parameters import KdfParameters
    from obscura_backup_client.sealing.sealed import SealingKey
    from obscura_backup_client.transport.interface import BackupMetadata


class Step(StrEnum):
    """A slow step of an operation, for a progress line."""

    FETCHING = "fetching"
    DERIVING = "deriving"
    SENDING = "sending"
    DELETING = "deleting"


@dataclass(frozen=True, slots=True)
class ImportResult:
    """How many contacts an import added, changed and left unchanged."""

    added: int
    changed: int
    unchanged: int


@dataclass(frozen=True, slots=True)
class Changes:
    """How many contacts were added, changed and removed, and whether profile and identity differ.

    Only visible differences count. A new time stamp or another sealing is no change. `contacts` names each contact that
    differs. It does not take part in comparisons.
    """

    added: int = 0
    changed: int = 0
    removed: int = 0
    profile: bool = False
    identity: bool = False
    contacts: tuple[ContactChange, ...] = field(default=(), compare=False, repr=False)

    def __bool__(self) -> bool:
        """Whether anything changed."""
        return bool(self.added or self.changed or self.removed or self.profile or self.identity)


NO_CHANGES = Changes()


@dataclass(frozen=True, slots=True)
class PushResult:
    """What a push did.

    Attributes:
        uploaded: False if the server already had everything.
        version: the backup's version on the server.
        contact_count: contacts in it.
        size_bytes: of the uploaded blob; 0 if nothing was uploaded.
        merged: what other devices' backups changed on this device.
        future_dated: user ids of contacts edited more than a day in the future. The clock of the device that edited
            them is wrong, and its edits win until that day.
        key: the key of the backup, for the platform's key store; None if nothing had to be opened.
        resealed_from: the parameters of the replaced backup, if another program had chosen ones that this client
            never seals with (see `kdf.weakness`); else None.
    """

    uploaded: bool
    version: int
    contact_count: int
    size_bytes: int = 0
    merged: Changes = NO_CHANGES
    future_dated: tuple[UUID, ...] = ()
    key: SealingKey | None = field(default=None, repr=False)
    resealed_from: KdfParameters | None = None


@dataclass(frozen=True, slots=True)
class RestorePreview:
    """What a restore found. It is shown to the person before anything changes.

    Attributes:
        version: on the server.
        size_bytes: of the sealed backup.
        sealed_at_ms: when it was sealed, milliseconds since 1970, as authenticated inside it.
        device_name: the device that sealed it, as authenticated inside it.
        contact_count: contacts in it.
        identity_public_key: its identity, 32 or 33 bytes.
        replaces_identity: whether the backup's keys would replace this device's.
        keeps_other_identity: whether the backup's keys differ and would not be taken, because this device's are newer
            or the person chose them.
        local_contact_count: contacts on this device; None if it has no identity.
        parameters: of the key derivation.
        future_dated: user ids of contacts edited more than a day in the future.
    """

    version: int
    size_bytes: int
    sealed_at_ms: int
    device_name: str
    contact_count: int
    identity_public_key: bytes
    replaces_identity: bool
    keeps_other_identity: bool
    local_contact_count: int | None
    parameters: KdfParameters
    future_dated: tuple[UUID, ...] = ()

    @property
    def operation(self) -> Operation:
        """What is about to happen."""
        return Operation.RESTORE


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """What a restore did.

    Attributes:
        found: what was shown for confirmation.
        contact_count: contacts on this device now.
        new_device: whether this device had no identity before.
        pending: whether the next push has something to upload: changes of this device, or the same backup sealed
            with stronger parameters (see `kdf.weakness`).
        key: the key of the backup, for the platform's key store.
        can_undo: whether it changed something that `undo` brings back until the next push.
        merged: what it changed on this device; no changes on a new device.
    """

    found: RestorePreview
    contact_count: int
    new_device: bool
    pending: bool
    key: SealingKey = field(repr=False)
    can_undo: bool = False
    merged: Changes = NO_CHANGES


@dataclass(frozen=True, slots=True)
class UndoPreview:
    """What an undo changes on this device. It is shown to the person before anything changes, and returned afterwards.

    Attributes:
        changes: to contacts, profile and identity, including those of edits since the merge.
        contact_count: contacts on this device afterwards.
        merged_at_ms: when the restore, merge or import happened, milliseconds since 1970.
    """

    changes: Changes
    contact_count: int
    merged_at_ms: int


@dataclass(frozen=True, slots=True)
class SyncResult:
    """What a sync did.

    Attributes:
        restored: None if this device already had an identity.
        pushed: the result of the push.
    """

    restored: RestoreResult | None
    pushed: PushResult


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """How the server's backup compares with this device. Nothing was changed on either side.

    Attributes:
        found: the server's backup.
        size_bytes: of the sealed backup.
        parameters: of the key derivation.
        identity_public_key: the backup's identity, 32 or 33 bytes.
        identity_epoch: how often that identity was replaced.
        expected: what this device last saw; None if it saw none.
        suspicions: why the backup cannot be the latest; values of `rollback.Reason`.
        same_identity: whether both have the same keys. None, like the next two, if this device has no identity.
        incoming: what the next push or restore would change on this device.
        outgoing: what a push would then change on the server.
        future_dated: user ids of contacts edited more than a day in the future.
        weakness: why the next push seals the backup again; empty if it does not.
    """

    found: BackupSummary
    size_bytes: int
    parameters: KdfParameters
    identity_public_key: bytes
    identity_epoch: int
    expected: BackupSummary | None
    suspicions: tuple[str, ...] = ()
    same_identity: bool | None = None
    incoming: Changes | None = None
    outgoing: Changes | None = None
    future_dated: tuple[UUID, ...] = ()
    weakness: str = ""

    @property
    def is_ok(self) -> bool:
        """Whether the person has nothing to decide."""
        return not self.suspicions and self.same_identity is not False


@dataclass(frozen=True, slots=True)
class DeletionPreview:
    """What a deletion would delete, shown to the person first.

    Nothing was opened: version, size and date are the server's claims.

    Attributes:
        version: on the server.
        size_bytes: of the sealed backup; None if the server does not say or lost the bytes.
        updated_at: an HTTP date, or empty.
        last_seen: whether it is what this device last pushed or opened.
        local_contact_count: contacts on this device; None if it has no identity, so that nothing may remain.
        sealed_at_ms: when it was sealed, milliseconds since 1970. This and the next two are None unless `last_seen`.
        device_name: the device that sealed it.
        contact_count: contacts in it.
    """

    version: int
    size_bytes: int | None
    updated_at: str
    last_seen: bool
    local_contact_count: int | None
    sealed_at_ms: int | None = None
    device_name: str | None = None
    contact_count: int | None = None

    @property
    def operation(self) -> Operation:
        """What is about to happen."""
        return Operation.DELETE


class RemoteState(StrEnum):
    """How the server's backup compares with what this device last saw.

    `UNKNOWN` is for a caller that shows this device's half although the server gave no usable answer.
    """

    NOT_ASKED = "not-asked"
    UNKNOWN = "unknown"
    NONE = "none"
    GONE = "gone"
    SAME = "same"
    CHANGED = "changed"
    NEVER_SEEN = "never-seen"


@dataclass(frozen=True, slots=True)
class Status:
    """This device and the server's backup, compared without a password.

    Attributes:
        path: the state directory.
        device_id: 16 bytes.
        device_name: may be empty.
        identity_public_key: 32 or 33 bytes.
        identity_epoch: how often the identity was replaced.
        contact_count: contacts on this device.
        removed_count: removed contacts that are still recorded.
        account: None without a token.
        last_seen: the latest backup that this device saw for this account; None if it saw none.
        pending: whether the next push has something to upload.
        remote_state: how the server's backup compares with `last_seen`.
        remote: what the server says about its backup; None if it was not asked or has none.
        weakness: why the next push seals the backup again; empty if it does not.
        password_check_due: whether the person should type the password for `verify`, to find out while this device
            still has everything whether it is forgotten: it was not typed here for 30 days, or never.
            `last_seen.password_typed_at_ms` is the time.
        undo_merged_at_ms: when the restore, merge or import happened that `undo` would take back; None if there is
            nothing to undo.
    """

    path: Path
    device_id: bytes
    device_name: str
    identity_public_key: bytes
    identity_epoch: int
    contact_count: int
    removed_count: int
    account: Account | None = None
    last_seen: LastSeen | None = None
    pending: bool = True
    remote_state: RemoteState = RemoteState.NOT_ASKED
    remote: BackupMetadata | None = field(default=None)
    weakness: str = ""
    password_check_due: bool = False
    undo_merged_at_ms: int | None = None
