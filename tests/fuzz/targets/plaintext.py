"""Padding: what `unpad` takes is exactly what the specification says, and it undoes `pad`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from obscura_backup_client.sealing.padding import PADDED_FLOOR_BYTES, largest_payload_bytes, pad, padded_bytes, unpad

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES: Final = 40_000


def seeds() -> Iterator[bytes]:
    """Plaintexts of many lengths, whole and not."""
    for content in (b"", b"hi", b"\0" * 5):
        yield len(content).to_bytes(4, "big") + content
        yield len(content).to_bytes(4, "big") + content + bytes(9)
        yield (len(content) + 1).to_bytes(4, "big") + content
    yield b"\0\0\0\1a\0\0\1"
    yield b"\xff\xff\xff\xff" + bytes(20)
    yield bytes(PADDED_FLOOR_BYTES + 1)


def check(data: bytes) -> None:
    """See the module."""
    payload = _specified(data)
    try:
        found = unpad(data)
    except ValueError:
        assert payload is None, "a plaintext that the specification allows was refused"
    else:
        assert found == payload, "a plaintext was read as something else than the specification says"
    padded = pad(data)
    assert unpad(padded) == data
    assert len(padded) == padded_bytes(len(data)) >= PADDED_FLOOR_BYTES
    assert len(padded) - 4 <= max(PADDED_FLOOR_BYTES, (len(data) + 4) * 1.12)
    assert largest_payload_bytes(len(padded)) >= len(data)
    assert padded_bytes(largest_payload_bytes(len(padded))) == len(padded)


def _specified(plaintext: bytes) -> bytes | None:
    """`docs/format.md`, "Plaintext and padding", read anew."""
    length, rest = int.from_bytes(plaintext[:4], "big"), plaintext[4:]
    if len(plaintext) < 4 or length > len(rest) or rest[length:].strip(b"\0"):
        return None
    return rest[:length]
