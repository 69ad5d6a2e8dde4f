"""The checker of histories, against histories that are known to be good or bad."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from torture.history import (
    NEVER,
    UNKNOWN,
    Answer,
    Asked,
    Broken,
    Deleted,
    Deletion,
    Found,
    History,
    Mismatch,
    NeverExisted,
    NotFound,
    Operation,
    Read,
    Stored,
    Upload,
)
from torture.linearizability import check

if TYPE_CHECKING:
    from pathlib import Path

READ = Read()
Told = tuple[float, float, Asked, Answer]


def history(*told: Told) -> list[Operation]:
    return [
        Operation(number, "slot", f"client {number}", asked, answer, begin, NEVER if answer == UNKNOWN else end)
        for number, (begin, end, asked, answer) in enumerate(told)
    ]


GOOD: dict[str, list[Told]] = {
    "uploads and reads one after the other": [
        (0, 1, READ, NotFound()),
        (1, 2, Upload(0, "a"), Stored(1)),
        (2, 3, READ, Found(1, "a")),
        (3, 4, Upload(1, "b"), Stored(2)),
        (4, 5, READ, Found(2, "b")),
    ],
    "a read that overlaps an upload may see either side": [
        (0, 1, Upload(0, "a"), Stored(1)),
        (2, 6, Upload(1, "b"), Stored(2)),
        (3, 4, READ, Found(1, "a")),
        (3, 5, READ, Found(2, "b")),
    ],
    "of two uploads on one version one is refused": [
        (0, 1, Upload(0, "a"), Stored(1)),
        (2, 4, Upload(1, "b"), Stored(2)),
        (2, 3.5, Upload(1, "c"), Mismatch(2)),
    ],
    "an upload of unknown outcome never happened": [
        (0, 1, Upload(0, "a"), Stored(1)),
        (2, 3, Upload(1, "b"), UNKNOWN),
        (4, 5, READ, Found(1, "a")),
        (5, 6, Upload(1, "c"), Stored(2)),
    ],
    "an upload of unknown outcome happens long after its client gave up": [
        (0, 1, Upload(0, "a"), Stored(1)),
        (2, 3, Upload(1, "b"), UNKNOWN),
        (4, 5, READ, Found(1, "a")),
        (6, 7, READ, Found(2, "b")),
    ],
    "a retry is told the version that the first attempt became": [
        (0, 1, Upload(0, "a"), UNKNOWN),
        (2, 3, READ, Found(1, "a")),
        (4, 5, Upload(0, "a"), Stored(1)),
    ],
    "a retry after another client's upload is refused": [
        (0, 1, Upload(0, "a"), UNKNOWN),
        (2, 3, READ, Found(1, "a")),
        (3, 4, Upload(1, "b"), Stored(2)),
        (5, 6, Upload(0, "a"), Mismatch(2)),
    ],
    "the very bytes that are there, sent again, are no new version": [
        (0, 1, Upload(0, "a"), Stored(1)),
        (2, 3, Upload(1, "a"), Stored(1)),
    ],
    "deleted twice, and started anew from either version": [
        (0, 1, Upload(0, "a"), Stored(1)),
        (2, 3, Deletion(1), Deleted()),
        (4, 5, Deletion(1), Deleted()),
        (5, 6, READ, NotFound()),
        (6, 7, Upload(2, "b"), Stored(3)),
        (7, 8, Deletion(3), Deleted()),
        (8, 9, Upload(0, "c"), Stored(5)),
    ],
    "a first upload of unknown outcome may come after a deletion": [
        (0, 1, Upload(0, "a"), UNKNOWN),
        (1, 2, Upload(0, "b"), Stored(1)),
        (2, 3, Deletion(1), Deleted()),
        (4, 5, READ, Found(3, "a")),
    ],
    "a version that no client saw": [
        (0, 1, Upload(0, "a"), UNKNOWN),
        (2, 3, Upload(9, "b"), Mismatch(1)),
        (3, 4, Upload(1, "c"), Stored(2)),
    ],
    "nothing to delete": [
        (0, 1, Deletion(1), NeverExisted()),
        (1, 2, Upload(4, "a"), Mismatch(0)),
        (2, 3, Deletion(4), NeverExisted()),
    ],
    "a deletion of unknown outcome": [
        (0, 1, Upload(0, "a"), Stored(1)),
        (2, 3, Deletion(1), UNKNOWN),
        (4, 5, READ, Found(1, "a")),
        (6, 7, READ, NotFound()),
    ],
    "a deletion that finds a grave, or digs one that is still to come": [
        (0, 1, Upload(0, "a"), Stored(1)),
        (2, 3, Deletion(1), Deleted()),
        (4, 9, Deletion(3), Deleted()),
        (5, 6, Upload(0, "b"), Stored(3)),
        (7, 8, READ, NotFound()),
    ],
    "the moment of an answer and of a request may be one": [
        (0, 1, Upload(0, "a"), Stored(1)),
        (1, 1, READ, NotFound()),
    ],
}

BAD: dict[str, list[Told]] = {
    "a lost update": [
        (0, 1, Upload(0, "a"), Stored(1)),
        (2, 4, Upload(1, "b"), Stored(2)),
        (2, 4, Upload(1, "c"), Stored(2)),
    ],
    "an upload over a version that was not the one expected": [
        (0, 1, Upload(0, "a"), Stored(1)),
        (2, 3, Upload(1, "b"), Stored(2)),
        (4, 5, Upload(1, "c"), Stored(3)),
    ],
    "a stale read after an acknowledgement": [
        (0, 1, Upload(0, "a"), Stored(1)),
        (2, 3, Upload(1, "b"), Stored(2)),
        (4, 5, READ, Found(1, "a")),
    ],
    "reads that go back": [
        (0, 1, Upload(0, "a"), Stored(1)),
        (2, 9, Upload(1, "b"), Stored(2)),
        (3, 4, READ, Found(2, "b")),
        (5, 6, READ, Found(1, "a")),
    ],
    "a version with two contents": [
        (0, 1, Upload(0, "a"), Stored(1)),
        (2, 3, Upload(1, "b"), UNKNOWN),
        (2, 3, Upload(1, "c"), UNKNOWN),
        (4, 5, READ, Found(2, "b")),
        (6, 7, READ, Found(2, "c")),
    ],
    "a resurrected deletion": [
        (0, 1, Upload(0, "a"), Stored(1)),
        (2, 3, Deletion(1), Deleted()),
        (4, 5, READ, Found(1, "a")),
    ],
    "a late upload on a version that was deleted": [
        (0, 1, Upload(0, "a"), Stored(1)),
        (1, 2, Upload(1, "b"), UNKNOWN),
        (2, 3, Deletion(1), Deleted()),
        (4, 5, READ, Found(3, "b")),
    ],
    "an acknowledgement lost after a crash": [
        (0, 1, Upload(0, "a"), Stored(1)),
        (2, 3, Upload(1, "b"), Stored(2)),
        (4, 5, READ, Found(1, "a")),
    ],
    "a first upload lost after a crash": [
        (0, 1, Upload(0, "a"), Stored(1)),
        (2, 3, READ, NotFound()),
    ],
    "an unacknowledged upload that was seen, and vanished": [
        (0, 1, Upload(0, "a"), Stored(1)),
        (2, 3, Upload(1, "b"), UNKNOWN),
        (4, 5, READ, Found(2, "b")),
        (6, 7, READ, Found(1, "a")),
    ],
    "a retry that was stored twice": [
        (0, 1, Upload(0, "a"), UNKNOWN),
        (2, 3, READ, Found(1, "a")),
        (4, 5, Upload(0, "a"), Stored(2)),
    ],
    "one attempt that took effect twice": [
        (0, 1, Upload(0, "a"), UNKNOWN),
        (2, 3, READ, Found(1, "a")),
        (4, 5, Deletion(1), Deleted()),
        (6, 7, READ, Found(3, "a")),
    ],
    "no backup, where one was lost": [
        (0, 1, Upload(0, "a"), Stored(1)),
        (2, 3, READ, Broken("backup-lost")),
    ],
    "not found, where one was lost": [
        (0, 1, Upload(0, "a"), Stored(1)),
        (1, 2, READ, Found(1, "a")),
        (2, 3, READ, NotFound()),
        (3, 4, Upload(0, "b"), Mismatch(1)),
    ],
    "refused with a version that never was": [
        (0, 1, Upload(0, "a"), Stored(1)),
        (2, 3, Upload(0, "b"), Mismatch(2)),
    ],
    "refused although what it expected was there": [
        (0, 1, Upload(0, "a"), Stored(1)),
        (2, 3, Upload(1, "b"), Mismatch(1)),
    ],
    "bytes that no client uploaded": [
        (0, 1, Upload(0, "a"), Stored(1)),
        (2, 3, READ, Found(1, "torn")),
    ],
    "a read of what was only sent later": [
        (0, 1, READ, Found(1, "a")),
        (2, 3, Upload(0, "a"), Stored(1)),
    ],
    "a gap between versions": [
        (0, 1, Upload(0, "a"), Stored(1)),
        (2, 3, Upload(1, "b"), Stored(3)),
    ],
    "a version used again after a deletion": [
        (0, 1, Upload(0, "a"), Stored(1)),
        (2, 3, Deletion(1), Deleted()),
        (4, 5, Upload(0, "b"), Stored(2)),
    ],
    "never existed, although it did": [
        (0, 1, Upload(0, "a"), Stored(1)),
        (2, 3, Deletion(1), Deleted()),
        (4, 5, Deletion(1), NeverExisted()),
    ],
    "a deletion of a version that was replaced": [
        (0, 1, Upload(0, "a"), Stored(1)),
        (2, 3, Upload(1, "b"), Stored(2)),
        (4, 5, Deletion(1), Deleted()),
    ],
}


@pytest.mark.parametrize("name", GOOD)
def test_good_histories_are_accepted(name: str) -> None:
    assert check(history(*GOOD[name])) is None


@pytest.mark.parametrize("name", BAD)
def test_bad_histories_are_refused(name: str) -> None:
    assert check(history(*BAD[name])) is not None


def test_refusal_names_the_first_operation_without_a_place_and_what_contradicts_it() -> None:
    quiet = [(float(time), time + 0.5, READ, NotFound()) for time in range(-40, 0)]
    later = [(float(time), time + 0.5, READ, Found(1, "a")) for time in range(10, 20)]
    refusal = check(history(*quiet, *BAD["a stale read after an acknowledgement"], *later))
    assert refusal is not None
    assert (refusal.operation.number, [state.version for state in refusal.states]) == (42, [2])
    assert [operation.number for operation in refusal.core] == [41, 42]
    assert "#42 client 42 [4.0000, 5.0000] Read() -> Found(1, a)" in str(refusal)


def test_history_survives_a_file(tmp_path: Path) -> None:
    told = [*history(*GOOD["a deletion of unknown outcome"]), *history(*BAD["no backup, where one was lost"])]
    History(told).write(tmp_path / "history")
    assert History.read(tmp_path / "history").by_slot() == {"slot": told}
