"""The merge: in any order and any number of times the same, and nothing is lost that nothing newer replaces."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

from fuzz.choices import Choices
from fuzz.contents import content
from obscura_backup_client.content.codec import decode, encode
from obscura_backup_client.content.generated.obscura.backup.v1 import backup_pb2 as pb
from obscura_backup_client.content.merge import merge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obscura_backup_client.content.model import Backup, Contact

MAX_BYTES: Final = 512


def seeds() -> Iterator[bytes]:
    """Three contents each, from nearly empty to full."""
    source = random.Random(2)
    yield from (source.randbytes(size) for size in (0, 20, 60, 100, 150, 200, 250, 300))


def check(data: bytes) -> None:
    """See the module."""
    choices = Choices(data)
    one, other, third = (decode(encode(content(choices))) for _ in range(3))
    both = merge(one, other)
    assert decode(encode(both)) == both, "a merged content cannot be read back"
    assert merge(other, one) == both, "the order of two matters"
    assert merge(both, one) == both == merge(other, both) == merge(both, both), "merging again changes something"
    assert merge(both, third) == merge(one, merge(other, third)), "the grouping matters"
    _check_entries(both, one, other)
    _check_rest(both, one, other)


def _check_entries(both: Backup, one: Backup, other: Backup) -> None:
    sides = [*one.contacts, *other.contacts]
    assert {each.user_id for each in both.contacts} == {each.user_id for each in sides}, "a contact is lost or invented"
    for chosen in both.contacts:
        candidates = [each for each in sides if each.user_id == chosen.user_id]
        assert chosen in candidates, "an entry is neither side's"
        best = max((each.stamp_ms, not each.removed) for each in candidates)
        assert (chosen.stamp_ms, not chosen.removed) == best, "an entry lost to one that it beats"
        ties = [each for each in candidates if (each.stamp_ms, not each.removed) == best]
        assert _encoded(chosen) == max(map(_encoded, ties)), "a tie does not fall to the greater bytes"


def _encoded(entry: Contact) -> bytes:
    """By the runtime alone: known fields in ascending order, and then the unknown ones."""
    known = pb.Contact(
        user_id=entry.user_id.bytes,
        username=entry.username,
        identity_key=entry.identity_key,
        stamp_ms=entry.stamp_ms,
        removed=entry.removed,
    )
    return known.SerializeToString(deterministic=True) + b"".join(encoded for _, encoded in entry.unknown)


def _check_rest(both: Backup, one: Backup, other: Backup) -> None:
    vectors = [one.vector, other.vector]
    devices = {device for vector in vectors for device in vector}
    assert both.vector == {device: max(vector.get(device, 0) for vector in vectors) for device in devices}
    assert both.key_epoch == max(one.key_epoch, other.key_epoch)
    assert both.identity.epoch == max(one.identity.epoch, other.identity.epoch)
    assert (both.sealed_at_ms, both.device_name) == max(
        (one.sealed_at_ms, one.device_name), (other.sealed_at_ms, other.device_name)
    )
    left, right = dict(one.unknown), dict(other.unknown)
    assert dict(both.unknown) == {
        number: max(left.get(number, b""), right.get(number, b"")) for number in left.keys() | right.keys()
    }, "an unknown field of the message is lost"
    stamps = [(each.stamp_ms, bool(each.attachment_id)) for each in (one.profile, other.profile) if each is not None]
    found = None if both.profile is None else (both.profile.stamp_ms, bool(both.profile.attachment_id))
    assert found == max(stamps, default=None)
