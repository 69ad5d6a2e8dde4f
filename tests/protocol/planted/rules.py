"""Bugs in the pure rules: what a slot may become."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from obscura_backup.domain import rules
from obscura_backup.domain.model import NO_VERSION, Kind, Revision, Version
from obscura_backup.domain.rules import Absent, Deletion, Done, Mismatch, Put, RestoreTombstone, Upload

if TYPE_CHECKING:
    import pytest

Outcome: TypeAlias = Put | RestoreTombstone | Done | Mismatch | Absent
Request: TypeAlias = Upload | Deletion


def version_from_row(patch: pytest.MonkeyPatch) -> None:
    original = rules.reconcile

    def reconcile(row: Revision | None, found: Revision | None, request: Request) -> Outcome:
        outcome = original(row, found, request)
        if isinstance(outcome, Put):
            return replace(outcome, version=Version((row.version if row else NO_VERSION) + 1))
        return outcome

    patch.setattr(rules, "reconcile", reconcile)


def version_from_object(patch: pytest.MonkeyPatch) -> None:
    original = rules.reconcile

    def reconcile(row: Revision | None, found: Revision | None, request: Request) -> Outcome:
        outcome = original(row, found, request)
        if isinstance(outcome, Put) and found is not None:
            return replace(outcome, version=Version(found.version + 1))
        return outcome

    patch.setattr(rules, "reconcile", reconcile)


def not_buried_again(patch: pytest.MonkeyPatch) -> None:
    original = rules.reconcile

    def reconcile(row: Revision | None, found: Revision | None, request: Request) -> Outcome:
        outcome = original(row, found, request)
        if isinstance(outcome, RestoreTombstone) and row is not None:
            return original(replace(row, kind=Kind.LIVE), found, request)
        return outcome

    patch.setattr(rules, "reconcile", reconcile)


def tombstone_takes_any_version(patch: pytest.MonkeyPatch) -> None:
    decide, reconcile = rules.decide, rules.reconcile

    def decide_loosely(row: Revision | None, request: Request) -> Put | None:
        if isinstance(request, Upload) and row is not None and not row.is_live:
            request = replace(request, expected=row.version)
        return decide(row, request)

    def reconcile_loosely(row: Revision | None, found: Revision | None, request: Request) -> Outcome:
        if isinstance(request, Upload) and found is not None and not found.is_live:
            request = replace(request, expected=found.version)
        return reconcile(row, found, request)

    patch.setattr(rules, "decide", decide_loosely)
    patch.setattr(rules, "reconcile", reconcile_loosely)


def same_bytes_at_any_version(patch: pytest.MonkeyPatch) -> None:
    original = rules.reconcile

    def reconcile(row: Revision | None, found: Revision | None, request: Request) -> Outcome:
        if isinstance(request, Upload) and found is not None and found.is_live and request.sha256 == found.sha256:
            return Done(found)
        return original(row, found, request)

    patch.setattr(rules, "reconcile", reconcile)


def retry_not_recognised(patch: pytest.MonkeyPatch) -> None:
    original = rules.reconcile

    def reconcile(row: Revision | None, found: Revision | None, request: Request) -> Outcome:
        outcome = original(row, found, request)
        if isinstance(outcome, Done) and isinstance(request, Upload) and found and request.expected != found.version:
            return Mismatch(found.version)
        return outcome

    patch.setattr(rules, "reconcile", reconcile)


def lost_blob_starts_anew(patch: pytest.MonkeyPatch) -> None:
    original = rules.reconcile

    def reconcile(row: Revision | None, found: Revision | None, request: Request) -> Outcome:
        if row is not None and found is None and isinstance(request, Upload) and request.expected == NO_VERSION:
            return Put(Version(row.version + 1), None)
        return original(row, found, request)

    patch.setattr(rules, "reconcile", reconcile)


def lost_tombstone_takes_its_version_alone(patch: pytest.MonkeyPatch) -> None:
    original = rules.reconcile

    def reconcile(row: Revision | None, found: Revision | None, request: Request) -> Outcome:
        outcome = original(row, found, request)
        if row is not None and found is None and isinstance(outcome, Put) and request.expected != row.version:
            return Mismatch(row.version)
        return outcome

    patch.setattr(rules, "reconcile", reconcile)


def row_never_lags(patch: pytest.MonkeyPatch) -> None:
    def is_stale(row: Revision | None, found: Revision) -> bool:
        return False

    patch.setattr(rules, "is_stale", is_stale)


def bytes_of_the_row_put_again(patch: pytest.MonkeyPatch) -> None:
    def is_unchanged_upload(row: Revision | None, request: Request) -> bool:
        return False

    patch.setattr(rules, "is_unchanged_upload", is_unchanged_upload)


def older_tombstone_taken(patch: pytest.MonkeyPatch) -> None:
    original = rules.reconcile

    def reconcile(row: Revision | None, found: Revision | None, request: Request) -> Outcome:
        if row is not None and found is not None and rules.is_lost(row, found):
            return original(replace(row, kind=Kind.TOMBSTONE), found, request)
        return original(row, found, request)

    patch.setattr(rules, "reconcile", reconcile)
