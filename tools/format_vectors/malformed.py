"""Payloads that every reader must refuse, each for one reason, and long ones that are at a limit or one beyond."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from format_vectors.contents import ALICE, IDENTITY, PHONE, backup, field, number
from obscura_backup_client.content.codec import encode, encode_identity
from obscura_backup_client.content.model import MAX_ENTRIES, MAX_INTEGER, MAX_LIVE_CONTACTS, MAX_WRITERS

_ID: Final = encode(backup())
_TOO_GREAT: Final = MAX_INTEGER + 1
_USER: Final = field(1, ALICE.bytes)
_NAMED: Final = _USER + field(2, b"a")
_WRITING: Final = field(1, PHONE) + number(2, 1)


def _identity(public_key: bytes = b"P" * 32, private_key: bytes = b"S" * 32, epoch: int = 1) -> bytes:
    return field(1, encode_identity(replace(IDENTITY, public_key=public_key, private_key=private_key, epoch=epoch)))


def _contact(entry: bytes) -> bytes:
    return _ID + field(2, entry)


def _profile(entry: bytes) -> bytes:
    return _ID + field(3, entry)


def _writer(entry: bytes) -> bytes:
    return _ID + field(4, entry)


_LENGTHS: Final = {
    **{f"a public key of {size} bytes": _identity(public_key=b"P" * size) for size in (0, 31, 34)},
    **{f"a private key of {size} bytes": _identity(private_key=b"S" * size) for size in (0, 31, 33)},
    **{f"a user id of {size} bytes": _contact(field(1, b"u" * size) + field(2, b"a")) for size in (0, 15, 17)},
    "an empty contact": _contact(b""),
    **{f"a device id of {size} bytes": _writer(field(1, b"d" * size) + number(2, 1)) for size in (0, 15, 17)},
    "a username of no bytes": _contact(_USER),
    "a username of 1025 bytes": _contact(_USER + field(2, b"a" * 1025)),
    "a username of 513 code points in 1026 bytes": _contact(_USER + field(2, "\u00e9".encode() * 513)),
    "a contact's key of 4097 bytes": _contact(_NAMED + field(3, b"K" * 4097)),
    "an attachment id of 257 bytes": _profile(field(1, b"a" * 257)),
    "a decryption key of 129 bytes": _profile(field(1, b"a") + field(2, b"D" * 129)),
    "a device name of 257 bytes": _ID + field(7, b"d" * 257),
}

_RULES: Final = {
    "no bytes": b"",
    "no identity": number(5, 1) + field(7, b"d"),
    "an empty identity": field(1, b""),
    "a contact twice": _contact(_NAMED) + field(2, _NAMED),
    "a contact twice, once removed": _contact(_NAMED) + field(2, _USER + number(5, 1)),
    "a writer twice": _writer(field(1, PHONE) + number(2, 1)) + field(4, field(1, PHONE) + number(2, 2)),
    "a removed contact with a username": _contact(_NAMED + number(5, 1)),
    "a removed contact with a key": _contact(_USER + field(3, b"K") + number(5, 1)),
    "a decryption key of no attachment": _profile(field(2, b"D")),
    "a decryption key of no attachment, in two parts": _profile(number(3, 1)) + field(3, field(2, b"D")),
    "a writer at seq 0": _writer(field(1, PHONE)),
}

_NUMBERS: Final = {
    "an identity's epoch over 2^53 - 1": _identity(epoch=_TOO_GREAT),
    "a contact's stamp over 2^53 - 1": _contact(_NAMED + number(4, _TOO_GREAT)),
    "a removed contact's stamp over 2^53 - 1": _contact(_USER + number(4, _TOO_GREAT) + number(5, 1)),
    "a profile's stamp over 2^53 - 1": _profile(field(1, b"a") + number(3, _TOO_GREAT)),
    "a seq over 2^53 - 1": _writer(field(1, PHONE) + number(2, _TOO_GREAT)),
    "a key_epoch over 2^53 - 1": _ID + number(5, _TOO_GREAT),
    "a key_epoch of 2^64 - 1": _ID + number(5, 2**64 - 1),
    "a sealed_at_ms over 2^53 - 1": _ID + number(6, _TOO_GREAT),
}

_TEXTS: Final = {
    "a username with a byte ff": _contact(_USER + field(2, b"a\xff")),
    "a username with a surrogate": _contact(_USER + field(2, b"\xed\xa0\x80")),
    "a username with U+0000 in two bytes": _contact(_USER + field(2, b"\xc0\x80")),
    "a username beyond U+10FFFF": _contact(_USER + field(2, b"\xf4\x90\x80\x80")),
    "a username cut inside a code point": _contact(_USER + field(2, "\u00e9".encode()[:1])),
    "an attachment id that is not UTF-8": _profile(field(1, b"\xff")),
    "a username that is not UTF-8, although a later one is": _contact(_USER + field(2, b"\xff") + field(2, b"a")),
    "a device name that is not UTF-8": _ID + field(7, b"\xff"),
    "a device name that is not UTF-8, although a later one is": _ID + field(7, b"\xff") + field(7, b"d"),
}

# Each known field after everything that its message needs, under the other one of the two wire types in use.
_OTHER_TYPES: Final = {
    f"{message}: field {number_} {'as a number' if number_ in texts else 'as bytes'}": put(
        number(number_, 1) if number_ in texts else field(number_, b"\x01")
    )
    for message, fields, texts, put in (
        ("backup", 7, {1, 2, 3, 4, 7}, lambda odd: _ID + odd),
        ("identity", 3, {1, 2}, lambda odd: field(1, encode_identity(IDENTITY) + odd)),
        ("contact", 5, {1, 2, 3}, lambda odd: _contact(_NAMED + odd)),
        ("profile", 3, {1, 2}, lambda odd: _profile(field(1, b"a") + odd)),
        ("writer", 2, {1}, lambda odd: _writer(_WRITING + odd)),
    )
    for number_ in range(1, fields + 1)
}

_WIRE: Final = {
    "identity as a group": b"\x0b\x0c" + _ID,
    "sealed_at_ms as fixed64": _ID + bytes.fromhex("310102030405060708"),
    "device_name as fixed32": _ID + bytes.fromhex("3d01020304"),
    "a profile's stamp as fixed32": _profile(field(1, b"a") + bytes.fromhex("1d01020304")),
    "wire type 6": _ID + bytes([8 << 3 | 6]),
    "wire type 7": _ID + bytes([8 << 3 | 7]),
    "field number 0": _ID + bytes.fromhex("0001"),
    "field number 2^29": _ID + bytes.fromhex("808080801001"),
    "a number of 65 bits": _ID + bytes.fromhex("28" + "81" + "80" * 8 + "02"),
    "a number of eleven bytes": _ID + bytes.fromhex("28" + "81" + "80" * 9 + "00"),
    "an unknown number of 65 bits": _ID + bytes.fromhex("40" + "81" + "80" * 8 + "02"),
    "a removed of 65 bits": _contact(_USER + bytes.fromhex("28" + "81" + "80" * 8 + "02")),
    "an identity's epoch of 65 bits": field(
        1, encode_identity(IDENTITY) + bytes.fromhex("18" + "81" + "80" * 8 + "02")
    ),
    "a tag of six bytes": _ID + bytes.fromhex("a8" + "80" * 4 + "00" + "01"),
    "a length of six bytes": _ID + bytes.fromhex("42" + "81" + "80" * 4 + "00" + "78"),
    "a length of 2^31": _ID + bytes.fromhex("42" + "8080808008" + "78"),
    "a length of 2^32 + 1, whose low 32 bits are 1": _ID + bytes.fromhex("42" + "8180808010" + "78"),
    "cut inside a tag": _ID + b"\x80",
    "cut inside a number": _ID + b"\x28\x80",
    "cut after a tag": _ID + b"\x28",
    "cut inside a length": _ID + b"\x3a\x80",
    "cut inside a text": _ID + b"\x3a\x02d",
    "cut inside the identity": _ID[:-1],
    "cut inside a fixed32": _ID + b"\x45\x01\x02\x03",
    "cut inside a fixed64": _ID + b"\x41\x01\x02\x03\x04\x05\x06\x07",
    "a contact that is cut inside": _contact(_NAMED + b"\x32\x02x"),
    "an identity cut in the middle of a field, the rest in a second part": field(1, field(1, b"P" * 32) + b"\x12\x20")
    + field(1, b"S" * 32),
    "a profile cut in the middle of a field, the rest in a second part": _profile(b"\x0a\x02a") + field(3, b"b"),
    "a group that is not closed": _ID + b"\x7b",
    "a group closed as another": _ID + b"\x7b\x74",
    "a group closed that is not open": _ID + b"\x7c",
    "a group that is closed outside of its entry": _contact(_NAMED + b"\x7b") + b"\x7c",
    "a group with field number 0 in it": _ID + b"\x7b\x00\x01\x7c",
    "a group with a number of 65 bits in it": _ID + b"\x7b" + bytes.fromhex("08" + "81" + "80" * 8 + "02") + b"\x7c",
    "a tag of six bytes in a group": _ID + b"\x7b" + bytes.fromhex("88" + "80" * 4 + "00" + "01") + b"\x7c",
    "a length of six bytes in a group": _ID + b"\x7b" + bytes.fromhex("0a" + "81" + "80" * 4 + "00" + "78") + b"\x7c",
    "the end of a group in six bytes": _ID + b"\x7b" + bytes.fromhex("fc" + "80" * 4 + "00"),
    "groups 33 deep": _ID + b"\x7b" * 33 + b"\x7c" * 33,
    "groups 33 deep in a contact": _contact(_NAMED + b"\x7b" * 33 + b"\x7c" * 33),
}

MALFORMED: Final = {**_LENGTHS, **_RULES, **_NUMBERS, **_TEXTS, **_OTHER_TYPES, **_WIRE}


@dataclass(frozen=True)
class Counted:
    """A payload of many entries: head, then for each number from 0 on: before, the number in 16 bytes, after.

    The errors of reading it, and of sealing what was read for a server that takes 2 MiB, stand here by hand: working
    the long ones out takes seconds.
    """

    name: str
    before: bytes
    after: bytes
    count: int
    error: str | None = None
    sealing_error: str | None = None
    head: bytes = _ID


_REMOVED: Final = (bytes.fromhex("12140a10"), bytes.fromhex("2801"))
_LIVE: Final = (bytes.fromhex("12150a10"), bytes.fromhex("120161"))
_LONG: Final = (bytes.fromhex("12780a10"), field(2, b"a" * 100))
_WRITERS: Final = Counted(f"{MAX_WRITERS} writers", bytes.fromhex("22140a10"), bytes.fromhex("1001"), MAX_WRITERS)

COUNTED: Final = [
    _WRITERS,
    replace(_WRITERS, name=f"{MAX_WRITERS + 1} writers", count=MAX_WRITERS + 1, error="malformed-payload"),
    Counted(f"{MAX_LIVE_CONTACTS} contacts", *_LIVE, MAX_LIVE_CONTACTS),
    Counted(f"{MAX_LIVE_CONTACTS + 1} contacts", *_LIVE, MAX_LIVE_CONTACTS + 1, sealing_error="too-many-contacts"),
    Counted("too many contacts of too many bytes", *_LONG, MAX_LIVE_CONTACTS + 1, sealing_error="too-many-contacts"),
    Counted("contacts of too many bytes", *_LONG, MAX_LIVE_CONTACTS, sealing_error="payload-too-large"),
    Counted(f"{MAX_ENTRIES} removed contacts", *_REMOVED, MAX_ENTRIES, sealing_error="payload-too-large"),
    Counted(f"{MAX_ENTRIES + 1} removed contacts", *_REMOVED, MAX_ENTRIES + 1, error="malformed-payload"),
]
