"""Noticing that the server hands out an older backup than the one this device knows of.

The server's version proves nothing, since the server chooses it. What it cannot choose is what is sealed inside: the
version vector of all devices, and the count of password changes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from obscura_backup_client.errors import RollbackSuspected
from obscura_backup_client.payload import encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from obscura_backup_client.model import Backup
    from obscura_backup_client.parameters import KdfParameters


class Reason(StrEnum):
    """Why a backup cannot be the latest; stable words, for programs."""

    GONE = "gone"
    OLDER_WRITERS = "older-writers"
    SAME_WRITERS_OTHER_BYTES = "same-writers-other-bytes"
    OLDER_PASSWORD = "older-password"  # noqa: S105 - the name of an alarm
    OLDER_FORMAT = "older-format"


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a person can compare of two backups. All but `version` comes from inside the seal."""

    version: int
    sealed_at_ms: int
    device_name: str
    contact_count: int
    key_epoch: int


@dataclass(frozen=True, slots=True)
class Remembered:
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
    def sighting(self) -> Sighting:
        """What a person is told of it."""
        return Sighting(self.version, self.sealed_at_ms, self.device_name, self.contact_count, self.key_epoch)

    def holds(self, content: Backup) -> bool:
        """Whether a server that holds this has all of `content`: what a person would miss, and every sealing in it.

        After an accepted rollback the contents may be equal and the server's vector still lower. Other devices would
        then take it for an older backup for ever, unless somebody seals it anew.
        """
        return self.content_sha256 == content_sha256(content) and covers(self.vector, content.vector)


def covers(vector: Mapping[bytes, int], other: Mapping[bytes, int]) -> bool:
    """Whether `vector` is at or above `other` in every component."""
    return all(vector.get(device_id, 0) >= seq for device_id, seq in other.items())


def suspicions(known: Remembered, fetched: Backup, sha256: bytes, sealed_format: int) -> tuple[Reason, ...]:
    """Every reason why `fetched` cannot be the latest backup, given what this device knows; empty when all is well.

    Args:
        known: what was remembered at the last push or restore.
        fetched: the opened content.
        sha256: of the fetched sealed bytes, 32 bytes.
        sealed_format: the digit of the sealed format.
    """
    reasons, vector = [], fetched.vector
    if not covers(vector, known.vector):
        reasons.append(Reason.OLDER_WRITERS)
    if vector == known.vector and sha256 != known.sha256:
        reasons.append(Reason.SAME_WRITERS_OTHER_BYTES)
    if fetched.key_epoch < known.key_epoch:
        reasons.append(Reason.OLDER_PASSWORD)
    if sealed_format < known.format:
        reasons.append(Reason.OLDER_FORMAT)
    return tuple(reasons)


def require_latest(
    known: Remembered | None, fetched: Backup, blob: bytes, *, sealed_format: int, version: int, accepted: bool = False
) -> bool:
    """Stop at a suspicion, unless the person accepted it. Without anything remembered there is nothing to suspect.

    Gives whether there was nothing to accept.

    Raises:
        RollbackSuspected: with all reasons, what was expected and what came.
    """
    if known is None:
        return True
    reasons = suspicions(known, fetched, hashlib.sha256(blob).digest(), sealed_format)
    if reasons and not accepted:
        raise RollbackSuspected(reasons, known.sighting, sighting_of(fetched, version))
    return not reasons


def require_never_seen(known: Remembered | None, *, accepted: bool = False) -> None:
    """Stop when a backup that this device knows of is gone: answering 404 is the oldest rollback of all.

    Not where this device itself asked for the deletion.

    Raises:
        RollbackSuspected: `gone`.
    """
    if known is not None and not known.may_be_gone and not accepted:
        raise RollbackSuspected((Reason.GONE,), known.sighting, None)


def sighting_of(content: Backup, version: int) -> Sighting:
    """What a person is told of an opened backup."""
    count = len(content.live_contacts)
    return Sighting(version, content.sealed_at_ms, content.device_name, count, content.key_epoch)


def remember(
    content: Backup, blob: bytes, *, sealed_format: int, version: int, parameters: KdfParameters | None = None
) -> Remembered:
    """What to keep of a backup that the server has just taken, or that was fetched and is merged."""
    return Remembered(
        vector=content.vector,
        sha256=hashlib.sha256(blob).digest(),
        key_epoch=content.key_epoch,
        format=sealed_format,
        version=version,
        content_sha256=content_sha256(content),
        sealed_at_ms=content.sealed_at_ms,
        device_name=content.device_name,
        contact_count=len(content.live_contacts),
        parameters=parameters,
    )


def content_sha256(content: Backup) -> bytes:
    """A digest of what a person would miss: everything but what each sealing changes by itself."""
    return hashlib.sha256(encode(replace(content, writers=(), sealed_at_ms=0, device_name=""))).digest()
