"""The scenarios that are explored, by what they cost: for each run of the unit tests, of all tests, and for a night."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from protocol.explorer.scenarios import Does, Restores, Scenario, StoredAgain, Turn, turns

if TYPE_CHECKING:
    from collections.abc import Mapping

_TWINS = (
    (Turn(Does.UPLOAD, "X"),),
    (Turn(Does.UPLOAD, "X", expected=1),),
    (Turn(Does.READ), Turn(Does.UPLOAD)),
    (Turn(Does.UPLOAD, "X", expected=5),),
)
"""The same bytes by three clients: as the first, on the very version that they are, and on one that never was."""


_DEVICES = Scenario("three devices", turns("U", "RD", "HU"), faults=1)
_EARLY = Scenario("refused early", turns("U", "RU"), faults=1, early=True)
_BUCKET = Scenario("bucket restored", turns("UU", "HU"), faults=1, restores=Restores.OBJECT)
_BUCKET_AND_FAULT = Scenario("bucket restored, a fault", turns("U", "R"), faults=2, restores=Restores.OBJECT)
_GRAVES = Scenario("bucket of a deletion restored", turns("U", "RD", "RU"), faults=1, restores=Restores.OBJECT)
_AGAIN = Scenario("deleted again, the bucket restored", turns("U", "RDD"), faults=1, restores=Restores.OBJECT)
_ROWS = Scenario("rows restored", turns("U", "RD", "H"), faults=1, restores=Restores.ROW)
_SCRUBBED = Scenario("scrubbed meanwhile", turns("U", "RD", "S"), faults=1, retries=1)
_REAPED = Scenario(
    "reaped meanwhile", ((Turn(Does.UPLOAD, long_ago=True),), *turns("RU", "P")), faults=1, retries=1, sends_twice=False
)
"""An upload of long ago, and one that may come between `reap`'s look at the slot and its deletion."""
_OLDER_GRAVE = Scenario(
    "bucket restored to an older tombstone",
    turns("UDU", "RU"),
    faults=1,
    retries=0,
    restores=Restores.OBJECT,
    sends_twice=False,
)
_SILENCE = replace(
    _OLDER_GRAVE, name="the same, and rows fall silent", clients=turns("UDU", "R"), faults=2, rows_fall_silent=True
)
_EQUAL = Scenario("the same bytes", _TWINS, twins=True)
_EQUAL_AND_FAULT = replace(_EQUAL, name="the same bytes, a fault", faults=1)

SMALL: tuple[Scenario, ...] = (
    _DEVICES,
    _EARLY,
    _BUCKET,
    _BUCKET_AND_FAULT,
    _AGAIN,
    _ROWS,
    _SCRUBBED,
    _REAPED,
    _OLDER_GRAVE,
    _SILENCE,
    replace(_SILENCE, name="the same, and a look at the head", clients=turns("UDU", "H")),
    _EQUAL,
)
"""Exhausted in some two seconds."""

ABA = Scenario("a PUT stalled through a deletion", turns("U", "RU", "RD"), faults=1, sends_twice=False)
"""The very bytes are stored again after their deletion, under a PUT that was sent on the first of the two."""
_FOUR = Scenario("four devices", turns("U", "U", "RD", "RU"), faults=1)
_THREE = replace(_DEVICES, name="three devices, two faults", faults=2)
MEDIUM: tuple[Scenario, ...] = (
    _EQUAL_AND_FAULT,
    _FOUR,
    _THREE,
    Scenario("four devices refused early", turns("U", "U", "RU", "R"), faults=1, early=True),
    Scenario("bucket restored, a fault, two uploads", turns("UU", "RU"), faults=2, restores=Restores.OBJECT),
    _GRAVES,
    replace(_GRAVES, name="two uploads and a deletion, the bucket restored", clients=turns("UU", "RD"), faults=2),
    replace(_OLDER_GRAVE, name="bucket restored to an older tombstone, retries", retries=2, sends_twice=True),
    replace(_SILENCE, name="the same, rows fall silent, retries", retries=2, sends_twice=True),
    replace(_SCRUBBED, name="scrubbed after the bucket was restored", faults=2, restores=Restores.OBJECT),
    replace(_SCRUBBED, name="scrubbed after rows were restored", faults=2, restores=Restores.ROW),
    replace(_ROWS, name="rows restored, a fault", faults=2),
    replace(_REAPED, name="reaped beside a deletion", clients=(*_REAPED.clients, *turns("D"))),
    replace(_REAPED, name="reaped after rows were restored", restores=Restores.ROW),
    replace(_REAPED, name="reaped after the bucket was restored", restores=Restores.OBJECT),
)
"""Exhausted in less than a minute."""

STORED_AGAIN_AFTER_A_RESTORE = replace(_GRAVES, name="bucket of a deletion restored, a fault", faults=2)
"""A retry stores again the very bytes that a restore took away, under a writer that had seen them before."""
_ALL = Scenario("two uploaders, a deleter, a reader", turns("UU", "UU", "RD", "RH"), faults=1)
LARGE: tuple[Scenario, ...] = (
    Scenario("rows restored, a fault, two uploads", turns("U", "RD", "RU"), faults=2, restores=Restores.ROW),
    STORED_AGAIN_AFTER_A_RESTORE,
    Scenario("bucket restored, two faults", turns("UU", "RU"), faults=3, restores=Restores.OBJECT),
    Scenario("three devices, three faults", turns("U", "RD", "HU"), faults=3),
    replace(_FOUR, name="four devices, two faults", faults=2),
    _ALL,
)
"""For a night, or until there were as many states as one has patience for."""

DELETED_AND_BACK = Scenario(
    "a late first upload", turns("U", "RD"), faults=1, sends_twice=False, stored_again=StoredAgain.FORBIDDEN
)
"""A first upload that is sent again after a deletion is a first upload."""
STRAYS_SURVIVE = replace(_BUCKET_AND_FAULT, name="bucket restored under a late PUT", strays_survive=True)
"""A bucket that is put back has the tags of back then; a PUT that waited for one of them goes through."""

FOUND_IN: Mapping[str, Scenario] = {
    "unconditional-put": _DEVICES,
    "physical-delete": _DEVICES,
    "retry-from-row": _BUCKET_AND_FAULT,
    "early-409-from-row": _DEVICES,
    "row-first": _DEVICES,
    "etag-from-row": _DEVICES,
    "version-from-row": _DEVICES,
    "version-from-object": _BUCKET,
    "ack-before-commit": _BUCKET_AND_FAULT,
    "lost-is-404": _BUCKET_AND_FAULT,
    "not-buried-again": _GRAVES,
    "tombstone-takes-any": _DEVICES,
    "unknown-is-stored": _DEVICES,
    "unknown-is-refused": _DEVICES,
    "own-put-forgotten": _DEVICES,
    "refused-is-409": _DEVICES,
    "row-goes-back": _BUCKET,
    "never-lags": _BUCKET_AND_FAULT,
    "same-bytes-any-version": _EQUAL,
    "retry-is-409": _DEVICES,
    "lost-is-new": _BUCKET,
    "lost-tombstone-stuck": _GRAVES,
    "no-second-look": _DEVICES,
    "same-bytes-put-again": _EQUAL_AND_FAULT,
    "tags-from-bytes": ABA,
    "tombstone-believed": _OLDER_GRAVE,
    "silence-is-404": _SILENCE,
    "older-tombstone-taken": _OLDER_GRAVE,
    "reap-any-version": _REAPED,
}
"""For each mutant, the scenario in which it is looked for."""
