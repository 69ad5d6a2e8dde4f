"""Changing a Protobuf message field by field, with right lengths around what changed: bytes alone rarely get inside.

Written apart from the client's own `protobuf_wire`, whose mistakes it must not share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

_MESSAGES = (1, 2, 3, 4)
"""The numbers of the payload's fields that are messages."""
_EDGES = (0, 1, 127, 128, 2**31, 2**32, 2**53 - 1, 2**53, 2**63, 2**64 - 1)


class _Field(NamedTuple):
    number: int
    kind: int
    value: int | bytes

    def encoded(self) -> bytes:
        tag = varint(self.number << 3 | self.kind)
        if isinstance(self.value, int):
            return tag + varint(self.value)
        return tag + (varint(len(self.value)) if self.kind == 2 else b"") + self.value


def mutate(
    data: bytes, most_bytes: int, source: random.Random, plain: Callable[[bytes, int], bytes], depth: int = 0
) -> bytes:
    """One change: to a field, in a field that is a message, or (a third of the time, or if `data` is none) to bytes."""
    fields = _cut(data)
    if fields is None or source.random() < 1 / 3:
        return plain(data, most_bytes)
    operation = source.randrange(7)
    if not fields or operation == 0:
        fields.insert(source.randrange(len(fields) + 1), _invented(source))
    else:
        at = source.randrange(len(fields))
        field = fields[at]
        if operation == 1:
            fields.insert(source.randrange(len(fields) + 1), field)
        elif operation == 2:
            del fields[at]
        elif operation == 3:
            fields.insert(source.randrange(len(fields)), fields.pop(at))
        elif operation == 4:
            fields[at] = field._replace(number=source.randint(1, 17))
        elif isinstance(field.value, int):
            fields[at] = field._replace(value=source.choice(_EDGES))
        elif field.kind == 2 and depth == 0 and field.number in _MESSAGES:
            fields[at] = field._replace(value=mutate(field.value, most_bytes, source, plain, depth + 1))
        elif field.kind == 2:
            fields[at] = field._replace(value=plain(field.value, len(field.value) + 8))
    return b"".join(each.encoded() for each in fields)[:most_bytes]


def varint(value: int) -> bytes:
    """The shortest encoding."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def _invented(source: random.Random) -> _Field:
    number, kind = source.randint(1, 17), source.choice((0, 1, 2, 2, 5))
    if kind == 0:
        return _Field(number, kind, source.choice(_EDGES))
    return _Field(number, kind, source.randbytes({1: 8, 5: 4}.get(kind, source.choice((0, 1, 16, 32)))))


def _cut(data: bytes) -> list[_Field] | None:
    """The fields, without groups; None for what is no message, or has groups."""
    fields, at = [], 0
    while at < len(data):
        tag, at = _read(data, at)
        kind = tag & 7
        value: int | bytes
        if kind == 0:
            value, at = _read(data, at)
        elif kind in (1, 2, 5):
            size = {1: 8, 5: 4}.get(kind)
            if size is None:
                size, at = _read(data, at)
            value = data[at : at + size]
            at += size
        else:
            return None
        fields.append(_Field(tag >> 3, kind, value))
    return fields if at == len(data) else None


def _read(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data):
        value |= (data[at] & 0x7F) << shift
        at, shift, last = at + 1, shift + 7, data[at] < 0x80
        if last:
            return value, at
    return value, len(data) + 1
