"""What a device records of the latest backup that it saw on a server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from obscura_backup_client.content.codec import content_sha256

if TYPE_CHECKING:
    from collections.abc import Mapping

    from obscura_backup_client.content.model import Backup
    from obscura_backup_client.sealing.kdf_parameters import KdfParameters


@dataclass(frozen=True, slots=True)
class BackupSummary:
    """Facts by which a person can compare two backups. All but `version` are authenticated inside the backup."""

    version: int
    sealed_at_ms: int
    device_name: str
    contact_count: int
    key_epoch: int


@dataclass(frozen=True, slots=True)
class LastSeen:
    """The latest backup of one account that this device pushed or merged.

    Attributes:
        vector: the version vector, device id to number of its latest sealing.
        sha256: of the sealed bytes, 32 bytes.
        key_epoch: how often the password was set.
        format: the digit of the sealed format.
        version: the server's count. It serves to ask whether anything changed, and proves nothing.
        content_sha256: see `codec.content_sha256`; shows without a password whether the content changed.
        sealed_at_ms: when it was sealed, milliseconds since 1970.
        device_name: the device that sealed it.
        contact_count: contacts in it.
        may_be_gone: this device asked for its deletion, so that its absence is no alarm.
        parameters: of the key derivation; None if an earlier version of this client did not record them.
        deleted_at_ms: when this device asked for its deletion, milliseconds since 1970; None if it did not, or if an
            earlier version of this client did.
        password_typed_at_ms: when this password was last typed on this device and fitted the backup, milliseconds since
            1970; None if that was never recorded.
    """

    vector: Mapping[bytes, int] = field(repr=False)
    sha256: bytes
    key_epoch: int
    format: int
    version: int
    content_sha256: bytes
    sealed_at_ms: int
    device_name: str
    contact_count: int
    may_be_gone: bool = False
    parameters: KdfParameters | None = None
    password_typed_at_ms: int | None = None
    deleted_at_ms: int | None = None

    @property
    def summary(self) -> BackupSummary:
        """The facts that are shown of it."""
        return BackupSummary(self.version, self.sealed_at_ms, self.device_name, self.contact_count, self.key_epoch)

    def includes(self, content: Backup) -> bool:
        """Whether this backup has all of `content` and all of its sealings.

        After an accepted rollback the contents may be equal while the server's vector is lower. Other devices would
        then take the backup for an older one until a device seals it again.
        """
        return self.content_sha256 == content_sha256(content) and dominates(self.vector, content.vector)


def dominates(vector: Mapping[bytes, int], other: Mapping[bytes, int]) -> bool:
    """Whether every component of `vector` is at least that of `other`."""
    return all(vector.get(device_id, 0) >= seq for device_id, seq in other.items())
