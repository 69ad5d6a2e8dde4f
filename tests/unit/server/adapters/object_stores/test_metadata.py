from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from contracts import samples
from obscura_backup.adapters.object_stores.metadata import check_of, metadata_of, revision_of
from obscura_backup.domain.errors import BackupDamaged
from obscura_backup.domain.model import Kind, Revision, Tag
from support.table import table

TAG = Tag("a tag")


def altered(name: str, value: str) -> dict[str, str]:
    """Metadata with another value in one field, and the check value for it."""
    metadata = metadata_of(samples.draft(samples.blob())) | {name: value}
    return metadata | {"check": check_of(metadata, 32)}


@table("kind", list(Kind))
def test_draft_comes_back_as_its_revision(kind: Kind) -> None:
    blob = samples.blob()
    draft = samples.draft(blob, version=12, base=4, kind=kind)
    assert revision_of(metadata_of(draft), tag=TAG, size=blob.size) == Revision.of(draft, TAG)


def test_case_of_the_names_does_not_matter() -> None:
    blob = samples.blob()
    draft = samples.draft(blob)
    shouted = {name.title(): value for name, value in metadata_of(draft).items()}
    assert revision_of(shouted, tag=TAG, size=blob.size) == Revision.of(draft, TAG)


def test_time_is_read_in_any_zone_and_kept_in_utc() -> None:
    moment = datetime(2026, 1, 1, 12, 0, 0, 1, tzinfo=timezone(timedelta(hours=2)))
    read = revision_of(altered("updated-at", moment.isoformat()), tag=TAG, size=32).updated_at
    assert read == moment
    assert read.tzinfo is UTC


def test_odd_metadata_is_not_ours() -> None:
    cases: list[tuple[str, str]] = [
        ("version", "0"),
        ("version", "-1"),
        ("version", "1.5"),
        ("version", "٣"),
        ("version", "9" * 30),
        ("base", "x"),
        ("kind", "undead"),
        ("sha256", "ab"),
        ("sha256", "z" * 64),
        ("upload-id", ""),
        ("updated-at", "yesterday"),
        ("updated-at", "2026-01-01T00:00:00"),
    ]
    for name, value in cases:
        with pytest.raises(BackupDamaged, match="not ours"):
            revision_of(altered(name, value), tag=TAG, size=32)


def test_missing_metadata_is_not_ours() -> None:
    cases: list[str] = ["version", "base", "kind", "sha256", "upload-id", "updated-at", "check"]
    for name in cases:
        metadata = metadata_of(samples.draft(samples.blob()))
        del metadata[name]
        with pytest.raises(BackupDamaged, match="not ours"):
            revision_of(metadata, tag=TAG, size=32)


@table(
    ("name", "value", "sound"),
    [("version", "1", True), ("base", "0", True), ("version", "9" * 18, True), ("version", "9" * 19, False)],
)
def test_number_at_its_limit(name: str, value: str, *, sound: bool) -> None:
    metadata = altered(name, value)
    if sound:
        assert getattr(revision_of(metadata, tag=TAG, size=32), name) == int(value)
    else:
        with pytest.raises(BackupDamaged):
            revision_of(metadata, tag=TAG, size=32)


@table("name", ["version", "base", "kind", "sha256", "upload-id", "updated-at"])
@table("is_whole", [False, True])
def test_metadata_that_its_check_value_contradicts_is_damaged(name: str, *, is_whole: bool) -> None:
    metadata = metadata_of(samples.draft(samples.blob(), version=12, base=11))
    with pytest.raises(BackupDamaged):
        revision_of(metadata | {name: metadata[name][:-1]}, tag=TAG, size=32, is_whole=is_whole)


def test_size_that_the_check_value_contradicts_is_damage() -> None:
    metadata = metadata_of(samples.draft(samples.blob()))
    with pytest.raises(BackupDamaged):
        revision_of(metadata, tag=TAG, size=31)


def test_check_value_may_be_missing_only_from_a_whole_response() -> None:
    blob = samples.blob()
    draft = samples.draft(blob)
    metadata = metadata_of(draft)
    del metadata["check"]
    assert revision_of(metadata, tag=TAG, size=blob.size, is_whole=True) == Revision.of(draft, TAG)
    with pytest.raises(BackupDamaged):
        revision_of(metadata, tag=TAG, size=blob.size)
