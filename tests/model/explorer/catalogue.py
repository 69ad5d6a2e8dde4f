"""The scenarios that are explored, by what they cost: for each run of the unit tests, of all tests, and for a night."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from model.explorer.processes import tag_of_the_bytes
from model.explorer.scenarios import Does, Restores, Scenario, StoredAgain, Turn, turns

if TYPE_CHECKING:
    from collections.abc import Mapping

_TWINS = (
    (Turn(Does.UPLOAD, "X"),),
    (Turn(Does.UPLOAD, "X", expected=1),),
    (Turn(Does.READ), Turn(Does.UPLOAD)),
    (Turn(Does.UPLOAD, "X", expected=5),),
)
"""The same bytes by three clients: as the first, on the very version that they are, and on one that never was."""


def _s3(scenario: Scenario) -> Scenario:
    """The same, where the tag comes from the bytes, and no bytes are stored again after their deletion."""
    name = f"{scenario.name}, S3's tags"
    return replace(scenario, name=name, tag_of=tag_of_the_bytes, stored_again=StoredAgain.LEFT_OUT)


_DEVICES = Scenario("three devices", turns("U", "RD", "HU"), faults=1)
_EARLY = Scenario("refused early", turns("U", "RU"), faults=1, early=True)
_BUCKET = Scenario("bucket restored", turns("UU", "HU"), faults=1, restores=Restores.OBJECT)
_BUCKET_AND_FAULT = Scenario("bucket restored, a fault", turns("U", "R"), faults=2, restores=Restores.OBJECT)
_GRAVES = Scenario("bucket of a deletion restored", turns("U", "RD", "RU"), faults=1, restores=Restores.OBJECT)
_AGAIN = Scenario("deleted again, the bucket restored", turns("U", "RDD"), faults=1, restores=Restores.OBJECT)
_ROWS = Scenario("rows restored", turns("U", "RD", "H"), faults=1, restores=Restores.ROW)
_SCRUBBED = Scenario("scrubbed meanwhile", turns("U", "RD", "S"), faults=1, retries=1)
_EQUAL = Scenario("the same bytes", _TWINS, tag_of=tag_of_the_bytes, twins=True)
_EQUAL_AND_FAULT = replace(_EQUAL, name="the same bytes, a fault", faults=1)

SMALL: tuple[Scenario, ...] = (
    _DEVICES,
    _s3(_DEVICES),
    _EARLY,
    _BUCKET,
    _BUCKET_AND_FAULT,
    _AGAIN,
    _ROWS,
    _SCRUBBED,
    _EQUAL,
)
"""Exhausted in some two seconds."""

_FOUR = Scenario("four devices", turns("U", "U", "RD", "RU"), faults=1)
_THREE = replace(_DEVICES, name="three devices, two faults", faults=2)
MEDIUM: tuple[Scenario, ...] = (
    _EQUAL_AND_FAULT,
    _FOUR,
    _s3(_THREE),
    Scenario("four devices refused early", turns("U", "U", "RU", "R"), faults=1, early=True),
    Scenario("bucket restored, a fault, two uploads", turns("UU", "RU"), faults=2, restores=Restores.OBJECT),
    _GRAVES,
    replace(_SCRUBBED, name="scrubbed after the bucket was restored", faults=2, restores=Restores.OBJECT),
    replace(_SCRUBBED, name="scrubbed after rows were restored", faults=2, restores=Restores.ROW),
    replace(_ROWS, name="rows restored, a fault", faults=2),
)
"""Exhausted in less than a minute."""

_ALL = Scenario("two uploaders, a deleter, a reader", turns("UU", "UU", "RD", "RH"), faults=1)
LARGE: tuple[Scenario, ...] = (
    _THREE,
    Scenario("rows restored, a fault, two uploads", turns("U", "RD", "RU"), faults=2, restores=Restores.ROW),
    _s3(_FOUR),
    replace(_GRAVES, name="bucket of a deletion restored, a fault", faults=2),
    Scenario("bucket restored, two faults", turns("UU", "RU"), faults=3, restores=Restores.OBJECT),
    Scenario("three devices, three faults", turns("U", "RD", "HU"), faults=3),
    replace(_FOUR, name="four devices, two faults", faults=2),
    _ALL,
    _s3(_ALL),
)
"""For a night, or until there were as many states as one has patience for."""

ABA = Scenario("a PUT stalled through a deletion", turns("U", "RU", "RD"), faults=1, sends_twice=False)
"""The one known hole where tags come from the bytes (docs/decisions/0003)."""
DELETED_AND_BACK = Scenario(
    "a late first upload", turns("U", "RD"), faults=1, sends_twice=False, stored_again=StoredAgain.FORBIDDEN
)
"""A first upload that is sent again after a deletion is a first upload."""
STRAYS_SURVIVE = replace(_BUCKET_AND_FAULT, name="bucket restored under a late PUT", strays_survive=True)
"""A bucket that is put back has the tags of back then; a PUT that waited for one of them goes through."""

STORED_AGAIN_AFTER_A_RESTORE = _s3(replace(_GRAVES, name="bucket of a deletion restored, a fault", faults=2))
"""Breaks after 1.5 million states: what a restore took away, a retry stores again, with the tag that it had before."""

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
}
"""For each mutant, the scenario in which it is looked for."""
