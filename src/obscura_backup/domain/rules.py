"""What may happen to a slot: pure functions from (row, object, request) to the next step.

The object is the truth; the row is its index and its lock. `decide` is the fast path, from the row alone. It is safe
because its only result is a conditional PUT, which fails if the row lags behind. `reconcile` is the slow path and knows
the object. A request is acknowledged or refused only by what the object says.
"""

from __future__ import annotations

from dataclasses import dataclass

from obscura_backup.domain.model import NO_VERSION, Kind, Revision, Sha256, Tag, Version


@dataclass(frozen=True, slots=True)
class Upload:
    """Request: store a blob with this digest as the version after `expected` (0: there is no backup yet)."""

    expected: Version
    sha256: Sha256


@dataclass(frozen=True, slots=True)
class Deletion:
    """Request: delete version `expected`."""

    expected: Version


@dataclass(frozen=True, slots=True)
class Put:
    """Step: store the request as `version` if the object's tag is `replaces` (None: if there is no object)."""

    version: Version
    replaces: Tag | None


@dataclass(frozen=True, slots=True)
class RestoreTombstone:
    """Step: write the tombstone `deleted` again over `replaces`, an older backup from a restored bucket."""

    deleted: Revision
    replaces: Tag


@dataclass(frozen=True, slots=True)
class Done:
    """Answer: the request was fulfilled before, as `revision` (None: a deletion whose object is gone)."""

    revision: Revision | None


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Answer: the slot holds version `current` (0: nothing), not the expected one."""

    current: Version


@dataclass(frozen=True, slots=True)
class Absent:
    """Answer: there never was a backup to delete."""


def decide(row: Revision | None, request: Upload | Deletion) -> Put | None:
    """The fast path, from the row alone: a PUT to try; None if the object has to be read first."""
    if row is None:
        first = isinstance(request, Upload) and request.expected == NO_VERSION
        return Put(Version(1), None) if first else None
    next_put = Put(Version(row.version + 1), row.tag)
    match request:
        case Upload(expected, _) if row.is_live:
            return next_put if expected == row.version else None
        case Upload(expected, _):
            return next_put if expected in (NO_VERSION, row.version) else None
        case Deletion(expected):
            return next_put if row.is_live and expected == row.version else None


def is_unchanged_upload(row: Revision | None, request: Upload | Deletion) -> bool:
    """Whether the row says that the expected version already has the bytes of this upload.

    Then the object is read first: if it says the same, there is nothing to write.
    """
    return (
        isinstance(request, Upload)
        and row is not None
        and row.is_live
        and (request.expected, request.sha256) == (row.version, row.sha256)
    )


def is_lost(row: Revision | None, found: Revision | None) -> bool:
    """Whether the blob store lost the live version of the row, with no later object in its place.

    Either there is no object, or a restored bucket brought back an older tombstone.

    Args:
        row: read before `found`; otherwise it may come from an upload between the two reads.
        found: the object; None if there is none.
    """
    if row is None or not row.is_live:
        return False
    return found is None or (not found.is_live and found.version < row.version)


def reconcile(
    row: Revision | None, found: Revision | None, request: Upload | Deletion
) -> Put | RestoreTombstone | Done | Mismatch | Absent:
    """The slow path: the next step, given the object (`found`; None if there is none)."""
    if row is not None and is_lost(row, found):
        return _after_loss(row, found, request)
    if found is None:
        return _without_object(row, request)
    if found.is_live and row is not None and row.kind is Kind.TOMBSTONE and row.version > found.version:
        return RestoreTombstone(row, found.tag)
    next_put = Put(Version(max(found.version, row.version if row else NO_VERSION) + 1), found.tag)
    match request:
        case Upload(expected, sha256) if found.is_live:
            if sha256 == found.sha256 and expected in (found.version, found.base):
                return Done(found)
            return next_put if expected == found.version else Mismatch(found.version)
        case Upload(expected, _):
            return next_put if expected in (NO_VERSION, found.version) else Mismatch(found.version)
        case Deletion(expected) if found.is_live:
            return next_put if expected == found.version else Mismatch(found.version)
        case Deletion():
            return Done(found)


def _after_loss(row: Revision, found: Revision | None, request: Upload | Deletion) -> Put | Mismatch:
    # Only a client that knows the lost version may continue from it. A first upload would hide the loss: its client
    # believes that there never was a backup, or that it was deleted.
    if request.expected == row.version:
        return Put(Version(row.version + 1), found.tag if found else None)
    return Mismatch(row.version)


def _without_object(row: Revision | None, request: Upload | Deletion) -> Put | Done | Mismatch | Absent:
    if row is None:
        if isinstance(request, Deletion):
            return Absent()
        return Put(Version(1), None) if request.expected == NO_VERSION else Mismatch(NO_VERSION)
    if isinstance(request, Deletion):
        return Done(None)
    # The tombstone was lost. Readers get "no backup", so an upload that expects none must succeed.
    if request.expected in (NO_VERSION, row.version):
        return Put(Version(row.version + 1), None)
    return Mismatch(row.version)


def is_stale(row: Revision | None, found: Revision) -> bool:
    """Whether the row has to be updated: it is behind the object, or has another tag for the same version."""
    return row is None or row.version < found.version or (row.version == found.version and row != found)


def certain_conflict(row: Revision | None, found: Revision | None, expected: Version) -> Version | None:
    """The current version if every body would be refused; None if some body could be accepted.

    The best case is a body with the bytes of the slot: a retry after a lost response.
    """
    best = found.sha256 if found else Sha256(b"")
    outcome = reconcile(row, found, Upload(expected, best))
    return outcome.current if isinstance(outcome, Mismatch) else None
