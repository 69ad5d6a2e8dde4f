"""The bodies of uploads by obstore: buffers that it reads where they are, without a copy."""

from __future__ import annotations

import asyncio
import hashlib
import io
import mmap
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from obscura_backup.domain.errors import BlobStoreUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from obscura_backup.domain.blob import Blob

MAPPED_MIN_BYTES = 1024 * 1024
"""Shorter files are read: mapping one costs more."""
RELEASE_SECONDS = 0.001
"""The shorter, the fewer pages are resident: obstore hashes some MiB in this time."""


class Bodies:
    """Long files are mapped, which takes no memory of the process for their bytes.

    The kernel counts the pages of a mapping that were read as resident until it needs them elsewhere. They are released
    while the uploads go on, or many long uploads at once would look like a process that is too large.
    """

    def __init__(self) -> None:
        self._mapped: set[mmap.mmap] = set()
        self._releasing: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def buffers_of(self, blob: Blob, suffix: bytes) -> AsyncIterator[list[bytes | mmap.mmap]]:
        """The buffers of a blob and its suffix, to be used inside.

        obstore computes the checksum of an upload from the bytes that it sends. So bytes from a file are compared with
        the digest of the bytes that arrived, before any is sent.

        Raises:
            BlobStoreUnavailable: the file was damaged; nothing was sent.
        """
        if isinstance(blob.file, io.BytesIO):
            yield [blob.read(), suffix]
            return
        if blob.size < MAPPED_MIN_BYTES:
            data = blob.read()
            _require_undamaged(data, blob)
            yield [data, suffix]
            return
        # Never closed: obstore may let go of it only after a cancelled upload has ended here. Then it is unmapped.
        mapped = mmap.mmap(blob.file.fileno(), blob.size, access=mmap.ACCESS_READ)
        self._mapped.add(mapped)
        if self._releasing is None:
            self._releasing = asyncio.create_task(self._release_pages())
        try:
            await asyncio.to_thread(_require_undamaged, mapped, blob)
            yield [mapped, suffix]
        finally:
            self._mapped.discard(mapped)
            if not self._mapped and self._releasing is not None:
                self._releasing.cancel()
                self._releasing = None

    async def _release_pages(self) -> None:
        while True:
            await asyncio.sleep(RELEASE_SECONDS)
            for mapped in self._mapped:
                mapped.madvise(mmap.MADV_DONTNEED)  # a reader gets the same bytes again, from the page cache


def _require_undamaged(data: bytes | mmap.mmap, blob: Blob) -> None:
    if hashlib.sha256(data).digest() != blob.sha256:
        raise BlobStoreUnavailable("The temporary file of an upload was damaged before it was sent.")
