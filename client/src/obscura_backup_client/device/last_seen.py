"""What a device remembers of the latest backup that it saw on a server."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from obscura_backup_client.content.codec import encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from obscura_backup_client.content.model import Backup
    from obscura_backup_client.sealing.kdf_parameters import KdfParameters


@dataclass(frozen=True, slots=True)
class BackupSummary:
    """What a person can compare of two backups. All but `version` comes from inside the seal."""

    version: int
    sealed_at_ms: int
    device_name: str
    contact_count: int
    key_epoch: int


@dataclass(frozen=True, slots=True)
class LastSeen:
    """What a device keeps of one server and user: the latest backup that was stored there for it, or that it merged.

    `sha256` is over the sealed bytes. `version` is the server's own count: good for asking it whether anything
    changed, and no evidence of anything. `content_sha256` is over what this device would push, without what each
    sealing changes, so that an unchanged content is recognised without a password. `may_be_gone` is set when this
    device asks for a deletion, so that its own deletion is no alarm. `parameters` are those of the opened or sealed
    bytes; None where an earlier version did not note them.
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

    @property
    def summary(self) -> BackupSummary:
        """What a person is told of it."""
        return BackupSummary(self.version, self.sealed_at_ms, self.device_name, self.contact_count, self.key_epoch)

    def includes(self, content: Backup) -> bool:
        """Whether a server that holds this has all of `content`: what a person would miss, and every sealing in it.

        After an accepted rollback the contents may be equal and the server's vector still lower. Other devices would
        then take it for an older backup for ever, unless somebody seals it anew.
        """
        return self.content_sha256 == content_sha256(content) and dominates(self.vector, content.vector)


def dominates(vector: Mapping[bytes, int], other: Mapping[bytes, int]) -> bool:
    """Whether `vector` is at or above `other` in every component."""
    return all(vector.get(device_id, 0) >= seq for device_id, seq in other.items())


def content_sha256(content: Backup) -> bytes:
    """A digest of what a person would miss: everything but what each sealing changes by itself."""
    return hashlib.sha256(encode(replace(content, writers=(), sealed_at_ms=0, device_name=""))).digest()
