"""The blob store by boto3: blocking requests in a few threads."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from obscura_backup.adapters.object_stores.bounded_executor import BoundedExecutor
from obscura_backup.adapters.object_stores.probe import probe
from obscura_backup.adapters.object_stores.store import PAGE_KEYS, PREFIX, ObjectBlobStore, pages_behind
from obscura_backup.adapters.s3.boto3_driver.bucket import S3Bucket
from obscura_backup.domain.errors import BlobStoreUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from obscura_backup.adapters.object_stores.probe_report import ProbeReport
    from obscura_backup.adapters.s3.boto3_driver.download import Download
    from obscura_backup.adapters.s3.location import S3Location
    from obscura_backup.domain.blob import Blob
    from obscura_backup.domain.model import ByteRange, Draft, Revision, Tag

R = TypeVar("R")


class Boto3BlobStore(ObjectBlobStore):
    """See `S3BlobStore`.

    Args:
        location: of the bucket.
        options: of `ObjectBlobStore`.
    """

    MAX_WRITES = 4
    """Threads. Signing and header parsing hold the interpreter's lock: with more threads each upload costs more CPU
    time, and none comes sooner."""
    MAX_READS = 4
    """Threads of their own: an upload waits for the store's disks, and no download should wait for them, too."""

    def __init__(self, location: S3Location, **options: Any) -> None:
        super().__init__(location.bucket, **options)
        self._bucket = S3Bucket(
            location,
            connections=self._max_writes + self._max_reads + 1,
            connect_timeout_seconds=self._connect_timeout_seconds,
            read_timeout_seconds=self._read_timeout_seconds,
        )
        self._probe_client = S3Bucket(
            location,
            connections=1,
            connect_timeout_seconds=min(self._connect_timeout_seconds, self._ping_timeout_seconds),
            read_timeout_seconds=min(self._read_timeout_seconds, self._ping_timeout_seconds),
        )
        bounds = partial(BoundedExecutor, waiting_max=self._waiting_max, wait_seconds=self._wait_seconds)
        self._writes = bounds(self._max_writes, name="blobs-write")
        self._reads = bounds(self._max_reads, name="blobs-read")
        self._control_threads = bounds(1, name="blobs-ask")

    async def close(self) -> None:
        """See `BlobStore.close`."""
        await super().close()
        for threads in (self._writes, self._reads, self._control_threads):
            await asyncio.to_thread(threads.close)
        self._bucket.close()
        self._probe_client.close()

    async def probe_conditional_writes(self) -> ProbeReport:
        """See `ObjectBlobStore.probe_conditional_writes`."""
        work = partial(probe, self._bucket, with_false_checksum=self._bucket, is_stopping=self._verification.is_closed)
        return await self._call(self._control_threads, work)

    async def clock_skew_seconds(self) -> float:
        """See `ObjectBlobStore.clock_skew_seconds`."""
        return await self._call(self._control_threads, self._probe_client.clock_skew_seconds)

    async def server_name(self) -> str:
        """See `ObjectBlobStore.server_name`."""
        return await self._call(self._control_threads, self._probe_client.server_name)

    async def _connect(self) -> None:
        await self._control_threads.run(self._bucket.connect)
        await self._control_threads.run(self._probe_client.connect)

    async def _put(self, key: str, blob: Blob, draft: Draft, replaces: Tag | None) -> Revision:
        return await self._call(self._writes, partial(self._bucket.put, key, blob, draft, replaces=replaces))

    async def _get(self, key: str, byte_range: ByteRange | None, *, is_last_try: bool) -> _OpenBlob | None:
        work = partial(self._bucket.get, key, byte_range)
        download = await self._call(self._reads, work, discard=_discard, is_last_try=is_last_try)
        return None if download is None else _OpenBlob(download, self._reads)

    async def _head(self, key: str, *, is_last_try: bool) -> Revision | None:
        return await self._call(self._reads, partial(self._bucket.head, key), is_last_try=is_last_try)

    def _pages(self, after: str) -> AsyncIterator[list[str]]:
        return pages_behind(after, self._keys)

    async def _keys(self, after: str) -> list[str]:
        work = partial(self._bucket.keys, PREFIX, after=after, limit=PAGE_KEYS)
        return await self._repeated(lambda is_last_try: self._call(self._reads, work, is_last_try=is_last_try))

    async def _ping(self) -> None:
        await self.clock_skew_seconds()

    async def _test(self) -> None:
        await self._control_threads.run(partial(self._run_recorded, self._probe_client.clock_skew_seconds))

    async def _probe(self) -> ProbeReport:
        return await self.probe_conditional_writes()

    async def _call(
        self,
        threads: BoundedExecutor,
        work: Callable[[], R],
        *,
        discard: Callable[[R], None] | None = None,
        is_last_try: bool = True,
    ) -> R:
        """Run `work` in a thread, if the circuit breaker lets it."""
        await self._pass_breaker()

        def run_if_available() -> R:
            self._require_closed_breaker()  # an outage may have begun while the call waited for its thread
            return self._run_recorded(work, is_last_try=is_last_try)

        return await threads.run(run_if_available, discard=discard)

    def _run_recorded(self, work: Callable[[], R], *, is_last_try: bool = True) -> R:
        with self._recorded(is_last_try=is_last_try):
            return work()


class _OpenBlob:
    def __init__(self, download: Download, threads: BoundedExecutor) -> None:
        self._download = download
        self._threads = threads
        self.revision = download.revision
        self.start = download.start
        self.length = download.length

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self._download.first_chunk
        while not self._download.is_complete:
            yield await self._threads.run_unbounded(self._download.read)

    async def aclose(self) -> None:
        if self._download.is_complete:
            self._download.close()
            return
        try:
            await self._threads.run_unbounded(self._download.close)
        except BlobStoreUnavailable:  # the store was closed meanwhile, and its threads with it
            self._download.close()


def _discard(download: Download | None) -> None:
    if download is not None:
        download.close()
