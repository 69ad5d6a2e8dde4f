from __future__ import annotations

import hashlib
import io
import resource
import tempfile
from typing import TYPE_CHECKING

import pytest

from obscura_backup.domain.errors import BlobTooLarge, BlobTooSmall, DigestMismatch, Unavailable
from obscura_backup.domain.model import Limits
from obscura_backup.entrypoints.http.limits.spool import MEMORY_BYTES, SpoolMemory, receive
from support.table import table

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from obscura_backup.domain.blob import Blob

LIMITS = Limits(min_bytes=4, max_bytes=2 * MEMORY_BYTES)


@pytest.fixture
def memory() -> SpoolMemory:
    return SpoolMemory(4 * MEMORY_BYTES)


async def pieces(*sizes: int) -> AsyncIterator[bytes]:
    for size in sizes:
        yield bytes(size)


async def discard(chunks: AsyncIterator[bytes], memory: SpoolMemory, declared_sha256: bytes | None = None) -> None:
    async with receive(chunks, LIMITS, memory, declared_sha256=declared_sha256):
        pass


@table("sizes", [(4,), (1, 2, 3), (MEMORY_BYTES, MEMORY_BYTES)])
async def test_what_came_is_there(sizes: tuple[int, ...], memory: SpoolMemory) -> None:
    async with receive(pieces(*sizes), LIMITS, memory) as blob:
        assert blob.size == sum(sizes)
        assert blob.sha256 == hashlib.sha256(bytes(sum(sizes))).digest()
        assert blob.read() == bytes(sum(sizes))


async def test_too_long_is_told_before_the_end(memory: SpoolMemory) -> None:
    body = pieces(MEMORY_BYTES, MEMORY_BYTES, 1, 10)
    with pytest.raises(BlobTooLarge):
        await discard(body, memory)
    assert await anext(body) == bytes(10)


async def test_other_bytes_than_declared(memory: SpoolMemory) -> None:
    with pytest.raises(DigestMismatch):
        await discard(pieces(10), memory, declared_sha256=bytes(32))


async def test_no_room_on_this_machine(memory: SpoolMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere/at/all")
    with pytest.raises(Unavailable, match="space"):
        await discard(pieces(MEMORY_BYTES, 1), memory)


def in_a_file(blob: Blob) -> bool:
    return not isinstance(blob.file, io.BytesIO)


async def test_uploads_go_to_files_where_the_memory_is_used_up() -> None:
    memory = SpoolMemory(250)
    async with (
        receive(pieces(100), LIMITS, memory) as first,
        receive(pieces(50, 50), LIMITS, memory) as second,
        receive(pieces(30, 30, 30), LIMITS, memory) as third,
    ):
        assert [in_a_file(blob) for blob in (first, second, third)] == [False, False, True]
        assert memory._left_bytes == 50
        assert third.read() == bytes(90)


@table("sizes", [(3,), (100, MEMORY_BYTES), (100, 2 * MEMORY_BYTES)])
async def test_memory_is_given_back_however_it_ends(sizes: tuple[int, ...]) -> None:
    memory = SpoolMemory(1000)
    try:
        async with receive(pieces(*sizes), LIMITS, memory) as blob:
            blob.read()
    except (BlobTooLarge, BlobTooSmall):
        pass
    assert memory._left_bytes == 1000


async def test_no_room_for_the_very_last_bytes(memory: SpoolMemory) -> None:
    """They are buffered until the file is flushed: `receive` reports that they do not fit, not a later reader."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MEMORY_BYTES, hard))
    try:
        with pytest.raises(Unavailable, match="space"):
            await discard(pieces(MEMORY_BYTES, 100), memory)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
