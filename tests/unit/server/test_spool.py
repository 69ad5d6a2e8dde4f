from __future__ import annotations

import hashlib
import tempfile
from typing import TYPE_CHECKING

import pytest

from obscura_backup.domain.errors import BlobTooLarge, BlobTooSmall, DigestMismatch, Unavailable
from obscura_backup.domain.model import Limits
from obscura_backup.domain.spool import MEMORY_BYTES, receive

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LIMITS = Limits(min_bytes=4, max_bytes=2 * MEMORY_BYTES)


async def pieces(*sizes: int) -> AsyncIterator[bytes]:
    for size in sizes:
        yield bytes(size)


@pytest.mark.parametrize("sizes", [(4,), (1, 2, 3), (MEMORY_BYTES, MEMORY_BYTES)])
async def test_what_came_is_there(sizes: tuple[int, ...]) -> None:
    with await receive(pieces(*sizes), LIMITS) as blob:
        assert blob.size == sum(sizes)
        assert blob.sha256 == hashlib.sha256(bytes(sum(sizes))).digest()
        assert blob.read() == bytes(sum(sizes))


async def test_too_short() -> None:
    with pytest.raises(BlobTooSmall):
        await receive(pieces(1, 2), LIMITS)


async def test_too_long_is_told_before_the_end() -> None:
    body = pieces(MEMORY_BYTES, MEMORY_BYTES, 1, 10)
    with pytest.raises(BlobTooLarge):
        await receive(body, LIMITS)
    assert await anext(body) == bytes(10)


async def test_other_bytes_than_declared() -> None:
    with pytest.raises(DigestMismatch):
        await receive(pieces(10), LIMITS, declared_sha256=bytes(32))


async def test_no_room_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere/at/all")
    with pytest.raises(Unavailable, match="room"):
        await receive(pieces(MEMORY_BYTES, 1), LIMITS)
