"""Noticing that the server hands out an older backup than the one this device knows of.

The server's version proves nothing, since the server chooses it. What it cannot choose is what is sealed inside: the
version vector of all devices, and the count of password changes.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import TYPE_CHECKING

from obscura_backup_client.device.last_seen import BackupSummary, LastSeen, content_sha256, dominates
from obscura_backup_client.operations.errors import RollbackSuspected

if TYPE_CHECKING:
    from obscura_backup_client.content.model import Backup
    from obscura_backup_client.sealing.kdf_parameters import KdfParameters


class Reason(StrEnum):
    """Why a backup cannot be the latest; stable words, for programs."""

    GONE = "gone"
    OLDER_WRITERS = "older-writers"
    SAME_WRITERS_OTHER_BYTES = "same-writers-other-bytes"
    OLDER_PASSWORD = "older-password"  # noqa: S105 - the name of an alarm
    OLDER_FORMAT = "older-format"


def suspicions(known: LastSeen, fetched: Backup, sha256: bytes, sealed_format: int) -> tuple[Reason, ...]:
    """Every reason why `fetched` cannot be the latest backup, given what this device knows; empty when all is well.

    Args:
        known: what was remembered at the last push or restore.
        fetched: the opened content.
        sha256: of the fetched sealed bytes, 32 bytes.
        sealed_format: the digit of the sealed format.
    """
    reasons, vector = [], fetched.vector
    if not dominates(vector, known.vector):
        reasons.append(Reason.OLDER_WRITERS)
    if vector == known.vector and sha256 != known.sha256:
        reasons.append(Reason.SAME_WRITERS_OTHER_BYTES)
    if fetched.key_epoch < known.key_epoch:
        reasons.append(Reason.OLDER_PASSWORD)
    if sealed_format < known.format:
        reasons.append(Reason.OLDER_FORMAT)
    return tuple(reasons)


def require_latest(
    known: LastSeen | None, fetched: Backup, blob: bytes, *, sealed_format: int, version: int, accepted: bool = False
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
        raise RollbackSuspected(reasons, known.summary, summary_of(fetched, version))
    return not reasons


def require_absence_expected(known: LastSeen | None, *, accepted: bool = False) -> None:
    """Stop when a backup that this device knows of is gone: answering 404 is the oldest rollback of all.

    Not where this device itself asked for the deletion.

    Raises:
        RollbackSuspected: `gone`.
    """
    if known is not None and not known.may_be_gone and not accepted:
        raise RollbackSuspected((Reason.GONE,), known.summary, None)


def summary_of(content: Backup, version: int) -> BackupSummary:
    """What a person is told of an opened backup."""
    count = len(content.live_contacts)
    return BackupSummary(version, content.sealed_at_ms, content.device_name, count, content.key_epoch)


def last_seen_of(
    content: Backup, blob: bytes, *, sealed_format: int, version: int, parameters: KdfParameters | None = None
) -> LastSeen:
    """What to keep of a backup that the server has just taken, or that was fetched and is merged."""
    return LastSeen(
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
