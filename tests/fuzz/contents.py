"""Contents of backups made from bytes; few ids and few stamps, so that ties happen all the time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID

from obscura_backup_client.content.model import Backup, Contact, Identity, Profile, Writer
from support.client.contents import ALICE, BOB, IDENTITY, LAPTOP, PHONE

if TYPE_CHECKING:
    from fuzz.choices import Choices
    from obscura_backup_client.content.model import UnknownFields

_USERS: Final = (ALICE, BOB, UUID(int=0), UUID(int=2**128 - 1))
_DEVICES: Final = (LAPTOP, PHONE, bytes(16), b"\xff" * 16)
_TEXTS: Final = ("a", "b", "\xfc", "\U0001f9d1", "\x00", "a" * 200)
_BYTES: Final = (b"", b"\0", b"K" * 32, b"\x05" + b"L" * 32, b"\xff" * 64)
_INTEGERS: Final = (0, 1, 2, 3, 127, 128, 2**32, 2**53 - 1)
_KEYS: Final = (b"P" * 32, b"\x05" + b"P" * 32)


def content(choices: Choices, identity: Identity = IDENTITY) -> Backup:
    """Any content that keeps the rules, of this one identity up to the epoch."""
    contacts = {user: _contact(user, choices) for user in _USERS if choices.flag()}
    writers = {
        device: Writer(device, max(1, choices.pick(_INTEGERS)), _unknown(choices, 3))
        for device in _DEVICES
        if choices.flag()
    }
    profile = _profile(choices) if choices.flag() else None
    epoch = choices.pick((1, 1, 1, 0, 2))
    # One key pair for each epoch: other keys for the same one are a conflict, which is not what is looked for here.
    keys = (_KEYS[epoch % 2], bytes([epoch]) * 32)
    return Backup(
        identity=Identity(*keys, epoch, _unknown(choices, 4)) if identity is IDENTITY else identity,
        contacts=tuple(contacts[user] for user in sorted(contacts, key=lambda user: user.bytes)),
        profile=profile,
        writers=tuple(writers[device] for device in sorted(writers)),
        key_epoch=choices.pick(_INTEGERS),
        sealed_at_ms=choices.pick(_INTEGERS),
        device_name=choices.pick(("", *_TEXTS)),
        unknown=_unknown(choices, 8),
    )


def _contact(user: UUID, choices: Choices) -> Contact:
    stamp = choices.pick(_INTEGERS)
    if choices.flag():
        return Contact(user, "", b"", stamp, removed=True, unknown=_unknown(choices, 6))
    return Contact(user, choices.pick(_TEXTS), choices.pick(_BYTES), stamp, unknown=_unknown(choices, 6))


def _profile(choices: Choices) -> Profile:
    stamp, name = choices.pick(_INTEGERS), choices.pick(("", *_TEXTS))
    return Profile(name, choices.pick(_BYTES) if name else b"", stamp, _unknown(choices, 4))


def _unknown(choices: Choices, first: int) -> UnknownFields:
    found: dict[int, bytes] = {}
    for _ in range(choices.below(4)):
        number = first + choices.below(16 - first)
        value, group = bytes([choices.integer() & 0x7F]), bytes([number << 3 | 3, number << 3 | 4])
        field = (bytes([number << 3]) + value, bytes([number << 3 | 2, 1]) + value, group)[choices.below(3)]
        found[number] = found.get(number, b"") + field
    return tuple(sorted(found.items()))
