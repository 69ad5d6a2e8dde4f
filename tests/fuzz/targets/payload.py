"""The payload's codec: strict, deterministic, keeping what it does not know, and of one mind with the Protobuf runtime.

The runtime is the witness: whatever it reads in a payload that the client takes, the client has to read, too.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.unknown_fields import UnknownFieldSet

from fuzz import protobuf_mutator
from fuzz.choices import Choices
from fuzz.contents import content
from obscura_backup_client.content.codec import decode, encode
from obscura_backup_client.content.errors import PayloadError
from obscura_backup_client.content.generated.obscura.backup.v1 import backup_pb2 as pb
from obscura_backup_client.content.merge import merge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from obscura_backup_client.content.model import Backup

MAX_BYTES: Final = 4096


def seeds() -> Iterator[bytes]:
    """Contents of all kinds, and some that are cut, written otherwise, or break a rule."""
    source = random.Random(1)
    yield from (encode(content(Choices(source.randbytes(size)))) for size in (0, 8, 20, 40, 60, 80, 100, 120))
    least = encode(content(Choices(b"")))
    yield least + b"\x12\x14\x0a\x10" + b"u" * 16 + b"\x28\x01"
    yield least + b"\x12\x17\x0a\x10" + b"u" * 16 + b"\x12\x01a\x20\x07"
    yield least + b"\x22\x14\x0a\x10" + b"d" * 16 + b"\x10\x01"
    yield least + b"\x1a\x05\x0a\x01x\x18\x02"
    yield least + b"\x7b\x08\x07\x7c\x42\x01x\x40\x05\x45aaaa\x41aaaaaaaa"
    yield b"\x0a\x24\x0a\x20" + b"P" * 32 + b"\x18\x09" + b"\x0a\x22\x12\x20" + b"S" * 32
    yield least + b"\xaa\x00\x01"
    yield from (least + b"\x7b" * depth + b"\x7c" * depth for depth in (32, 33, 1000))


def mutate(data: bytes, most_bytes: int, seed: int, plain: Callable[[bytes, int], bytes]) -> bytes:
    """Change fields and keep the lengths around them right, or else (`plain`) change bytes."""
    return protobuf_mutator.mutate(data, most_bytes, random.Random(seed), plain)


def check(data: bytes) -> None:
    """See the module."""
    try:
        backup = decode(data)
    except PayloadError as refused:
        assert refused.__cause__ is None, "a refusal may quote the content"
        return
    message = pb.Backup.FromString(data)
    _check_known(backup, message)
    encoded = encode(backup)
    again = decode(encoded)
    assert again == backup, "writing and reading changes the content"
    assert encode(again) == encoded, "the encoding is not canonical"
    assert merge(backup, again) == backup, "a content merged with itself is another"
    _check_unknown(message, pb.Backup.FromString(encoded))


def _check_known(backup: Backup, message: pb.Backup) -> None:
    key_pair, profile = message.identity, message.profile
    assert (backup.key_epoch, backup.sealed_at_ms, backup.device_name) == (
        message.key_epoch, message.sealed_at_ms, message.device_name
    )  # fmt: skip
    assert (backup.identity.public_key, backup.identity.private_key, backup.identity.epoch) == (
        key_pair.public_key, key_pair.private_key, key_pair.epoch
    )  # fmt: skip
    assert [(each.user_id.bytes, each.username, each.identity_key, each.stamp_ms, each.removed)
            for each in backup.contacts] == sorted(
        (each.user_id, each.username, each.identity_key, each.stamp_ms, each.removed) for each in message.contacts
    )  # fmt: skip
    assert [(each.device_id, each.seq) for each in backup.writers] == sorted(
        (each.device_id, each.seq) for each in message.writers
    )
    assert (backup.profile is not None) == message.HasField("profile")
    if backup.profile is not None:
        assert (backup.profile.attachment_id, backup.profile.decryption_key, backup.profile.stamp_ms) == (
            profile.attachment_id, profile.decryption_key, profile.stamp_ms
        )  # fmt: skip


def _check_unknown(before: pb.Backup, after: pb.Backup) -> None:
    assert _unknown(before) == _unknown(after), "an unknown field is lost, changed or moved"
    assert _unknown(before.identity) == _unknown(after.identity)
    assert _unknown(before.profile) == _unknown(after.profile)
    entries = {each.user_id: _unknown(each) for each in before.contacts}
    assert entries == {each.user_id: _unknown(each) for each in after.contacts}
    writers = {each.device_id: _unknown(each) for each in before.writers}
    assert writers == {each.device_id: _unknown(each) for each in after.writers}


def _unknown(message: Any) -> list[Any]:
    """What the runtime makes of the unknown fields; for each number in order, numbers ascending."""
    return sorted(_fields(UnknownFieldSet(message)), key=lambda field: field[0])


def _fields(found: Any) -> list[Any]:
    return [
        (each.field_number, each.wire_type, _fields(each.data) if each.wire_type == 3 else each.data) for each in found
    ]
