from __future__ import annotations

import hashlib
import resource
import tempfile
from typing import TYPE_CHECKING

import pytest

from obscura_backup.domain.errors import BlobTooLarge, BlobTooSmall, DigestMismatch, Unavailable
from obscura_backup.domain.model import Limits
from obscura_backup.domain.spool import MEMORY_BYTES, Spool, SpoolMemory, receive

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LIMITS = Limits(min_bytes=4, max_bytes=2 * MEMORY_BYTES)


@pytest.fixture
def memory() -> SpoolMemory:
    return SpoolMemory(4 * MEMORY_BYTES)


async def pieces(*sizes: int) -> AsyncIterator[bytes]:
    for size in sizes:
        yield bytes(size)


@pytest.mark.parametrize("sizes", [(4,), (1, 2, 3), (MEMORY_BYTES, MEMORY_BYTES)])
async def test_what_came_is_there(sizes: tuple[int, ...], memory: SpoolMemory) -> None:
    with await receive(pieces(*sizes), LIMITS, memory) as blob:
        assert blob.size == sum(sizes)
        assert blob.sha256 == hashlib.sha256(bytes(sum(sizes))).digest()
        assert blob.read() == bytes(sum(sizes))


async def test_too_short(memory: SpoolMemory) -> None:
    with pytest.raises(BlobTooSmall):
        await receive(pieces(1, 2), LIMITS, memory)


async def test_too_long_is_told_before_the_end(memory: SpoolMemory) -> None:
    body = pieces(MEMORY_BYTES, MEMORY_BYTES, 1, 10)
    with pytest.raises(BlobTooLarge):
        await receive(body, LIMITS, memory)
    assert await anext(body) == bytes(10)


async def test_other_bytes_than_declared(memory: SpoolMemory) -> None:
    with pytest.raises(DigestMismatch):
        await receive(pieces(10), LIMITS, memory, declared_sha256=bytes(32))


async def test_no_room_on_this_machine(memory: SpoolMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere/at/all")
    with pytest.raises(Unavailable, match="room"):
        await receive(pieces(MEMORY_BYTES, 1), LIMITS, memory)


def in_a_file(blob: Spool) -> bool:
    return bool(blob.file._rolled)  # type: ignore[attr-defined]  # the standard library has no other way to ask


async def test_short_one_stays_in_memory_and_a_long_one_does_not(memory: SpoolMemory) -> None:
    with await receive(pieces(MEMORY_BYTES), LIMITS, memory) as short:
        assert not in_a_file(short)
    with await receive(pieces(MEMORY_BYTES, 1), LIMITS, memory) as long:
        assert in_a_file(long)


async def test_uploads_go_to_files_where_the_memory_is_used_up() -> None:
    memory = SpoolMemory(250)
    with (
        await receive(pieces(100), LIMITS, memory) as first,
        await receive(pieces(50, 50), LIMITS, memory) as second,
        await receive(pieces(30, 30, 30), LIMITS, memory) as third,
    ):
        assert [in_a_file(blob) for blob in (first, second, third)] == [False, False, True]
        assert memory._left_bytes == 50
        assert third.read() == bytes(90)


@pytest.mark.parametrize("sizes", [(3,), (100, MEMORY_BYTES), (100, 2 * MEMORY_BYTES)])
async def test_memory_is_given_back_however_it_ends(sizes: tuple[int, ...]) -> None:
    memory = SpoolMemory(1000)
    try:
        with await receive(pieces(*sizes), LIMITS, memory) as blob:
            blob.read()
    except (BlobTooLarge, BlobTooSmall):
        pass
    assert memory._left_bytes == 1000


async def test_no_room_for_the_very_last_bytes(memory: SpoolMemory) -> None:
    """They are in a buffer until the file is written out: that has to be told here, not by whoever reads or closes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MEMORY_BYTES, hard))
    try:
        with pytest.raises(Unavailable, match="room"):
            await receive(pieces(MEMORY_BYTES, 100), LIMITS, memory)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
