"""Protobuf's wire format: splitting a message into fields, so that unknown fields are kept byte for byte."""

from __future__ import annotations

from collections import defaultdict
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from obscura_backup_client.content.model import UnknownFields

# Groups are obsolete but legal in unknown fields. No real message nests them deeper than this.
MAX_GROUP_DEPTH = 32
# The longest varints of 64 bits, and of 32 bits (tags and lengths). Runtimes differ about longer ones: refused.
MAX_VARINT_BYTES = 10
MAX_SHORT_VARINT_BYTES = 5
CONTINUATION = 0x80


class WireType(IntEnum):
    """The low three bits of a field's tag."""

    VARINT = 0
    FIXED64 = 1
    LENGTH = 2
    GROUP_START = 3
    GROUP_END = 4
    FIXED32 = 5


# A lookup table: calling the enumeration would take half the time of a field.
_WIRE_TYPES = tuple(WireType)


class MalformedWireError(ValueError):
    """The bytes are not a Protobuf message, or a known field has the wrong wire type."""


def split_fields(message: bytes, known: Mapping[int, WireType]) -> tuple[dict[int, list[bytes]], UnknownFields]:
    """Split a message into its fields, in time and memory linear in its size.

    Returns:
        The contents of each known length-delimited field by number, in order of occurrence; and the unknown fields as
        (number, encoding with tags), in ascending order of number, with all occurrences of one number concatenated.

    Raises:
        MalformedWireError: the bytes are not such a message.
    """
    contents: dict[int, list[bytes]] = {number: [] for number, kind in known.items() if kind is WireType.LENGTH}
    # Arrays, because appending to bytes copies them each time: two million fields would take minutes.
    unknown: defaultdict[int, bytearray] = defaultdict(bytearray)
    at, size = 0, len(message)
    while at < size:
        start = at
        number, kind, at = _tag(message, at)
        if kind is WireType.GROUP_END or kind is not known.get(number, kind):
            raise MalformedWireError(f"field {number} has wire type {kind.value}")
        content, at = _skip(message, at, number, kind, depth=0)
        if number not in known:
            unknown[number] += message[start:at]
        elif kind is WireType.LENGTH:
            contents[number].append(message[content:at])
    return contents, tuple((number, bytes(unknown[number])) for number in sorted(unknown))


def unknown_fields(message: bytes, known: Mapping[int, WireType]) -> UnknownFields:
    """The unknown fields alone; see `split_fields`."""
    return split_fields(message, known)[1]


def _tag(message: bytes, at: int) -> tuple[int, WireType, int]:
    tag, at = varint(message, at, MAX_SHORT_VARINT_BYTES)
    number, kind = tag >> 3, tag & 7
    if not 0 < number < 1 << 29 or kind >= len(_WIRE_TYPES):
        raise MalformedWireError(f"an impossible field tag, {tag}")
    return number, _WIRE_TYPES[kind], at


def _skip(message: bytes, at: int, number: int, kind: WireType, depth: int) -> tuple[int, int]:
    """Where the content of a field starts, and where the field ends."""
    content, end = at, at
    if kind is WireType.VARINT:
        _, end = varint(message, at)
    elif kind is WireType.FIXED64:
        end = at + 8
    elif kind is WireType.FIXED32:
        end = at + 4
    elif kind is WireType.LENGTH:
        length, content = varint(message, at, MAX_SHORT_VARINT_BYTES)
        end = content + length
    else:
        end = _skip_group(message, at, number, depth + 1)
    if end > len(message):
        raise MalformedWireError(f"field {number} is cut short")
    return content, end


def _skip_group(message: bytes, at: int, number: int, depth: int) -> int:
    if depth > MAX_GROUP_DEPTH:
        raise MalformedWireError("groups are nested too deep")
    while True:
        inner, kind, at = _tag(message, at)
        if kind is WireType.GROUP_END:
            if inner != number:
                raise MalformedWireError(f"group {number} is closed as {inner}")
            return at
        _, at = _skip(message, at, inner, kind, depth)


def varint(message: bytes, at: int, most_bytes: int = MAX_VARINT_BYTES) -> tuple[int, int]:
    """Read the number that begins at an offset; returns it, and the offset after it.

    Raises:
        MalformedWireError: it is cut short, longer than `most_bytes`, or over 64 bits.
    """
    if at < len(message) and message[at] < CONTINUATION:
        return message[at], at + 1
    value = 0
    for index, byte in enumerate(message[at : at + most_bytes]):
        value |= (byte & ~CONTINUATION) << (7 * index)
        if byte < CONTINUATION:
            if value >= 1 << 64:
                raise MalformedWireError("a number has more than 64 bits")
            return value, at + index + 1
    raise MalformedWireError("a number is cut short or too long")
