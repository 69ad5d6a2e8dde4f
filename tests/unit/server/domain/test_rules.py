"""The rules as tables: (row, object, request) -> decision; single cases of the slot protocol; and the errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from contracts import samples
from obscura_backup.adapters.memory import MemoryBlobStore, MemoryMetadataStore
from obscura_backup.adapters.system_clock import SystemClock
from obscura_backup.domain.errors import (
    BackupNotFound,
    BlobStoreUnavailable,
    MetadataUnavailable,
    OutcomeUnknown,
    PutRefused,
    Unauthenticated,
    Unavailable,
)
from obscura_backup.domain.model import NO_VERSION, ByteRange, Draft, Kind, Revision, Sha256, Tag, UserId, Version
from obscura_backup.domain.rules import (
    Absent,
    Deletion,
    Done,
    Mismatch,
    Put,
    RestoreTombstone,
    Upload,
    certain_conflict,
    decide,
    is_lost,
    is_stale,
    is_unchanged_upload,
    reconcile,
)
from obscura_backup.domain.service import BackupService
from support.table import table

if TYPE_CHECKING:
    from obscura_backup.domain.blob import Blob

NEW = Sha256(b"n" * 32)
LIVE_3 = samples.revision(3, tag="three")
LIVE_5 = samples.revision(5, tag="five")
GRAVE_4 = samples.revision(4, kind=Kind.TOMBSTONE, tag="four")
GRAVE_6 = samples.revision(6, kind=Kind.TOMBSTONE, tag="six")


def upload(expected: int, sha256: Sha256 = NEW) -> Upload:
    return Upload(Version(expected), sha256)


def deletion(expected: int) -> Deletion:
    return Deletion(Version(expected))


def put(version: int, replaces: str | None) -> Put:
    return Put(Version(version), None if replaces is None else Tag(replaces))


def test_fast_path() -> None:
    cases: list[tuple[object, Upload | Deletion, Put | None]] = [
        (None, upload(0), put(1, None)),
        (None, upload(1), None),
        (None, deletion(1), None),
        (LIVE_3, upload(3), put(4, "three")),
        (LIVE_3, upload(2), None),
        (LIVE_3, upload(0), None),
        (LIVE_3, upload(3, LIVE_3.sha256), put(4, "three")),  # tags are never reused: no bytes are special
        (LIVE_3, deletion(3), put(4, "three")),
        (LIVE_3, deletion(2), None),
        (GRAVE_4, upload(0), put(5, "four")),
        (GRAVE_4, upload(4), put(5, "four")),
        (GRAVE_4, upload(3), None),
        (GRAVE_4, deletion(4), None),
    ]
    for row, asked, outcome in cases:
        assert decide(row, asked) == outcome  # type: ignore[arg-type]  # a table of mixed rows


def test_slow_path() -> None:
    cases: list[tuple[object, object, Upload | Deletion, object]] = [
        # there is nothing
        (None, None, upload(0), put(1, None)),
        (None, None, upload(2), Mismatch(NO_VERSION)),
        (None, None, deletion(1), Absent()),
        # the blob was lost
        (LIVE_3, None, upload(3), put(4, None)),
        (LIVE_3, None, upload(0), Mismatch(Version(3))),
        (LIVE_3, None, upload(2), Mismatch(Version(3))),
        (LIVE_3, None, deletion(3), put(4, None)),
        # the tombstone was lost
        (GRAVE_4, None, upload(0), put(5, None)),
        (GRAVE_4, None, upload(4), put(5, None)),
        (GRAVE_4, None, upload(3), Mismatch(Version(4))),
        (GRAVE_4, None, deletion(3), Done(None)),
        # the object is there, the row as old, behind, ahead or missing
        (LIVE_3, LIVE_3, upload(3), put(4, "three")),
        (None, LIVE_3, upload(3), put(4, "three")),
        (LIVE_3, LIVE_5, upload(5), put(6, "five")),
        (LIVE_3, LIVE_5, upload(3), Mismatch(Version(5))),
        (LIVE_5, LIVE_3, upload(3), put(6, "three")),  # a bucket restored from a copy: no version is used twice
        (LIVE_5, LIVE_3, upload(5), Mismatch(Version(3))),
        (LIVE_5, LIVE_3, deletion(3), put(6, "three")),
        # a retry after a lost answer, and the very bytes that are there
        (None, LIVE_3, upload(2, LIVE_3.sha256), Done(LIVE_3)),
        (LIVE_3, LIVE_3, upload(3, LIVE_3.sha256), Done(LIVE_3)),
        (LIVE_3, LIVE_3, upload(1, LIVE_3.sha256), Mismatch(Version(3))),
        # deleted
        (GRAVE_4, GRAVE_4, upload(0), put(5, "four")),
        (GRAVE_4, GRAVE_4, upload(4), put(5, "four")),
        (GRAVE_4, GRAVE_4, upload(3), Mismatch(Version(4))),
        (GRAVE_4, GRAVE_4, deletion(3), Done(GRAVE_4)),
        (LIVE_3, GRAVE_4, deletion(3), Done(GRAVE_4)),
        (LIVE_3, GRAVE_4, upload(3), Mismatch(Version(4))),
        # a bucket restored to an older tombstone: the blob of the row was lost
        (LIVE_5, GRAVE_4, upload(5), put(6, "four")),
        (LIVE_5, GRAVE_4, upload(5, LIVE_5.sha256), put(6, "four")),
        (LIVE_5, GRAVE_4, deletion(5), put(6, "four")),
        (LIVE_5, GRAVE_4, upload(0), Mismatch(Version(5))),
        (LIVE_5, GRAVE_4, upload(4), Mismatch(Version(5))),
        (LIVE_5, GRAVE_4, deletion(3), Mismatch(Version(5))),
        (GRAVE_6, GRAVE_4, upload(0), put(7, "four")),
        (GRAVE_6, GRAVE_4, upload(6), Mismatch(Version(4))),
        # a bucket restored from before a deletion
        (GRAVE_6, LIVE_5, upload(0), RestoreTombstone(GRAVE_6, Tag("five"))),
        (GRAVE_6, LIVE_5, deletion(5), RestoreTombstone(GRAVE_6, Tag("five"))),
        (GRAVE_4, LIVE_5, upload(5), put(6, "five")),
    ]
    for row, found, asked, outcome in cases:
        assert reconcile(row, found, asked) == outcome  # type: ignore[arg-type]  # a table of mixed rows


def test_row_may_name_the_very_bytes_at_the_expected_version() -> None:
    cases: list[tuple[object, Upload | Deletion, bool]] = [
        (None, upload(0), False),
        (LIVE_3, upload(3, LIVE_3.sha256), True),
        (LIVE_3, upload(3), False),
        (LIVE_3, upload(2, LIVE_3.sha256), False),
        (LIVE_3, upload(4, LIVE_3.sha256), False),
        (LIVE_3, deletion(3), False),
        (GRAVE_4, upload(4, GRAVE_4.sha256), False),
    ]
    for row, asked, same in cases:
        assert is_unchanged_upload(row, asked) is same  # type: ignore[arg-type]  # a table of mixed rows


def test_backup_is_lost_where_the_row_knows_one_and_nothing_later_is_there() -> None:
    cases: list[tuple[object, object, bool]] = [
        (None, None, False),
        (None, GRAVE_4, False),
        (LIVE_5, None, True),
        (LIVE_5, GRAVE_4, True),
        (LIVE_5, samples.revision(5, kind=Kind.TOMBSTONE), False),
        (LIVE_5, GRAVE_6, False),
        (LIVE_5, LIVE_3, False),  # an older backup is handed out; the device's own memory tells
        (GRAVE_6, None, False),
        (GRAVE_6, GRAVE_4, False),
    ]
    for row, found, lost in cases:
        assert is_lost(row, found) is lost  # type: ignore[arg-type]  # a table of mixed rows


@table(
    ("row", "found", "behind"),
    [
        (None, LIVE_3, True),
        (LIVE_3, LIVE_5, True),
        (LIVE_3, LIVE_3, False),
        (LIVE_3, samples.retagged(LIVE_3, "copied"), True),
        (LIVE_5, LIVE_3, False),
    ],
)
def test_row_follows_the_object_never_backwards(row: object, found: object, *, behind: bool) -> None:
    assert is_stale(row, found) is behind  # type: ignore[arg-type]  # a table of mixed rows


def test_early_refusal_only_where_no_body_could_do() -> None:
    cases: list[tuple[object, object, int, int | None]] = [
        (LIVE_3, LIVE_3, 1, 3),
        (LIVE_3, LIVE_3, 0, 3),
        (LIVE_3, LIVE_3, 3, None),
        (LIVE_3, LIVE_3, 2, None),  # its body may turn out to be the retry of what is there
        (LIVE_3, LIVE_5, 5, None),
        (None, None, 4, 0),
        (None, None, 0, None),
        (GRAVE_4, GRAVE_4, 3, 4),
        (GRAVE_4, GRAVE_4, 0, None),
        (LIVE_5, GRAVE_4, 0, 5),
        (LIVE_5, GRAVE_4, 5, None),
    ]
    for row, found, expected, current in cases:
        assert certain_conflict(row, found, Version(expected)) == current  # type: ignore[arg-type]  # mixed rows


def caused(cause: Exception, message: str | None = None) -> Unavailable:
    error = Unavailable(message)
    error.__cause__ = cause
    return error


def test_the_default_message_is_the_first_line_of_the_docstring() -> None:
    assert str(Unavailable()) == "A store is not available; the same request may be sent again."


def test_a_message_replaces_the_default() -> None:
    assert str(Unauthenticated("It ended.")) == "It ended."


def test_the_cause_stands_behind_the_message() -> None:
    assert caused(OSError("no route"), "It is down.").with_cause == "It is down. (no route)"


def test_a_cause_of_several_lines_becomes_one_line() -> None:
    assert caused(OSError("no\n  route\t!"), "It is down.").with_cause == "It is down. (no route !)"


def test_a_cause_that_the_message_quotes_is_not_repeated() -> None:
    assert caused(OSError("no route"), "It is down: no route.").with_cause == "It is down: no route."


def test_without_a_cause_there_are_no_brackets() -> None:
    assert Unavailable("It is down.").with_cause == "It is down."


def test_a_cause_without_a_message_adds_no_brackets() -> None:
    assert caused(OSError(), "It is down.").with_cause == "It is down."


@table(("error", "seconds"), [(Unavailable, 2), (MetadataUnavailable, 5), (BlobStoreUnavailable, 5)])
def test_how_long_a_client_is_asked_to_wait(error: type[Unavailable], seconds: int) -> None:
    assert error.retry_after_seconds == seconds


USER = samples.user(1)


@table("answer", [OutcomeUnknown, PutRefused])
async def test_upload_whose_answer_was_lost_is_known_by_its_id(answer: type[Exception]) -> None:
    """The store has it, and says nothing, or refuses the second copy that a client library sent by itself."""

    class Forgetful(MemoryBlobStore):
        async def put(self, user_id: UserId, blob: Blob, draft: Draft, *, replaces: Tag | None) -> Revision:
            await super().put(user_id, blob, draft, replaces=replaces)
            raise answer

    service = BackupService(MemoryMetadataStore(), Forgetful(), SystemClock())
    first = await service.upload(USER, NO_VERSION, samples.blob("one"))
    second = await service.upload(USER, first.version, samples.blob("two"))
    assert (first.version, second.version) == (1, 2)
    await service.delete(USER, second.version)
    with pytest.raises(BackupNotFound):
        await service.describe(USER)


async def test_range_of_a_backup_that_takes_the_place_of_a_tombstone_meanwhile() -> None:
    """The tombstone is too short for the range, the backup is not: the answer is never the size of a tombstone."""

    class Overtaken(MemoryBlobStore):
        async def open(self, user_id: UserId, byte_range: ByteRange | None = None) -> Any:
            try:
                return await super().open(user_id, byte_range)
            finally:
                if deleted.pop():
                    await service.upload(USER, NO_VERSION, samples.blob("three"))

    deleted = [False, True]
    service = BackupService(MemoryMetadataStore(), Overtaken(), SystemClock())
    first = await service.upload(USER, NO_VERSION, samples.blob("one"))
    await service.delete(USER, first.version)
    opened = await service.download(USER, ByteRange(20, 24))
    assert (opened.revision.version, opened.start, opened.length) == (3, 20, 5)
    await opened.aclose()
