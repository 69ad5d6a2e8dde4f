"""The blob store over S3 by obstore, the default of `s3://`.

boto3 does what is rare, when it is first asked for: it lists keys, asks for the store's name and clock, and sends a
false checksum. It also finds AWS's credentials where they are not in the environment.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from obscura_backup.adapters.object_stores.obstore_driver.blocking_bucket import BlockingBucket
from obscura_backup.adapters.object_stores.obstore_driver.store import ObstoreBlobStore
from obscura_backup.adapters.object_stores.probe import probe
from obscura_backup.adapters.object_stores.store import PAGE_KEYS, PREFIX, pages_behind
from obscura_backup.adapters.s3.obstore_backend import S3Backend

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from obscura_backup.adapters.object_stores.probe_report import ProbeReport
    from obscura_backup.adapters.s3.boto3_driver.bucket import S3Bucket
    from obscura_backup.adapters.s3.location import S3Location

R = TypeVar("R")


class S3BlobStore(ObstoreBlobStore):
    """See `ObjectBlobStore`. Credentials are found as by AWS's own tools. `init-bucket` makes the bucket.

    Args:
        location: of the bucket.
        options: of `ObjectBlobStore`.
    """

    def __init__(self, location: S3Location, **options: Any) -> None:
        super().__init__(S3Backend(location), **options)
        self._location = location
        self._made_boto3_bucket: S3Bucket | None = None

    async def close(self) -> None:
        """See `BlobStore.close`."""
        await super().close()
        if self._made_boto3_bucket is not None:
            self._made_boto3_bucket.close()

    async def probe_conditional_writes(self) -> ProbeReport:
        """See `ObjectBlobStore.probe_conditional_writes`."""
        blocking = BlockingBucket(self._bucket, asyncio.get_running_loop())
        return await self._by_boto3(lambda bucket: probe(blocking, with_false_checksum=bucket))

    async def clock_skew_seconds(self) -> float:
        """See `ObjectBlobStore.clock_skew_seconds`."""
        return await self._by_boto3(lambda bucket: bucket.clock_skew_seconds())

    async def server_name(self) -> str:
        """See `ObjectBlobStore.server_name`."""
        return await self._by_boto3(lambda bucket: bucket.server_name())

    def _pages(self, after: str) -> AsyncIterator[list[str]]:
        return pages_behind(after, self._keys)

    async def _keys(self, after: str) -> list[str]:
        return await self._repeated(
            lambda is_last_try: self._by_boto3(
                lambda bucket: bucket.keys(PREFIX, after=after, limit=PAGE_KEYS), is_last_try=is_last_try
            )
        )

    async def _by_boto3(self, work: Callable[[S3Bucket], R], *, is_last_try: bool = True) -> R:
        return await self._in_thread(lambda: work(self._boto3_bucket()), is_last_try=is_last_try)

    def _boto3_bucket(self) -> S3Bucket:
        if self._made_boto3_bucket is None:
            from obscura_backup.adapters.s3.boto3_driver.bucket import S3Bucket  # noqa: PLC0415  # takes a fifth of a second

            bucket = S3Bucket(
                self._location,
                connections=1,
                connect_timeout_seconds=self._connect_timeout_seconds,
                read_timeout_seconds=self._read_timeout_seconds,
            )
            bucket.connect()
            self._made_boto3_bucket = bucket
        return self._made_boto3_bucket
