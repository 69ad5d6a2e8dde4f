"""Bugs in the pure rules: what a slot may become."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from obscura_backup.domain import rules
from obscura_backup.domain.model import NO_VERSION, Kind, Revision, Version
from obscura_backup.domain.rules import Absent, Bury, Deletion, Done, Mismatch, Put, Upload

if TYPE_CHECKING:
    import pytest

Outcome: TypeAlias = Put | Bury | Done | Mismatch | Absent
Asked: TypeAlias = Upload | Deletion


def version_from_row(patch: pytest.MonkeyPatch) -> None:
    original = rules.reconcile

    def reconcile(row: Revision | None, found: Revision | None, asked: Asked) -> Outcome:
        outcome = original(row, found, asked)
        if isinstance(outcome, Put):
            return replace(outcome, version=Version((row.version if row else NO_VERSION) + 1))
        return outcome

    patch.setattr(rules, "reconcile", reconcile)


def version_from_object(patch: pytest.MonkeyPatch) -> None:
    original = rules.reconcile

    def reconcile(row: Revision | None, found: Revision | None, asked: Asked) -> Outcome:
        outcome = original(row, found, asked)
        if isinstance(outcome, Put) and found is not None:
            return replace(outcome, version=Version(found.version + 1))
        return outcome

    patch.setattr(rules, "reconcile", reconcile)


def not_buried_again(patch: pytest.MonkeyPatch) -> None:
    original = rules.reconcile

    def reconcile(row: Revision | None, found: Revision | None, asked: Asked) -> Outcome:
        outcome = original(row, found, asked)
        if isinstance(outcome, Bury) and row is not None:
            return original(replace(row, kind=Kind.LIVE), found, asked)
        return outcome

    patch.setattr(rules, "reconcile", reconcile)


def tombstone_takes_any_version(patch: pytest.MonkeyPatch) -> None:
    decide, reconcile = rules.decide, rules.reconcile

    def decide_loosely(row: Revision | None, asked: Asked) -> Put | None:
        if isinstance(asked, Upload) and row is not None and not row.is_live:
            asked = replace(asked, expected=row.version)
        return decide(row, asked)

    def reconcile_loosely(row: Revision | None, found: Revision | None, asked: Asked) -> Outcome:
        if isinstance(asked, Upload) and found is not None and not found.is_live:
            asked = replace(asked, expected=found.version)
        return reconcile(row, found, asked)

    patch.setattr(rules, "decide", decide_loosely)
    patch.setattr(rules, "reconcile", reconcile_loosely)


def same_bytes_at_any_version(patch: pytest.MonkeyPatch) -> None:
    original = rules.reconcile

    def reconcile(row: Revision | None, found: Revision | None, asked: Asked) -> Outcome:
        if isinstance(asked, Upload) and found is not None and found.is_live and asked.sha256 == found.sha256:
            return Done(found)
        return original(row, found, asked)

    patch.setattr(rules, "reconcile", reconcile)


def retry_not_recognised(patch: pytest.MonkeyPatch) -> None:
    original = rules.reconcile

    def reconcile(row: Revision | None, found: Revision | None, asked: Asked) -> Outcome:
        outcome = original(row, found, asked)
        if isinstance(outcome, Done) and isinstance(asked, Upload) and found and asked.expected != found.version:
            return Mismatch(found.version)
        return outcome

    patch.setattr(rules, "reconcile", reconcile)


def lost_blob_starts_anew(patch: pytest.MonkeyPatch) -> None:
    original = rules.reconcile

    def reconcile(row: Revision | None, found: Revision | None, asked: Asked) -> Outcome:
        if row is not None and found is None and isinstance(asked, Upload) and asked.expected == NO_VERSION:
            return Put(Version(row.version + 1), None)
        return original(row, found, asked)

    patch.setattr(rules, "reconcile", reconcile)


def lost_tombstone_takes_its_version_alone(patch: pytest.MonkeyPatch) -> None:
    original = rules.reconcile

    def reconcile(row: Revision | None, found: Revision | None, asked: Asked) -> Outcome:
        outcome = original(row, found, asked)
        if row is not None and found is None and isinstance(outcome, Put) and asked.expected != row.version:
            return Mismatch(row.version)
        return outcome

    patch.setattr(rules, "reconcile", reconcile)


def row_never_lags(patch: pytest.MonkeyPatch) -> None:
    def lags(row: Revision | None, found: Revision) -> bool:
        return False

    patch.setattr(rules, "lags", lags)


def bytes_of_the_row_put_again(patch: pytest.MonkeyPatch) -> None:
    def names_the_same_bytes(row: Revision | None, asked: Asked) -> bool:
        return False

    patch.setattr(rules, "names_the_same_bytes", names_the_same_bytes)


def older_tombstone_taken(patch: pytest.MonkeyPatch) -> None:
    original = rules.reconcile

    def reconcile(row: Revision | None, found: Revision | None, asked: Asked) -> Outcome:
        if row is not None and found is not None and rules.is_lost(row, found):
            return original(replace(row, kind=Kind.TOMBSTONE), found, asked)
        return original(row, found, asked)

    patch.setattr(rules, "reconcile", reconcile)
