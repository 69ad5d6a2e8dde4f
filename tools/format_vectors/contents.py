"""Contents of backups for the examples, and how the files write them: UUIDs as text, bytes as hex."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from obscura_backup_client.content.model import Backup, Contact, Identity

if TYPE_CHECKING:
    from collections.abc import Iterable

ALICE: Final = UUID("00112233-4455-6677-8899-aabbccddeeff")
BOB: Final = UUID("80000000-0000-4000-8000-00000000000b")
NOW_MS: Final = 1_790_000_000_000
IDENTITY: Final = Identity(public_key=b"P" * 32, private_key=b"S" * 32, epoch=1)
PHONE, LAPTOP = b"\x01" * 16, b"\xf0" * 16


def contact(user_id: UUID = ALICE, username: str = "alice", stamp_ms: int = NOW_MS, **others: Any) -> Contact:
    """Give one live entry."""
    return Contact(user_id, username, others.pop("identity_key", b"K" * 4), stamp_ms, **others)


def tombstone(user_id: UUID = ALICE, stamp_ms: int = NOW_MS, **others: Any) -> Contact:
    """Give one removed entry."""
    return Contact(user_id, "", b"", stamp_ms, removed=True, **others)


def backup(*contacts: Contact, **others: Any) -> Backup:
    """Give a whole content."""
    return Backup(identity=others.pop("identity", IDENTITY), contacts=contacts, **others)


def varint(value: int) -> bytes:
    """Write a number as short as it goes."""
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def number(field: int, value: int) -> bytes:
    """Write a field of wire type 0."""
    return varint(field << 3) + varint(value)


def field(field: int, content: bytes) -> bytes:
    """Write a field of wire type 2."""
    return varint(field << 3 | 2) + varint(len(content)) + content


def shown(content: Backup) -> dict[str, Any]:
    """Give a content as the files write it."""
    identity, profile = content.identity, content.profile
    return {
        "identity": {
            "public_key": identity.public_key.hex(),
            "private_key": identity.private_key.hex(),
            "epoch": identity.epoch,
            "unknown": unknown(identity.unknown),
        },
        "contacts": [
            {
                "user_id": str(each.user_id),
                "username": each.username,
                "identity_key": each.identity_key.hex(),
                "stamp_ms": each.stamp_ms,
                "removed": each.removed,
                "unknown": unknown(each.unknown),
            }
            for each in content.contacts
        ],
        "profile": None
        if profile is None
        else {
            "attachment_id": profile.attachment_id,
            "decryption_key": profile.decryption_key.hex(),
            "stamp_ms": profile.stamp_ms,
            "unknown": unknown(profile.unknown),
        },
        "writers": [
            {"device_id": each.device_id.hex(), "seq": each.seq, "unknown": unknown(each.unknown)}
            for each in content.writers
        ],
        "key_epoch": content.key_epoch,
        "sealed_at_ms": content.sealed_at_ms,
        "device_name": content.device_name,
        "unknown": unknown(content.unknown),
    }


def unknown(fields: Iterable[tuple[int, bytes]]) -> list[list[Any]]:
    """Give unknown fields as pairs of number and encoding."""
    return [[number, encoded.hex()] for number, encoded in fields]
