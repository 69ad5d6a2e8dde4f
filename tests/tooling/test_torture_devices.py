"""What a device of the torture makes of an answer that denies a backup."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from support.servers.service import Answer
from torture.history import UNKNOWN, History, Lost, Mismatch, NotFound
from torture.workload import Contents, Device, Slot

if TYPE_CHECKING:
    from torture.history import Answer as Understood

KNOWN = 6


class Denying:
    """A service that gives one answer to everything."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer

    def request(self, *_: Any, **__: Any) -> Answer:
        return self.answer


def mismatch(version: int) -> Answer:
    return Answer(409, {"etag": f'"{version}"'}, json.dumps({"current_version": version}).encode())


LOST = Answer(500, {}, json.dumps({"type": "urn:obscura-backup:problem:backup-lost", "version": KNOWN}).encode())
MISSING = Answer(404, {}, b"")


@pytest.mark.parametrize(
    ("answer", "excused", "understood"),
    [
        (mismatch(KNOWN - 1), True, UNKNOWN),
        (mismatch(KNOWN - 1), False, Mismatch(KNOWN - 1)),
        (mismatch(KNOWN), True, Mismatch(KNOWN)),
        (mismatch(KNOWN + 1), True, Mismatch(KNOWN + 1)),
    ],
)
def test_older_version_is_no_answer_only_while_the_store_may_deny_objects(
    answer: Answer, *, excused: bool, understood: Understood
) -> None:
    assert device(answer, excused=excused).upload(KNOWN, "00", b"") == understood


@pytest.mark.parametrize(
    ("answer", "excused", "understood"),
    [(LOST, True, UNKNOWN), (LOST, False, Lost(KNOWN)), (MISSING, True, NotFound())],
)
def test_loss_is_no_answer_only_while_the_store_may_deny_objects(
    answer: Answer, *, excused: bool, understood: Understood
) -> None:
    assert device(answer, excused=excused).look("GET") == understood


def device(answer: Answer, *, excused: bool) -> Device:
    service: Any = Denying(answer)
    slot = Slot(UUID(int=1, version=4), History(), Contents(), lambda: excused)
    return Device("phone", slot, [service], Random(1), known=KNOWN)
