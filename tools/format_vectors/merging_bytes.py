"""The rows of `merge.json` that are about bytes: payloads written oddly, and those that are too long together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from format_vectors.contents import ALICE, IDENTITY, NOW_MS, PHONE, backup, contact, field, number
from format_vectors.malformed import WRITERS
from format_vectors.payloads import parts
from obscura_backup_client.content.codec import decode, encode
from obscura_backup_client.content.merge import merge
from obscura_backup_client.content.model import Profile, Writer

if TYPE_CHECKING:
    from obscura_backup_client.content.model import Backup

_ID: Final = encode(backup())
_ALICE: Final = field(1, ALICE.bytes) + field(2, b"alice") + field(3, b"KKKK")
_LATER: Final = ((3, number(3, 1)),)
_MARKED: Final = replace(IDENTITY, unknown=((4, number(4, 1)),))

# Each `odd` one has the greater bytes as it is written, and the smaller ones as it has to be compared.
ODD: Final[list[tuple[str, bytes, Backup, Backup]]] = [
    (
        "an entry written backwards compares by its one encoding",
        _ID + field(2, number(4, NOW_MS) + field(3, b"KKKK") + field(2, b"a") + field(1, ALICE.bytes)),
        backup(contact(username="b")),
        backup(contact(username="b")),
    ),
    (
        "a profile in two parts compares by its one encoding",
        _ID + field(3, number(3, 1)) + field(3, field(1, b"a")),
        backup(profile=Profile("b", b"", 1)),
        backup(profile=Profile("b", b"", 1)),
    ),
    (
        "a seq in more bytes than it needs compares by its one encoding",
        _ID + field(4, field(1, PHONE) + bytes.fromhex("108100")),
        backup(writers=(Writer(PHONE, 1, _LATER),)),
        backup(writers=(Writer(PHONE, 1, _LATER),)),
    ),
    (
        "an identity written backwards compares by its one encoding",
        field(1, number(3, 1) + field(2, b"S" * 32) + field(1, b"P" * 32)),
        backup(identity=_MARKED),
        backup(identity=_MARKED),
    ),
    (
        "an unknown field of the message with another one in between",
        _ID + number(8, 1) + number(9, 1) + number(8, 3),
        backup(unknown=((8, number(8, 1) + number(8, 2)),)),
        backup(unknown=((8, number(8, 1) + number(8, 3)), (9, number(9, 1)))),
    ),
    (
        "the same content, written otherwise",
        number(5, 1) + field(2, field(2, b"z") + number(4, NOW_MS) + _ALICE) + _ID,
        backup(contact(), key_epoch=1),
        backup(contact(), key_epoch=1),
    ),
]


def merged() -> list[dict[str, Any]]:
    """Give the rows of `merged`."""
    for name, odd, other, outcome in ODD:
        if merge(decode(odd), other) != outcome:
            raise AssertionError(f"{name}: the code merges otherwise")
    return [
        {"name": name, "one": odd.hex(), "other": encode(other).hex(), "merged": encode(outcome).hex()}
        for name, odd, other, outcome in ODD
    ]


def beyond() -> list[dict[str, Any]]:
    """Give the rows of `beyond`, whose first payload is put together as in `payload.json`."""
    one_more = backup(writers=(Writer(PHONE, 1),))
    other_keys = replace(one_more, identity=replace(IDENTITY, private_key=b"X" * 32))
    return [
        {"name": name, "one": parts(WRITERS), "other": encode(other).hex(), "error": error}
        for name, other, error in (
            ("as many writers as there may be, and another one", one_more, "malformed-payload"),
            ("too many writers and two identities of one epoch", other_keys, "identity-conflict"),
        )
    ]
