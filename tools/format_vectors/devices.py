"""`devices.json`: what a device seals, remembers and says, step by step. All of it is stated here by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from format_vectors.contents import IDENTITY, LAPTOP, NEWER_IDENTITY, PHONE, number
from format_vectors.device_alarms import DELETIONS, ROLLBACKS
from format_vectors.steps import (
    ALICE_HERE,
    BOB_HERE,
    FIRST,
    NEW,
    OLDER,
    ONE,
    START,
    SUSPECTED,
    THEIRS,
    TWO,
    Sequence,
    Step,
    held,
    put,
    shown,
)
from obscura_backup_client.content.codec import encode
from obscura_backup_client.content.model import MAX_INTEGER, Writer

OTHER_KEYS: Final = held("laptop 1", vector={LAPTOP: 1}, by="laptop", identity=replace(IDENTITY, private_key=b"X" * 32))
NEWER_KEYS: Final = held("laptop 1", vector={LAPTOP: 1}, by="laptop", identity=NEWER_IDENTITY)
MARKED: Final = held(
    "laptop 1",
    vector={},
    by="laptop",
    writers=tuple(Writer(each, 1, ((3, number(3, 1)),)) for each in (PHONE, LAPTOP)),
)
_BOTH: Final = {"vector": {PHONE: 3, LAPTOP: 1}}
_SEALING: Final = [
    Sequence("the first sealing, and nothing new after it", START, (FIRST, Step("push", 1, ONE, ONE))),
    Sequence(
        "a sealing that was refused is not remembered: what another device put there instead is no older one",
        START,
        (
            FIRST,
            put(1, ONE),
            Step("push", 2, ONE, ONE, TWO, "refused"),
            Step(
                "push",
                3,
                both := held("phone 3", ALICE_HERE, BOB_HERE, **_BOTH),
                held("laptop 1", vector={PHONE: 1, LAPTOP: 1}, by="laptop"),
                both,
            ),
        ),
    ),
    Sequence(
        "a sealing whose answer was lost is remembered once it is fetched",
        START,
        (FIRST, put(1, ONE), Step("push", 2, ONE, ONE, TWO, "lost"), Step("push", 2, TWO, TWO)),
    ),
    Sequence(
        "a sealing whose answer was lost, and that was not stored, leaves a gap",
        START,
        (
            FIRST,
            put(1, ONE),
            Step("push", 2, ONE, ONE, TWO, "lost"),
            Step("push", 3, gap := held("phone 3", ALICE_HERE, BOB_HERE, vector={PHONE: 3}), ONE, gap),
        ),
    ),
    Sequence(
        "a gap is not in the device's vector: there is nothing to upload",
        START,
        (Step("push", 1, None, None, ONE, "refused"), Step("push", 1, THEIRS, THEIRS)),
    ),
    Sequence(
        "the same content with a higher vector: there is nothing to upload",
        START,
        (FIRST, Step("push", 1, more := held("laptop 4", vector={PHONE: 1, LAPTOP: 4}, by="laptop"), more)),
    ),
    Sequence(
        "of the writers' unknown fields those of the device itself go with its new seq",
        START,
        (
            Step("restore", 1, MARKED, MARKED),
            put(1, MARKED),
            Step(
                "push",
                2,
                unmarked := held(
                    "phone 2",
                    ALICE_HERE,
                    BOB_HERE,
                    vector={},
                    writers=(Writer(PHONE, 2), Writer(LAPTOP, 1, ((3, number(3, 1)),))),
                ),
                MARKED,
                unmarked,
            ),
        ),
        seq=1,
    ),
    Sequence(
        "a clock before 1970, and one beyond the last number",
        START,
        (
            Step("push", 1, early := held("phone 1", vector={PHONE: 1}, sealed_at_ms=0), None, early, now_ms=-5),
            put(1, early),
            Step(
                "push",
                2,
                late := held("phone 2", ALICE_HERE, BOB_HERE, vector={PHONE: 2}, sealed_at_ms=MAX_INTEGER),
                early,
                late,
                now_ms=MAX_INTEGER + 1,
            ),
        ),
    ),
    Sequence(
        "a changed password counts once, although its first sealing was refused",
        START,
        (
            FIRST,
            Step("push", 2, ONE, ONE, held("phone 2", vector={PHONE: 2}, key_epoch=2), "refused", new_password=True),
            Step(
                "push",
                3,
                changed := held("phone 3", vector={PHONE: 3}, key_epoch=2),
                ONE,
                changed,
                new_password=True,
            ),
        ),
    ),
]

_IDENTITIES: Final = [
    Sequence(
        "other keys of the same epoch: what is not merged is not remembered, and its absence is no alarm",
        START,
        (Step("push", 0, None, OTHER_KEYS, error="identity-conflict"), FIRST),
    ),
    Sequence(
        "other keys of the same epoch, fetched to look at",
        START,
        (
            Step("restore", 0, None, OTHER_KEYS, error="identity-conflict"),
            Step("restore", 0, OTHER_KEYS, OTHER_KEYS, keep="theirs"),
            Step("push", 0, OTHER_KEYS, OTHER_KEYS),
        ),
    ),
    Sequence(
        "other keys of a higher epoch: nothing is remembered before the person decided",
        START,
        (
            Step("push", 0, None, NEWER_KEYS, error="identity-replaced"),
            Step(
                "push",
                1,
                mine := held("phone 1", vector={PHONE: 1, LAPTOP: 1}, identity=replace(IDENTITY, epoch=3)),
                NEWER_KEYS,
                mine,
                keep="mine",
            ),
        ),
    ),
    Sequence(
        "an older backup with other keys: the alarm comes first",
        START,
        (
            FIRST,
            Step("push", 1, ONE, OTHER_KEYS, error=SUSPECTED, reasons=OLDER),
            Step("push", 1, ONE, OTHER_KEYS, error="identity-conflict", accept=True),
        ),
    ),
]

AHEAD: Final = held("phone 5", vector={PHONE: 5})
_COPIES: Final = [
    Sequence(
        "a copy of another device draws an id of its own",
        START,
        (
            Step("restore", 0, AHEAD, AHEAD, device_id=NEW),
            Step("put", 0, AHEAD, device_id=NEW),
            Step(
                "push",
                1,
                own := held("copy 1", ALICE_HERE, BOB_HERE, vector={PHONE: 5, NEW: 1}),
                AHEAD,
                own,
                device_id=NEW,
            ),
        ),
        seq=4,
    ),
    Sequence(
        "a device that meets its own latest seq is no copy, even one that it only reserved",
        START,
        (
            Step("restore", 5, AHEAD, AHEAD),
            Step("put", 5, AHEAD),
            Step("push", 6, on := held("phone 6", ALICE_HERE, BOB_HERE, vector={PHONE: 6}), AHEAD, on),
        ),
        seq=5,
    ),
    Sequence(
        "a new device",
        None,
        (
            Step("restore", 0, THEIRS, THEIRS, device_id=NEW),
            Step("push", 0, THEIRS, THEIRS, device_id=NEW),
            Step("put", 0, THEIRS, device_id=NEW),
            Step(
                "push",
                1,
                joined := held("new 1", ALICE_HERE, BOB_HERE, vector={LAPTOP: 1, NEW: 1}),
                THEIRS,
                joined,
                device_id=NEW,
            ),
        ),
    ),
]

SEQUENCES: Final = [*_SEALING, *_IDENTITIES, *ROLLBACKS, *DELETIONS, *_COPIES]


def build() -> dict[str, Any]:
    """Work the file out."""
    return {
        "sequences": [
            {
                "name": each.name,
                "device_id": None if each.content is None else PHONE.hex(),
                "device_name": "phone",
                "seq": each.seq,
                "payload": None if each.content is None else encode(each.content).hex(),
                "drawn": NEW.hex(),
                "steps": [shown(step) for step in each.steps],
            }
            for each in SEQUENCES
        ]
    }
