"""What may happen to a slot: pure functions from (row, object, what is asked) to what to do.

The object is the truth, the row its index and its lock. `decide` takes the fast path, from the row alone, and is safe
because what it decides is a conditional PUT, which a row that lags only makes fail. `reconcile` is the slow path: it
has seen the object. An acknowledgement or a refusal is only ever given on what the object says.
"""

from __future__ import annotations

from dataclasses import dataclass

from obscura_backup.domain.model import NO_VERSION, Kind, Revision, Sha256, Tag, Version


@dataclass(frozen=True, slots=True)
class Upload:
    """Asked: make a blob with this digest the next version after `expected` (0: there is no backup yet)."""

    expected: Version
    sha256: Sha256


@dataclass(frozen=True, slots=True)
class Deletion:
    """Asked: delete version `expected`."""

    expected: Version


@dataclass(frozen=True, slots=True)
class Put:
    """Do: store what is asked as `version`, if the object's tag is `replaces` (None: if there is no object)."""

    version: Version
    replaces: Tag | None


@dataclass(frozen=True, slots=True)
class RestoreTombstone:
    """Do: put the tombstone `deleted` back over `replaces`, an older backup that a restored bucket brought back."""

    deleted: Revision
    replaces: Tag


@dataclass(frozen=True, slots=True)
class Done:
    """Answer: what is asked has happened already, as `revision` (None: the deletion of what is on no object)."""

    revision: Revision | None


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Answer: the slot holds `current` (0: nothing), which is not what was expected."""

    current: Version


@dataclass(frozen=True, slots=True)
class Absent:
    """Answer: there never was anything to delete."""


def decide(row: Revision | None, request: Upload | Deletion) -> Put | None:
    """Take the fast path, from the row alone: a PUT to try, or None where the object has to be looked at first."""
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

    Then the object is looked at before anything is written: where it says so too, there is nothing to write.
    """
    return (
        isinstance(request, Upload)
        and row is not None
        and row.is_live
        and (request.expected, request.sha256) == (row.version, row.sha256)
    )


def is_lost(row: Revision | None, found: Revision | None) -> bool:
    """Whether the row knows a live version that the blob store lost, with no later object in its place.

    Either there is no object, or a bucket was restored from an older copy, in which the slot held a tombstone.

    Args:
        row: read before `found` was. Read after it, it may be of an upload that came between the two.
        found: the object, None where there is none.
    """
    if row is None or not row.is_live:
        return False
    return found is None or (not found.is_live and found.version < row.version)


def reconcile(
    row: Revision | None, found: Revision | None, request: Upload | Deletion
) -> Put | RestoreTombstone | Done | Mismatch | Absent:
    """The slow path: what to do, now that the object has been looked at (`found`, None where there is none)."""
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
    # Only a client that knows the lost version may go on from it. A first upload would bury the loss: its client
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
    # The grave itself was lost. A reader is told "no backup", so "no backup" must be a way on, or the slot is stuck.
    if request.expected in (NO_VERSION, row.version):
        return Put(Version(row.version + 1), None)
    return Mismatch(row.version)


def is_stale(row: Revision | None, found: Revision) -> bool:
    """Whether the row should follow the object: it is behind, or names the same version by another tag."""
    return row is None or row.version < found.version or (row.version == found.version and row != found)


def certain_conflict(row: Revision | None, found: Revision | None, expected: Version) -> Version | None:
    """The version that an upload is refused with before its body is read, or None where some body could be accepted.

    The best that a body can do is to be the very bytes that the slot holds: a retry after a lost answer.
    """
    best = found.sha256 if found else Sha256(b"")
    outcome = reconcile(row, found, Upload(expected, best))
    return outcome.current if isinstance(outcome, Mismatch) else None
