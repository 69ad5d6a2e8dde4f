"""Padding that hides how long a payload is, as the sealed format lays it out.

length n (u32, big endian) || payload (n bytes) || zeros up to max(16384, Padme(4 + n))
"""

from __future__ import annotations

from typing import Final

LENGTH_BYTES: Final = 4

# Padme's steps are finest for small backups. Without this minimum they would reveal the number of contacts.
PADDED_FLOOR_BYTES: Final = 16384
_MAX_PAYLOAD_BYTES: Final = 0xFFFF_FFFF


def padme(length: int) -> int:
    """The smallest size not below `length` whose low bits are zero, by Padme; at most 12 % larger.

    Source: Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs" (PoPETs
    2019), algorithm 1.

    Raises:
        ValueError: a negative length.
    """
    mask = _padme_mask(length)
    return (length + mask) & ~mask


def padded_bytes(payload_bytes: int) -> int:
    """The size of the padded plaintext of a payload of `payload_bytes` bytes."""
    return max(PADDED_FLOOR_BYTES, padme(LENGTH_BYTES + payload_bytes))


def largest_payload_bytes(max_padded_bytes: int) -> int:
    """The size of the largest payload whose padded plaintext fits; -1 if not even an empty one does."""
    if max_padded_bytes < PADDED_FLOOR_BYTES:
        return -1
    # Clearing the low bits keeps the highest one, so the result is a size that Padme does not change.
    return min((max_padded_bytes & ~_padme_mask(max_padded_bytes)) - LENGTH_BYTES, _MAX_PAYLOAD_BYTES)


def payload_size_range(padded: int) -> tuple[int, int] | None:
    """The sizes in bytes of the smallest and largest payload that `pad` pads to `padded` bytes.

    None if it pads no payload to that size; another writer may.
    """
    if padded < PADDED_FLOOR_BYTES or padme(padded) != padded or padded - LENGTH_BYTES > _MAX_PAYLOAD_BYTES:
        return None
    if padded == PADDED_FLOOR_BYTES:
        return 0, padded - LENGTH_BYTES
    # The next smaller size that Padme does not change.
    before = (padded - 1) & ~_padme_mask(padded - 1)
    return before + 1 - LENGTH_BYTES, padded - LENGTH_BYTES


def pad(payload: bytes) -> bytes:
    """Return length, payload and zeros as one plaintext.

    Raises:
        ValueError: the payload is too long for the length field (4 GiB).
    """
    if len(payload) > _MAX_PAYLOAD_BYTES:
        raise ValueError("the payload does not fit the 32-bit length field")
    length = len(payload).to_bytes(LENGTH_BYTES, "big")
    return (length + payload).ljust(padded_bytes(len(payload)), b"\0")


def unpad(plaintext: bytes) -> bytes:
    """Return the payload of a plaintext. Any padded size is accepted, so that a writer may choose a larger one.

    Raises:
        ValueError: no length field, a length beyond the end, or a rest that is not all zeros.
    """
    if len(plaintext) < LENGTH_BYTES:
        raise ValueError("the plaintext has no length field")
    end = LENGTH_BYTES + int.from_bytes(plaintext[:LENGTH_BYTES], "big")
    if end > len(plaintext):
        raise ValueError("the payload's length points beyond the plaintext")
    if plaintext.count(0, end) != len(plaintext) - end:
        raise ValueError("the padding is not all zeros")
    return plaintext[LENGTH_BYTES:end]


def _padme_mask(length: int) -> int:
    if length < 0:
        raise ValueError("a length cannot be negative")
    exponent = max(length.bit_length() - 1, 0)
    return (1 << (exponent - exponent.bit_length())) - 1
