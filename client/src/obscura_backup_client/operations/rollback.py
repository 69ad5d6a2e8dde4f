"""Detecting that the server returns an older backup than the one that this device last saw.

The server chooses the version, so that proves nothing. It cannot choose what is sealed inside: the version vector of
all devices, and the number of password changes.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import TYPE_CHECKING

from obscura_backup_client.content.codec import content_sha256
from obscura_backup_client.device.last_seen import BackupSummary, LastSeen, dominates
from obscura_backup_client.operations.errors import RollbackSuspected

if TYPE_CHECKING:
    from obscura_backup_client.content.model import Backup
    from obscura_backup_client.sealing.kdf_parameters import KdfParameters


class Reason(StrEnum):
    """Why a backup cannot be the latest. The values are stable, for programs."""

    GONE = "gone"
    OLDER_WRITERS = "older-writers"
    SAME_WRITERS_OTHER_BYTES = "same-writers-other-bytes"
    OLDER_PASSWORD = "older-password"  # noqa: S105 - the name of an alarm
    OLDER_FORMAT = "older-format"


def suspicions(known: LastSeen, fetched: Backup, sha256: bytes, sealed_format: int) -> tuple[Reason, ...]:
    """The reasons why `fetched` cannot be the latest backup; empty if there are none.

    Args:
        known: what was recorded at the last push or restore.
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
    """Check for a rollback. Returns False if there is one and the person accepted it, else True.

    Raises:
        RollbackSuspected: there is one; with all reasons, the expected backup and the received one.
    """
    if known is None:
        return True
    reasons = suspicions(known, fetched, hashlib.sha256(blob).digest(), sealed_format)
    if reasons and not accepted:
        raise RollbackSuspected(reasons, known.summary, summary_of(fetched, version))
    return not reasons


def require_absence_expected(known: LastSeen | None, *, accepted: bool = False) -> None:
    """Check that a missing backup was never seen: a 404 is also a rollback. This device's own deletion is none.

    Raises:
        RollbackSuspected: `gone`.
    """
    if known is not None and not known.may_be_gone and not accepted:
        raise RollbackSuspected((Reason.GONE,), known.summary, None)


def summary_of(content: Backup, version: int) -> BackupSummary:
    """The facts that are shown of an opened backup."""
    count = content.contact_count
    return BackupSummary(version, content.sealed_at_ms, content.device_name, count, content.key_epoch)


def last_seen_of(
    content: Backup, blob: bytes, *, sealed_format: int, version: int, parameters: KdfParameters | None = None
) -> LastSeen:
    """What to record of a backup that was just stored on the server, or fetched and merged."""
    return LastSeen(
        vector=content.vector,
        sha256=hashlib.sha256(blob).digest(),
        key_epoch=content.key_epoch,
        format=sealed_format,
        version=version,
        content_sha256=content_sha256(content),
        sealed_at_ms=content.sealed_at_ms,
        device_name=content.device_name,
        contact_count=content.contact_count,
        parameters=parameters,
    )
