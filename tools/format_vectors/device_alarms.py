"""The alarms of `devices.json`: rollbacks that are accepted or not, and deletions. Stated here by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from format_vectors.contents import LAPTOP, PHONE
from format_vectors.steps import (
    ALICE_HERE,
    BOB_HERE,
    FIRST,
    GONE,
    OLDER,
    ONE,
    SECOND,
    START,
    SUSPECTED,
    TWO,
    Sequence,
    Step,
    held,
)

LATER: Final = held("laptop 4", vector={PHONE: 1, LAPTOP: 4}, by="laptop")
FORK: Final = replace(ONE, bytes="others")
LONE: Final = held("phone 3", ALICE_HERE, BOB_HERE, vector={PHONE: 3})
CHANGED: Final = held("phone 2", vector={PHONE: 2}, key_epoch=2)
CHANGE: Final = Step("push", 2, CHANGED, ONE, CHANGED, new_password=True)
BACK: Final = ("older-writers", "older-password")
ROLLBACKS: Final = [
    Sequence(
        "an accepted rollback is an alarm again until its upload is stored",
        START,
        (
            FIRST,
            *SECOND,
            Step("push", 2, TWO, ONE, error=SUSPECTED, reasons=OLDER),
            Step("push", 3, TWO, ONE, LONE, "refused", accept=True),
            Step("push", 3, TWO, ONE, error=SUSPECTED, reasons=OLDER),
            Step(
                "push",
                4,
                healed := held("phone 4", ALICE_HERE, BOB_HERE, vector={PHONE: 4}),
                ONE,
                healed,
                accept=True,
            ),
        ),
    ),
    Sequence(
        "a rollback that is accepted to restore is remembered at once, and the next push is above what was seen",
        START,
        (
            FIRST,
            *SECOND,
            Step("restore", 2, TWO, ONE, error=SUSPECTED, reasons=OLDER),
            Step("restore", 2, ONE, ONE, accept=True),
            Step("push", 3, LONE, ONE, LONE),
        ),
    ),
    Sequence(
        "a rollback to the same content is accepted to restore: the next push uploads, although nothing is new",
        START,
        (
            FIRST,
            Step("push", 1, LATER, LATER),
            Step("restore", 1, ONE, ONE, accept=True),
            Step(
                "push",
                2,
                beyond := held("phone 2", vector={PHONE: 2, LAPTOP: 4}),
                ONE,
                beyond,
            ),
        ),
    ),
    Sequence(
        "another sealing of the same vector is accepted: it is uploaded, although nothing is new",
        START,
        (
            FIRST,
            Step("push", 1, ONE, FORK, error=SUSPECTED, reasons=("same-writers-other-bytes",)),
            Step("push", 2, above := held("phone 2", vector={PHONE: 2}), FORK, above, accept=True),
        ),
    ),
    Sequence(
        "an older password that comes back is another one",
        START,
        (
            FIRST,
            CHANGE,
            Step("push", 2, CHANGED, ONE, error=SUSPECTED, reasons=BACK),
            Step("push", 3, third := held("phone 3", vector={PHONE: 3}, key_epoch=3), ONE, third, accept=True),
        ),
    ),
    Sequence(
        "an older password that comes back by a restore is another one at the next push",
        START,
        (
            FIRST,
            CHANGE,
            Step("restore", 2, ONE, ONE, accept=True),
            Step("push", 3, third, ONE, third),
        ),
    ),
    Sequence(
        "an absence that is accepted is filled, under a password that is set anew",
        START,
        (
            FIRST,
            Step("push", 1, ONE, error=SUSPECTED, reasons=GONE),
            Step("push", 2, CHANGED, None, CHANGED, accept=True),
        ),
    ),
]

DELETIONS: Final = [
    Sequence(
        "an absence after a deletion of its own is no alarm, until it uploads again",
        START,
        (
            FIRST,
            Step("delete", 1, ONE, ONE, may_be_gone=True),
            Step("push", 2, ONE, None, CHANGED, "lost", may_be_gone=True),
            Step("push", 3, anew := held("phone 3", vector={PHONE: 3}, key_epoch=2), None, anew),
            Step("push", 3, anew, error=SUSPECTED, reasons=GONE),
        ),
    ),
    Sequence(
        "a deletion that was refused leaves the alarm on",
        START,
        (
            FIRST,
            Step("delete", 1, ONE, ONE, answer="refused"),
            Step("push", 1, ONE, error=SUSPECTED, reasons=GONE),
        ),
    ),
    Sequence(
        "a backup that is found after a deletion whose answer was lost may not be gone any more",
        START,
        (
            FIRST,
            Step("delete", 1, ONE, ONE, answer="lost", may_be_gone=True),
            Step("push", 1, ONE, ONE),
            Step("push", 1, ONE, error=SUSPECTED, reasons=GONE),
        ),
    ),
    Sequence(
        "what was seen is remembered beyond a deletion",
        START,
        (
            FIRST,
            *SECOND,
            Step("delete", 2, TWO, TWO, may_be_gone=True),
            Step("push", 2, TWO, ONE, error=SUSPECTED, reasons=OLDER, may_be_gone=True),
        ),
    ),
]
