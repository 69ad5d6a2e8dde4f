"""`merge.json`: two payloads and what they merge to. The outcome is stated here by hand, not taken from the code."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from format_vectors import keeping, merging_bytes
from format_vectors.contents import (
    ALICE,
    BOB,
    IDENTITY,
    LAPTOP,
    NEWER_IDENTITY,
    NOW_MS,
    PHONE,
    backup,
    contact,
    number,
    tombstone,
)
from format_vectors.examples import code_of
from obscura_backup_client.content.codec import encode
from obscura_backup_client.content.merge import merge
from obscura_backup_client.content.model import Profile, Writer

if TYPE_CHECKING:
    from obscura_backup_client.content.model import Backup


@dataclass(frozen=True)
class Case:
    """One rule, by the two contents that it decides between and what is left."""

    name: str
    one: Backup
    other: Backup
    merged: Backup


def _wins(name: str, winner: Backup, loser: Backup) -> Case:
    return Case(name, loser, winner, winner)


_UNKNOWN: Final = ((6, number(6, 1)),)

# 1024 and 999 stand where numbers decide: their digits, and the bytes of their encodings, would say the opposite.
CASES: Final = [
    Case("equal", backup(contact()), backup(contact()), backup(contact())),
    Case("contacts of both", backup(contact(BOB, "bob")), backup(contact()), backup(contact(), contact(BOB, "bob"))),
    _wins(
        "the later stamp, whatever the bytes",
        backup(contact(username="a", stamp_ms=2)),
        backup(contact(username="z", stamp_ms=1)),
    ),
    _wins("stamps compare as numbers", backup(contact(stamp_ms=1024)), backup(contact(stamp_ms=999))),
    _wins("a later removal over an earlier name", backup(tombstone(stamp_ms=2)), backup(contact(stamp_ms=1))),
    _wins("a later name over an earlier removal", backup(contact(stamp_ms=2)), backup(tombstone(stamp_ms=1))),
    _wins("at the same stamp, live over removed", backup(contact()), backup(tombstone())),
    _wins(
        "at the same stamp, live over removed, whose bytes are greater",
        backup(contact()),
        backup(tombstone(unknown=((6, b"\x32\x04zzzz"),))),
    ),
    _wins("at the same stamp, the greater bytes", backup(contact(username="b")), backup(contact(username="a"))),
    _wins(
        "at the same stamp, a longer username, whose length comes first in the bytes",
        backup(contact(username="aa")),
        backup(contact(username="z")),
    ),
    _wins(
        "at the same stamp, no key over one, since the tag of the stamp is then what is compared with that of the key",
        backup(contact(identity_key=b"")),
        backup(contact()),
    ),
    _wins(
        "at the same stamp, bytes compared as unsigned",
        backup(contact(identity_key=b"\x80")),
        backup(contact(identity_key=b"\x7f")),
    ),
    _wins(
        "at the same stamp, usernames of one length compare by their UTF-8 bytes, not by UTF-16",
        backup(contact(username="\U0001f600")),
        backup(contact(username="\ufb01x")),
    ),
    _wins(
        "unknown fields follow the entry that wins",
        backup(contact(stamp_ms=2)),
        backup(contact(stamp_ms=1, unknown=_UNKNOWN)),
    ),
    _wins(
        "at the same stamp, an unknown field is part of the bytes", backup(contact(unknown=_UNKNOWN)), backup(contact())
    ),
    _wins("two removals at the same stamp, by their bytes", backup(tombstone(unknown=_UNKNOWN)), backup(tombstone())),
    _wins("a profile over none", backup(profile=Profile("x", b"", 1)), backup()),
    _wins("an empty profile over none", backup(profile=Profile("", b"", 0)), backup()),
    _wins("the later profile", backup(profile=Profile("a", b"", 1024)), backup(profile=Profile("z", b"", 999))),
    _wins("a later clearing of the profile", backup(profile=Profile("", b"", 2)), backup(profile=Profile("z", b"", 1))),
    _wins(
        "at the same stamp, a profile over a cleared one, whose bytes are greater",
        backup(profile=Profile("z", b"", 1)),
        backup(profile=Profile("", b"", 1, ((4, number(4, 1)),))),
    ),
    _wins(
        "at the same stamp, the profile of greater bytes",
        backup(profile=Profile("b", b"", 1)),
        backup(profile=Profile("a", b"D", 1)),
    ),
    Case(
        "the greater seq of each writer",
        backup(writers=(Writer(PHONE, 2), Writer(LAPTOP, 999))),
        backup(writers=(Writer(PHONE, 1), Writer(LAPTOP, 1024))),
        backup(writers=(Writer(PHONE, 2), Writer(LAPTOP, 1024))),
    ),
    Case(
        "writers of both",
        backup(writers=(Writer(LAPTOP, 1),)),
        backup(writers=(Writer(PHONE, 1),)),
        backup(writers=(Writer(PHONE, 1), Writer(LAPTOP, 1))),
    ),
    _wins(
        "at the same seq, the writer of greater bytes",
        backup(writers=(Writer(PHONE, 1, ((3, number(3, 1)),)),)),
        backup(writers=(Writer(PHONE, 1),)),
    ),
    _wins(
        "the greater seq, without the unknown field of the lower",
        backup(writers=(Writer(PHONE, 2),)),
        backup(writers=(Writer(PHONE, 1, ((3, number(3, 1)),)),)),
    ),
    _wins("the greater key_epoch", backup(key_epoch=1024), backup(key_epoch=999)),
    _wins("the time of the latest sealing, as a number", backup(sealed_at_ms=1024), backup(sealed_at_ms=999)),
    Case(
        "time and device of the latest sealing, key_epoch by itself",
        backup(sealed_at_ms=NOW_MS + 1, device_name="a", key_epoch=1),
        backup(sealed_at_ms=NOW_MS, device_name="z", key_epoch=2),
        backup(sealed_at_ms=NOW_MS + 1, device_name="a", key_epoch=2),
    ),
    _wins(
        "at the same time, the greater device name",
        backup(sealed_at_ms=1, device_name="b"),
        backup(sealed_at_ms=1, device_name="ab"),
    ),
    _wins(
        "device names compare by their UTF-8 bytes, not by UTF-16",
        backup(sealed_at_ms=1, device_name="\U0001f4f1"),
        backup(sealed_at_ms=1, device_name="\ufb01"),
    ),
    Case(
        "unknown fields of the message, each number by itself",
        backup(unknown=((8, number(8, 2)), (9, number(9, 1)))),
        backup(unknown=((8, number(8, 1)), (10, number(10, 1)))),
        backup(unknown=((8, number(8, 2)), (9, number(9, 1)), (10, number(10, 1)))),
    ),
    Case(
        "unknown fields that occur more than once, as one string of bytes",
        backup(unknown=((8, number(8, 1) + number(8, 3)),)),
        backup(unknown=((8, number(8, 2)),)),
        backup(unknown=((8, number(8, 2)),)),
    ),
    _wins(
        "an unknown field that begins with all of the other",
        backup(unknown=((8, number(8, 1) + number(8, 0)),)),
        backup(unknown=((8, number(8, 1)),)),
    ),
    _wins("the identity of the higher epoch", backup(identity=NEWER_IDENTITY), backup()),
    _wins("the same keys of a higher epoch", backup(identity=replace(IDENTITY, epoch=2)), backup()),
    _wins(
        "epochs compare as numbers",
        backup(identity=replace(NEWER_IDENTITY, epoch=1024)),
        backup(identity=replace(IDENTITY, epoch=999)),
    ),
    _wins(
        "the same keys and epoch, by their unknown fields",
        backup(identity=replace(IDENTITY, unknown=((4, number(4, 1)),))),
        backup(),
    ),
    _wins(
        "the identity of the higher epoch, without the unknown field of the lower",
        backup(identity=NEWER_IDENTITY),
        backup(identity=replace(IDENTITY, unknown=((4, number(4, 1)),))),
    ),
    Case(
        "contacts of both, whichever identity is the newer",
        backup(contact(ALICE, stamp_ms=9)),
        backup(contact(BOB, "bob", stamp_ms=1), identity=NEWER_IDENTITY),
        backup(contact(ALICE, stamp_ms=9), contact(BOB, "bob", stamp_ms=1), identity=NEWER_IDENTITY),
    ),
]

CONFLICTS: Final = [
    ("another private key of the same epoch", backup(), backup(identity=replace(IDENTITY, private_key=b"X" * 32))),
    ("another public key of the same epoch", backup(), backup(identity=replace(IDENTITY, public_key=b"X" * 32))),
    (
        "the same public key with its type byte, which is another string of bytes",
        backup(),
        backup(identity=replace(IDENTITY, public_key=b"\x05" + IDENTITY.public_key)),
    ),
]


def build() -> dict[str, Any]:
    """Work the file out."""
    for case in CASES:
        if merge(case.one, case.other) != case.merged:
            raise AssertionError(f"{case.name}: the code merges otherwise")
    return {
        "merged": [
            {
                "name": case.name,
                "one": encode(case.one).hex(),
                "other": encode(case.other).hex(),
                "merged": encode(case.merged).hex(),
            }
            for case in CASES
        ]
        + merging_bytes.merged(),
        "beyond": merging_bytes.beyond(),
        "conflicts": [
            {
                "name": name,
                "one": encode(one).hex(),
                "other": encode(other).hex(),
                "error": code_of(lambda one=one, other=other: merge(one, other)),
            }
            for name, one, other in CONFLICTS
        ],
        "kept": keeping.rows(),
    }
