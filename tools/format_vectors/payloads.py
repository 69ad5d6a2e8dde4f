"""`payload.json`: contents and their one encoding, what else is read as them, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from format_vectors.contents import (
    ALICE,
    BOB,
    IDENTITY,
    LAPTOP,
    NOW_MS,
    PHONE,
    backup,
    contact,
    field,
    number,
    shown,
    tombstone,
)
from format_vectors.examples import code_of
from format_vectors.malformed import COUNTED, MALFORMED, Counted
from obscura_backup_client.content.codec import decode, encode
from obscura_backup_client.content.model import MAX_INTEGER, Profile, Writer

GROUP: Final = bytes([9 << 3 | 3, *number(1, 7), 2 << 3 | 3, 2 << 3 | 4, 9 << 3 | 4])

# Each is written as it is read: the canonical encoding.
CANONICAL: Final = {
    "an identity and nothing else": backup(),
    "a public key with libsignal's type byte, epoch 0": backup(
        identity=replace(IDENTITY, public_key=b"\x05" + b"P" * 32, epoch=0)
    ),
    "a contact": backup(contact()),
    "a contact without a key": backup(contact(identity_key=b"")),
    "a contact at stamp 0": backup(contact(stamp_ms=0)),
    "a removed contact": backup(tombstone()),
    "a removed contact at stamp 0": backup(tombstone(stamp_ms=0)),
    "the longest username, counted in bytes": backup(contact(username="\u00e9" * 512)),
    "the longest identity key of a contact": backup(contact(identity_key=b"K" * 4096)),
    "a username that begins with U+FEFF": backup(contact(username="\ufeffalice")),
    "a username of U+0000": backup(contact(username="\0")),
    "a username in NFD, which stays as it is": backup(contact(username="cafe\u0301")),
    "contacts in the order of their ids as unsigned bytes": backup(contact(), contact(BOB, "bob")),
    "a profile": backup(profile=Profile("avatar", b"D" * 32, NOW_MS)),
    "a profile without a key": backup(profile=Profile("avatar", b"", NOW_MS)),
    "the longest profile": backup(profile=Profile("a" * 256, b"D" * 128, NOW_MS)),
    "a cleared profile": backup(profile=Profile("", b"", NOW_MS)),
    "an empty profile, which is not an absent one": backup(profile=Profile("", b"", 0)),
    "two writers": backup(writers=(Writer(PHONE, 1), Writer(LAPTOP, 300))),
    "the greatest numbers": backup(
        tombstone(stamp_ms=MAX_INTEGER),
        identity=replace(IDENTITY, epoch=MAX_INTEGER),
        profile=Profile("a", b"", MAX_INTEGER),
        writers=(Writer(PHONE, MAX_INTEGER),),
        key_epoch=MAX_INTEGER,
        sealed_at_ms=MAX_INTEGER,
    ),
    "the longest device name": backup(device_name="d" * 256),
    "everything": backup(
        contact(),
        tombstone(BOB, NOW_MS + 1),
        profile=Profile("avatar", b"D" * 32, NOW_MS),
        writers=(Writer(PHONE, 2), Writer(LAPTOP, 1)),
        key_epoch=1,
        sealed_at_ms=NOW_MS + 2,
        device_name="Pixel 9 \U0001f4f1",
    ),
    "unknown fields everywhere, of every wire type": backup(
        contact(unknown=((6, field(6, b"hi")), (100, number(100, 1)))),
        tombstone(BOB, unknown=((7, bytes.fromhex("3d01020304")),)),
        identity=replace(IDENTITY, unknown=((4, number(4, 2**64 - 1)),)),
        profile=Profile("avatar", b"", NOW_MS, ((4, bytes.fromhex("210102030405060708")),)),
        writers=(Writer(PHONE, 1, ((3, number(3, 0)),)),),
        unknown=((8, field(8, b"")), (9, GROUP), (2**29 - 1, number(2**29 - 1, 1))),
    ),
}

_ID: Final = encode(backup())
_ENTRY: Final = field(1, ALICE.bytes) + field(2, b"a")
_DEEP: Final = b"\x7b" * 32 + b"\x7c" * 32
_TOO_GREAT: Final = MAX_INTEGER + 1
_HALVES: Final = [field(1, field(1, b"P" * 32) + number(3, 9) + number(5, 1)), field(1, field(2, b"S" * 32))]

# Odd, and read: what is known is written back canonically, what is not as it came.
ACCEPTED: Final = {
    "fields in descending order": field(7, b"d") + number(5, 1) + field(2, _ENTRY) + _ID,
    "contacts in descending order": _ID + field(2, field(1, BOB.bytes) + field(2, b"b")) + field(2, _ENTRY),
    "writers in descending order": _ID + b"".join(field(4, field(1, each) + number(2, 1)) for each in (LAPTOP, PHONE)),
    "zeros and empty fields that are written down": _ID + bytes.fromhex("280030003a00"),
    "numbers and lengths longer than they need be": _ID
    + bytes.fromhex("2881808080808080808000" + "3a8180808000" + "64"),
    "a tag longer than it needs be": _ID + bytes.fromhex("a8808080" + "00" + "01"),
    "an unknown field with tag, length and number longer than they need be, which stay": _ID
    + bytes.fromhex("c280808000" + "818000" + "78" + "c8ff01" + "8100"),
    "a scalar twice: the last counts": _ID + number(5, 2) + number(5, 1) + field(7, b"a") + field(7, b"b"),
    "a scalar that is too great, and then one that counts": _ID + number(5, MAX_INTEGER + 1) + number(5, 1),
    "every scalar of the identity twice, the first one never allowed": field(
        1,
        field(1, b"P" * 5)
        + field(1, b"P" * 32)
        + field(2, b"")
        + field(2, b"S" * 32)
        + number(3, _TOO_GREAT)
        + number(3, 1),
    ),
    "every scalar of a contact twice, the first one never allowed": _ID
    + field(
        2,
        field(1, b"u" * 3)
        + field(2, b"a" * 1025)
        + field(3, b"K" * 4097)
        + number(4, _TOO_GREAT)
        + _ENTRY
        + field(3, b"K")
        + number(4, 1),
    ),
    "every scalar of the profile twice, the first one never allowed": _ID
    + field(
        3,
        field(1, b"a" * 257)
        + field(2, b"D" * 129)
        + number(3, _TOO_GREAT)
        + field(1, b"a")
        + field(2, b"")
        + number(3, 1),
    ),
    "every scalar of a writer twice, the first one never allowed": _ID
    + field(4, field(1, b"d" * 3) + number(2, 0) + field(1, PHONE) + number(2, 1)),
    "every scalar of the message twice, the first one never allowed": _ID
    + number(5, _TOO_GREAT)
    + number(6, _TOO_GREAT)
    + field(7, b"d" * 257)
    + number(5, 1)
    + number(6, 0)
    + field(7, b"d"),
    "removed by 1, and then by 0, which counts": _ID + field(2, number(5, 1) + _ENTRY + number(5, 0)),
    "a user id twice in one entry: the last counts": _ID + field(2, field(1, BOB.bytes) + _ENTRY),
    "removed by 2": _ID + field(2, field(1, ALICE.bytes) + number(5, 2)),
    "removed by 2^32, whose low 32 bits are 0": _ID + field(2, field(1, ALICE.bytes) + number(5, 2**32)),
    "removed by 2^64 - 1": _ID + field(2, field(1, ALICE.bytes) + number(5, 2**64 - 1)),
    "an identity in two parts, joined": b"".join(_HALVES),
    "an identity in two parts with something between them, the later part counts": _HALVES[0]
    + number(5, 1)
    + _HALVES[1]
    + field(1, number(3, 4) + number(5, 2) + number(4, 3)),
    "a profile in two parts, joined": _ID + field(3, field(1, b"avatar") + number(3, 5)) + field(3, number(3, 4)),
    "an identity and an empty part of one": field(1, b"") + _ID,
    "a profile in two parts, of which the first has a key and no attachment": _ID
    + field(3, field(2, b"D"))
    + field(3, field(1, b"a")),
    "a profile in two parts of 200 bytes, whose last attachment id counts": _ID
    + field(3, field(1, b"a" * 200))
    + field(3, field(1, b"b" * 200)),
    "an unknown field more than once, in the order in which it came": _ID
    + number(8, 2)
    + number(9, 1)
    + field(8, b"x")
    + number(8, 1),
    "unknown fields out of order, between known ones": number(9, 1) + _ID + number(8, 1) + number(5, 1),
    "an unknown field inside an entry, before the known ones": _ID + field(2, number(6, 1) + _ENTRY),
    "a group whose numbers and wire types are those of known fields otherwise": _ID
    + bytes.fromhex("7b2d000000000a003d000000007c"),
    "groups 32 deep": _ID + _DEEP,
    "groups 32 deep in a contact": _ID + field(2, _ENTRY + _DEEP),
    "the end of a group in more bytes than it needs, which stay": _ID + bytes.fromhex("7b" + "fc808000"),
    "what a group holds, longer than it needs be, which stays": _ID
    + bytes.fromhex("7b" + "8880008100" + "0a810078" + "7c"),
    "an unknown field that is not UTF-8": _ID + field(8, b"\xff\xfe"),
}


def build() -> dict[str, Any]:
    """Work the file out."""
    return {
        "canonical": [
            {"name": name, "payload": encode(content).hex(), "content": shown(content)}
            for name, content in CANONICAL.items()
        ],
        "accepted": [
            {
                "name": name,
                "payload": payload.hex(),
                "content": shown(decode(payload)),
                "rewritten": encode(decode(payload)).hex(),
            }
            for name, payload in ACCEPTED.items()
        ],
        "malformed": [
            {"name": name, "payload": payload.hex(), "error": refusal(name, payload)}
            for name, payload in MALFORMED.items()
        ],
        "counted": [row(each) for each in COUNTED],
    }


def refusal(name: str, payload: bytes) -> str:
    """Give the code of the error that reading ends with, as it must."""
    error = code_of(lambda: decode(payload))
    if error is None:
        raise AssertionError(f"{name}: the code reads it")
    return error


def row(counted: Counted) -> dict[str, Any]:
    """Give a long payload by the parts that it is put together from."""
    return {
        "name": counted.name,
        "head": counted.head.hex(),
        "before": counted.before.hex(),
        "after": counted.after.hex(),
        "count": counted.count,
        "error": counted.error,
        "sealing_error": counted.sealing_error,
    }
