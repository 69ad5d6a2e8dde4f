"""What must hold whatever happens, as checks of one step: of a write to the object, or of what a client is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from protocol.explorer.processes import INACTIVE_SINCE, REAPED_AT, Said, Wants
from protocol.explorer.scenarios import Does, Restores, StoredAgain

if TYPE_CHECKING:
    from obscura_backup.domain.model import Revision
    from protocol.explorer.processes import Ending
    from protocol.explorer.requests import Request, Requests


class BrokenError(Exception):
    """An invariant does not hold; the message says which."""


class Upload(NamedTuple):
    """An upload that was stored."""

    text: str
    version: int
    base: int


class Ledger(NamedTuple):
    """What the invariants have to remember of the past.

    Attributes:
        stored: each upload that was ever applied and not undone by a restore.
        highest: the highest version ever applied; after the bucket was restored, the highest acknowledged one.
        grave: the highest version of a tombstone ever applied.
        acknowledged: the number of the revision of the highest version that a client was told is stored or deleted;
            kept where a restore is to come.
        restored: whether a store was restored.
        deleted: whether the last write before that was a deletion.
    """

    stored: frozenset[Upload] = frozenset()
    highest: int = 0
    grave: int = 0
    acknowledged: int = 0
    restored: bool = False
    deleted: bool = False


class Invariants:
    """The checks. Each raises `BrokenError`, or returns the ledger after the step."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._revisions = requests.revisions
        self._scenario = requests.scenario

    def _bucket_restored(self, ledger: Ledger) -> bool:
        return ledger.restored and self._scenario.restores is Restores.OBJECT

    def applied(self, ledger: Ledger, row: Revision | None, found: Revision | None, put: int) -> Ledger:
        """A PUT replaces the object."""
        new = self._revisions.of[put]
        assert new is not None
        if self._bucket_restored(ledger) and _buries_again(row, new):
            if found is not None and found.version >= new.version:
                raise BrokenError(f"the deletion at {new.version} is put back over version {found.version}")
            return ledger._replace(grave=max(ledger.grave, new.version), highest=max(ledger.highest, new.version))
        self._require_conditional(ledger, row, found, new)
        if new.is_live and found is not None and self._is_undone(ledger, found):
            raise BrokenError(f"version {new.version} goes on from a backup whose deletion was acknowledged")
        if new.version <= ledger.highest:
            raise BrokenError(f"version {new.version} is used again, or reads go back to it from {ledger.highest}")
        stored = ledger.stored
        if new.is_live:
            text = self._revisions.text[put]
            if not self._scenario.twins and any(upload.text == text for upload in stored):
                first_after_deletion = new.base == 0 and found is not None and not found.is_live
                if not first_after_deletion:
                    raise BrokenError(f"the upload of {text} is applied twice")
                if self._scenario.stored_again is StoredAgain.FORBIDDEN:
                    raise BrokenError(f"{text} was deleted, and is back")
            stored |= {Upload(text, new.version, new.base)}
        grave = ledger.grave if new.is_live else new.version
        return ledger._replace(stored=stored, highest=new.version, grave=grave)

    def _is_lost(self, ledger: Ledger) -> bool:
        """Whether an absent object, or an older tombstone, is in the place of an acknowledged, undeleted backup."""
        last = ledger.acknowledged
        undeleted = self._revisions.is_live(last) and ledger.grave < self._revisions.version(last)
        return self._bucket_restored(ledger) and undeleted

    def _is_undone(self, ledger: Ledger, found: Revision) -> bool:
        """Whether the object is a backup whose deletion was acknowledged, and that no upload followed."""
        last = self._revisions.of[ledger.acknowledged]
        undone = found.is_live and last is not None and not last.is_live and found.version < last.version
        return ledger.deleted and undone

    def _require_conditional(self, ledger: Ledger, row: Revision | None, found: Revision | None, new: Revision) -> None:
        if found is not None and found.is_live:
            if new.base != found.version:
                raise BrokenError(f"version {found.version} is replaced by a write that expected {new.base}")
            if new.sha256 == found.sha256:
                raise BrokenError(f"version {found.version} is replaced by the very bytes that it has")
            if new.updated_at == REAPED_AT and found.updated_at >= INACTIVE_SINCE:
                raise BrokenError(f"reap deletes version {found.version}, which is in use")
            return
        if self._goes_on_from_the_row(ledger, row, found, new):
            return
        if self._is_lost(ledger):
            raise BrokenError(f"a lost backup is replaced by a write that expected {new.base}")
        starts_anew = new.is_live and new.base == 0
        if not starts_anew and (found is None or new.base != found.version):
            met = "nothing" if found is None else f"the tombstone of version {found.version}"
            raise BrokenError(f"{met} is replaced by a write that expected {new.base}")

    def _goes_on_from_the_row(
        self, ledger: Ledger, row: Revision | None, found: Revision | None, new: Revision
    ) -> bool:
        """Whether a write expected what the row still knows, where there is no object, or an older tombstone."""
        if row is None or new.base != row.version:
            return False
        return found is None or (self._bucket_restored(ledger) and row.is_live and row.version > found.version)

    def told(
        self, ledger: Ledger, found: Revision | None, request: Request, ending: Ending, asked_last: Wants
    ) -> Ledger:
        """A client is told how its request ended, at the moment of the last answer of a port."""
        match ending.said:
            case Said.STORED:
                return self._stored(ledger, request, ending)
            case Said.DELETED:
                return self._deleted(ledger, found, request)
            case Said.READ:
                if ending.revision != found:
                    raise BrokenError("a read tells what the slot does not hold")
            case Said.NOT_FOUND:
                self._not_found(ledger, found, asked_last)
            case Said.LOST:
                if not self._bucket_restored(ledger):
                    raise BrokenError("a backup is called lost, and nothing was")
            case Said.CONFLICT:
                self._conflict(ledger, request, ending.version)
            case Said.FAILED:
                raise BrokenError("the service fails")
        return ledger

    def _not_found(self, ledger: Ledger, found: Revision | None, asked_last: Wants) -> None:
        if asked_last is Wants.LOOK and found is not None and found.is_live:
            raise BrokenError("404 for what is there")
        if (found is None or not found.is_live) and self._is_lost(ledger):
            raise BrokenError("404 for a backup that was lost")

    def _stored(self, ledger: Ledger, request: Request, ending: Ending) -> Ledger:
        number = self._revisions.number(ending.revision)
        revision = ending.revision
        assert revision is not None
        text = self._requests.text(request)
        if Upload(text, revision.version, revision.base) not in ledger.stored:
            raise BrokenError(f"{text} is acknowledged as version {revision.version}, and is not stored as that")
        if self._requests.expected(request) not in (revision.base, revision.version):
            raise BrokenError(f"{text} is acknowledged at version {revision.version}, which its upload never expected")
        return self._acknowledge(ledger, number)

    def _deleted(self, ledger: Ledger, found: Revision | None, request: Request) -> Ledger:
        expected = self._requests.expected(request)
        if found is not None and found.is_live and ledger.grave <= expected:
            raise BrokenError(f"the deletion of version {expected} is acknowledged, and nothing is deleted")
        if found is not None and not found.is_live:
            return self._acknowledge(ledger, self._revisions.number(found))
        return ledger

    def _acknowledge(self, ledger: Ledger, number: int) -> Ledger:
        if self._scenario.restores is Restores.NOTHING:
            return ledger
        if self._revisions.version(number) <= self._revisions.version(ledger.acknowledged):
            return ledger
        return ledger._replace(acknowledged=number)

    def _conflict(self, ledger: Ledger, request: Request, current: int) -> None:
        if current == self._requests.expected(request):
            raise BrokenError(f"409 tells the very version that was expected, {current}")
        if current < request.known and not self._bucket_restored(ledger):
            raise BrokenError(f"409 tells version {current} to a client that knows of {request.known}")
        if self._scenario.twins or self._requests.turn(request).does is not Does.UPLOAD:
            return
        text = self._requests.text(request)
        if any(upload.text == text and upload.version == current for upload in ledger.stored):
            raise BrokenError(f"409 tells the uploader of {text} of version {current}, which is {text}")

    def restored(self, ledger: Ledger, found: Revision | None) -> Ledger:
        """One of the stores was put back to an older copy; `found`: the object since then."""
        ledger = ledger._replace(restored=True)
        if self._scenario.restores is not Restores.OBJECT:
            return ledger
        version = found.version if found else 0
        return ledger._replace(
            deleted=ledger.grave > max((upload.version for upload in ledger.stored), default=0),
            stored=frozenset(upload for upload in ledger.stored if upload.version <= version),
            highest=max(version, self._revisions.version(ledger.acknowledged)),
        )


def _buries_again(row: Revision | None, new: Revision) -> bool:
    if row is None or row.is_live or new.is_live:
        return False
    return (new.version, new.base) == (row.version, row.base)
