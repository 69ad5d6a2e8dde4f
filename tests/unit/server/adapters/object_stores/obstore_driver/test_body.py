from __future__ import annotations

import asyncio
import hashlib
import io
import mmap
import secrets
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pytest

from obscura_backup.adapters.object_stores.obstore_driver.body import MAPPED_MIN_BYTES, RELEASE_SECONDS, Bodies
from obscura_backup.domain.blob import Blob
from obscura_backup.domain.errors import BlobStoreUnavailable
from obscura_backup.domain.model import Sha256

if TYPE_CHECKING:
    from collections.abc import Iterator

SUFFIX = bytes(range(16))
LONG = 32 * 1024 * 1024


def blob_in(file: BinaryIO, data: bytes) -> Blob:
    file.write(data)
    file.flush()
    hasher = hashlib.sha256(data)
    return Blob(len(data), Sha256(hasher.digest()), file, hasher)


@pytest.fixture
def file() -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile() as file:
        yield file


def resident_bytes() -> int:
    fields = Path("/proc/self/smaps_rollup").read_text().splitlines()
    (resident,) = (line for line in fields if line.startswith("Rss:"))
    return int(resident.split()[1]) * 1024


@pytest.mark.parametrize("size", [0, 1, MAPPED_MIN_BYTES - 1, MAPPED_MIN_BYTES, MAPPED_MIN_BYTES + 1])
@pytest.mark.parametrize("in_memory", [False, True])
async def test_buffers_are_the_blob_and_its_suffix(file: BinaryIO, size: int, *, in_memory: bool) -> None:
    data = secrets.token_bytes(size)
    blob = blob_in(io.BytesIO() if in_memory else file, data)
    async with Bodies().buffers_of(blob, SUFFIX) as buffers:
        assert b"".join(bytes(each) for each in buffers) == data + SUFFIX
        assert isinstance(buffers[0], mmap.mmap) is (not in_memory and size >= MAPPED_MIN_BYTES)


@pytest.mark.parametrize("size", [1, MAPPED_MIN_BYTES - 1, MAPPED_MIN_BYTES + 1])
async def test_file_that_was_damaged_is_not_sent(file: BinaryIO, size: int) -> None:
    """Obstore makes the checksum from what it sends, so the store would accept the damaged bytes."""
    data = secrets.token_bytes(size)
    blob = blob_in(file, data)
    file.seek(size - 1)
    file.write(bytes([data[-1] ^ 1]))
    file.flush()
    with pytest.raises(BlobStoreUnavailable, match="damaged"):
        async with Bodies().buffers_of(blob, SUFFIX):
            pytest.fail("the damaged bytes were given out")


async def test_pages_that_were_read_do_not_stay_resident(file: BinaryIO) -> None:
    blob = blob_in(file, secrets.token_bytes(LONG))
    before = resident_bytes()
    async with Bodies().buffers_of(blob, SUFFIX) as buffers:
        assert hashlib.sha256(buffers[0]).digest() == blob.sha256
        assert resident_bytes() - before > LONG // 2
        await asyncio.sleep(10 * RELEASE_SECONDS)
        assert resident_bytes() - before < LONG // 2
        assert hashlib.sha256(buffers[0]).digest() == blob.sha256, "what was released is read again"


async def test_file_may_be_closed_while_a_buffer_is_in_use(file: BinaryIO) -> None:
    """As when a caller is cancelled: obstore lets go of the buffer a moment later."""
    data = secrets.token_bytes(MAPPED_MIN_BYTES)
    async with Bodies().buffers_of(blob_in(file, data), SUFFIX) as buffers:
        held = memoryview(buffers[0])
    file.close()
    assert bytes(held) == data


async def test_pages_of_all_bodies_are_released_as_long_as_one_is_in_use(file: BinaryIO) -> None:
    bodies = Bodies()
    with tempfile.TemporaryFile() as other:
        first, second = blob_in(file, bytes(MAPPED_MIN_BYTES)), blob_in(other, secrets.token_bytes(LONG))
        async with bodies.buffers_of(first, SUFFIX):
            pass
        async with bodies.buffers_of(second, SUFFIX) as buffers:
            async with bodies.buffers_of(first, SUFFIX):
                pass
            before = resident_bytes()
            assert hashlib.sha256(buffers[0]).digest() == second.sha256
            await asyncio.sleep(10 * RELEASE_SECONDS)
            assert resident_bytes() - before < LONG // 2
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == 1
