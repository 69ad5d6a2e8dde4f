"""A blob store by obstore: asynchronous requests, sent by threads of Rust that do without the interpreter's lock."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from obscura_backup.adapters.circuit_breaker import State
from obscura_backup.adapters.object_stores.bounded_executor import BoundedExecutor
from obscura_backup.adapters.object_stores.obstore_driver.blocking_bucket import BlockingBucket
from obscura_backup.adapters.object_stores.obstore_driver.bucket import ObstoreBucket
from obscura_backup.adapters.object_stores.obstore_driver.concurrency_limit import ConcurrencyLimit
from obscura_backup.adapters.object_stores.probe import probe
from obscura_backup.adapters.object_stores.store import PAGE_KEYS, PREFIX, ObjectBlobStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from obscura_backup.adapters.object_stores.obstore_driver.backend import Backend
    from obscura_backup.adapters.object_stores.obstore_driver.download import ObstoreDownload
    from obscura_backup.adapters.object_stores.probe_report import ProbeReport
    from obscura_backup.domain.blob import Blob
    from obscura_backup.domain.model import ByteRange, Draft, Revision, Tag

R = TypeVar("R")


class ObstoreBlobStore(ObjectBlobStore):
    """See `ObjectBlobStore`.

    Args:
        backend: the bucket, and what is special about its kind of store.
        options: of `ObjectBlobStore`.
    """

    MAX_WRITES = 64
    MAX_READS = 64
    """Until the head of an answer has come. What is still to be read of a download does not count."""

    def __init__(self, backend: Backend, **options: Any) -> None:
        super().__init__(backend.bucket, **options)
        self._bucket = ObstoreBucket(
            backend,
            connect_timeout_seconds=self._connect_timeout_seconds,
            read_timeout_seconds=self._read_timeout_seconds,
        )
        self._ping_bucket = ObstoreBucket(
            backend,
            connect_timeout_seconds=min(self._connect_timeout_seconds, self._ping_timeout_seconds),
            read_timeout_seconds=min(self._read_timeout_seconds, self._ping_timeout_seconds),
        )
        limits = partial(ConcurrencyLimit, waiting_max=self._waiting_max, wait_seconds=self._wait_seconds)
        self._writes = limits(self._max_writes)
        self._reads = limits(self._max_reads)
        self._pings = limits(1)
        self._control_thread = BoundedExecutor(
            1, waiting_max=self._waiting_max, wait_seconds=self._wait_seconds, name="blobs-ask"
        )

    async def close(self) -> None:
        """See `BlobStore.close`."""
        await super().close()
        await asyncio.to_thread(self._control_thread.close)
        for limit in (self._writes, self._reads, self._pings):
            await limit.close()
        self._bucket.close()
        self._ping_bucket.close()

    async def probe_conditional_writes(self) -> ProbeReport:
        """See `ObjectBlobStore.probe_conditional_writes`."""
        return await self._probe()

    async def _connect(self) -> None:
        await self._control_thread.run(self._bucket.connect)
        await self._control_thread.run(self._ping_bucket.connect)

    async def _put(self, key: str, blob: Blob, draft: Draft, replaces: Tag | None) -> Revision:
        return await self._call(self._writes, lambda: self._bucket.put(key, blob, draft, replaces))

    async def _get(self, key: str, byte_range: ByteRange | None, *, is_last_try: bool) -> ObstoreDownload | None:
        return await self._call(self._reads, lambda: self._bucket.get(key, byte_range), is_last_try=is_last_try)

    async def _head(self, key: str, *, is_last_try: bool) -> Revision | None:
        return await self._call(self._reads, lambda: self._bucket.head(key), is_last_try=is_last_try)

    async def _pages(self, after: str) -> AsyncIterator[list[str]]:
        listing = self._bucket.listing(PREFIX, after, page_keys=PAGE_KEYS)
        while page := await self._repeated(
            lambda is_last_try: self._call(self._reads, listing.next_page, is_last_try=is_last_try)
        ):
            yield page

    async def _ping(self) -> None:
        await self._call(self._pings, self._ping_bucket.ping)

    async def _test(self) -> None:
        with self._recorded():
            await self._ping_bucket.ping()

    async def _probe(self) -> ProbeReport:
        blocking = BlockingBucket(self._bucket, asyncio.get_running_loop())
        return await self._in_thread(
            lambda: probe(blocking, with_false_checksum=None, is_stopping=self._verification.is_closed)
        )

    async def _call(
        self, limit: ConcurrencyLimit, request: Callable[[], Awaitable[R]], *, is_last_try: bool = True
    ) -> R:
        """The result of `request`, if the circuit breaker lets it."""
        if self._breaker.state is not State.CLOSED:
            await self._pass_breaker()
        async with limit:
            self._require_closed_breaker()  # an outage may have begun while the call waited for its turn
            with self._recorded(is_last_try=is_last_try):
                return await request()

    async def _in_thread(self, work: Callable[[], R], *, is_last_try: bool = True) -> R:
        await self._pass_breaker()

        def run() -> R:
            with self._recorded(is_last_try=is_last_try):
                return work()

        return await self._control_thread.run(run)
