"""What the client's operations give back, and what they show before they ask."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from obscura_backup_client.device.remembered import Remembered, Sighting
    from obscura_backup_client.device.state import Account
    from obscura_backup_client.sealing.kdf_parameters import KdfParameters
    from obscura_backup_client.sealing.sealed import SealingKey
    from obscura_backup_client.transport.interface import Described


class Step(StrEnum):
    """What takes time, for a progress line."""

    FETCHING = "fetching"
    DERIVING = "deriving"
    SENDING = "sending"
    DELETING = "deleting"


@dataclass(frozen=True, slots=True)
class ImportResult:
    """How many contacts an import added, changed, and found as they were."""

    added: int
    changed: int
    unchanged: int


@dataclass(frozen=True, slots=True)
class Changes:
    """How many contacts were added, changed and removed, and whether profile and identity are other ones.

    Only what shows counts: an entry whose stamp alone moved is no change, nor is the trace of a sealing.
    """

    added: int = 0
    changed: int = 0
    removed: int = 0
    profile: bool = False
    identity: bool = False

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.added or self.changed or self.removed or self.profile or self.identity)


NO_CHANGES = Changes()


@dataclass(frozen=True, slots=True)
class PushResult:
    """What a push did. `uploaded` is False when the server had everything already.

    `merged` is what came in from other devices, false where nothing did. `ahead` are contacts that a device stamped
    more than a day in the future: its clock is wrong, and its edits win until that day. `key` is what the backup is
    sealed under, for an app that keeps it in the platform's key store; None where nothing had to be opened.
    `resealed_from` are the parameters of the backup that was replaced, where another program had sealed it with such as
    this client never seals with (mostly too weak ones: `parameters.weakness`); None otherwise.
    """

    uploaded: bool
    version: int
    contact_count: int
    size_bytes: int = 0
    merged: Changes = NO_CHANGES
    ahead: tuple[UUID, ...] = ()
    key: SealingKey | None = field(default=None, repr=False)
    resealed_from: KdfParameters | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What a person is shown before a restore changes anything. `sealed_at_ms` and `device_name` come from inside.

    `replaces_identity` is whether this device's keys would be replaced, `keeps_other_identity` whether the backup's
    would not be taken, because this device's are newer or the person said so.
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
    ahead: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """What a restore did.

    `pending` is whether a push has something to upload: what the server does not have, or what is there, sealed anew
    because it is sealed too weakly (`parameters.weakness`). `key` is what the backup is sealed under, for an app that
    keeps it in the platform's key store.
    """

    found: Found
    contact_count: int
    new_device: bool
    pending: bool
    key: SealingKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class SyncResult:
    """What a sync did; `restored` is None where this device had an identity before."""

    restored: RestoreResult | None
    pushed: PushResult


@dataclass(frozen=True, slots=True)
class Verified:
    """What opening the server's backup showed. Nothing was changed, here or there.

    `suspicions` are the stable words of `rollback.Reason`. Where this device has an identity, `incoming` is what the
    next push or restore would bring to it, `outgoing` what a push would bring to the server beyond that, and
    `same_identity` whether both have the same keys; where it has none these are None. `weakness` says why the next push
    seals the backup anew, and is empty where there is no reason.
    """

    found: Sighting
    size_bytes: int
    parameters: KdfParameters
    identity_public_key: bytes
    identity_epoch: int
    expected: Sighting | None
    suspicions: tuple[str, ...] = ()
    same_identity: bool | None = None
    incoming: Changes | None = None
    outgoing: Changes | None = None
    ahead: tuple[UUID, ...] = ()
    weakness: str = ""

    @property
    def is_well(self) -> bool:
        """Whether there is nothing that the person has to decide about."""
        return not self.suspicions and self.same_identity is not False


@dataclass(frozen=True, slots=True)
class Doomed:
    """What a person is shown before a deletion: the server's word, as nothing was opened.

    `size_bytes` is None where the server does not say or lost the bytes, `updated_at` an HTTP date or empty.
    `last_seen` is whether it is what this device last pushed or opened; `local_contact_count` is None where there is no
    identity on this device, so that nothing of the backup may remain.
    """

    version: int
    size_bytes: int | None
    updated_at: str
    last_seen: bool
    local_contact_count: int | None


class RemoteState(StrEnum):
    """How the server's backup stands to what this device last saw."""

    NOT_ASKED = "not-asked"
    NONE = "none"
    GONE = "gone"
    SAME = "same"
    CHANGED = "changed"
    NEVER_SEEN = "never-seen"


@dataclass(frozen=True, slots=True)
class Status:
    """This device beside the server, as far as it can be told without a password.

    `pending` is whether the next push has something to upload: what this device never pushed there, or the backup
    sealed anew, where `weakness` says why: what this device last saw there is sealed too weakly.
    """

    path: Path
    device_id: bytes
    device_name: str
    identity_public_key: bytes
    identity_epoch: int
    contact_count: int
    removed_count: int
    account: Account | None = None
    known: Remembered | None = None
    pending: bool = True
    remote_state: RemoteState = RemoteState.NOT_ASKED
    remote: Described | None = field(default=None)
    weakness: str = ""
