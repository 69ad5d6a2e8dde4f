"""What the tests of the S3 adapter do with a store, whichever file they are in."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from contracts import samples
from contracts.blob_store import stored
from obscura_backup.adapters.s3.location import S3Location
from obscura_backup.domain.blob import Blob
from obscura_backup.domain.errors import BlobStoreUnavailable
from support.servers.proxies.fault_proxy import Fault, FaultProxy

if TYPE_CHECKING:
    from obscura_backup.adapters.object_stores.store import ObjectBlobStore
    from obscura_backup.adapters.s3.boto3_driver.store import Boto3BlobStore
    from obscura_backup.adapters.s3.store import S3BlobStore
    from obscura_backup.domain.model import Revision
    from support.servers.stores.s3_server import S3Server


READ_TIMEOUT_SECONDS = 0.5
LONG_TIMEOUT_SECONDS = 60.0


class MakeStore(Protocol):
    """Makes a store over S3 by one of the drivers; not started."""

    def __call__(
        self,
        bucket: str,
        *,
        endpoint: str | None = None,
        region: str | None = None,
        checksums: bool = True,
        addressing: str = "auto",
        **options: Any,
    ) -> ObjectBlobStore: ...


def maker_of(kind: type[S3BlobStore | Boto3BlobStore]) -> MakeStore:
    """What makes stores of this kind."""

    def make(
        bucket: str,
        *,
        endpoint: str | None = None,
        region: str | None = None,
        checksums: bool = True,
        addressing: str = "auto",
        **options: Any,
    ) -> ObjectBlobStore:
        return kind(S3Location(bucket, endpoint, region, checksums, addressing), **options)

    return make


def through(proxy: FaultProxy) -> str:
    return f"http://127.0.0.1:{proxy.port}"


async def started(blobs: ObjectBlobStore) -> ObjectBlobStore:
    """The store, after its tests of the bucket, which may outlast its start on a busy machine."""
    await blobs.start()
    await recovered(blobs)
    return blobs


async def hanging_uploads(blobs: ObjectBlobStore, proxy: FaultProxy, count: int) -> list[asyncio.Task[Revision]]:
    """Uploads under way whose answers wait until `proxy.end_stalls`."""
    proxy.plan(Fault.STALL, method="PUT", times=count, seconds=LONG_TIMEOUT_SECONDS)
    before = proxy.struck
    uploads = [asyncio.create_task(stored(blobs, samples.user(100 + number))) for number in range(count)]
    await struck(proxy, before + count)
    return uploads


async def struck(proxy: FaultProxy, count: int) -> None:
    """Wait until faults have befallen `count` requests in all."""
    async with asyncio.timeout(LONG_TIMEOUT_SECONDS):
        while proxy.struck < count:  # noqa: ASYNC110  # another thread counts
            await asyncio.sleep(0.01)


async def outage(blobs: ObjectBlobStore, proxy: FaultProxy) -> None:
    """Let the store fall silent until the proxy forgets it, and two calls find that out."""
    for method in ("PUT", "HEAD", "GET"):
        proxy.plan(Fault.STALL, method=method, times=99, seconds=READ_TIMEOUT_SECONDS * 2)
    for _ in range(2):
        with pytest.raises(BlobStoreUnavailable):
            await blobs.stat(samples.user())


async def recovered(blobs: ObjectBlobStore) -> None:
    """Wait until the store is known to answer again."""
    async with asyncio.timeout(15):
        while True:
            try:
                await blobs.check()
            except BlobStoreUnavailable:
                await asyncio.sleep(0.05)
            else:
                return


async def stored_bytes(blobs: ObjectBlobStore, data: bytes) -> tuple[Any, Revision]:
    user = samples.user()
    blob = Blob.of(data)
    return user, await blobs.put(user, blob, samples.draft(blob), replaces=None)


def put_foreign(server: S3Server, bucket: str, key: str) -> None:
    server.witness().put_object(bucket_name=bucket, object_name=key, data=io.BytesIO(b"x" * 32), length=32)


def put_raw(server: S3Server, bucket: str, key: str, data: bytes, metadata: dict[str, str]) -> None:
    """An object with metadata as ours, and bytes as they come."""
    server.witness().put_object(
        bucket_name=bucket, object_name=key, data=io.BytesIO(data), length=len(data), metadata=dict(metadata)
    )


def object_bytes(server: S3Server, bucket: str, key: str) -> bytes:
    """All the bytes of an object, whatever they are."""
    answer = server.witness().get_object(bucket_name=bucket, object_name=key)
    try:
        return bytes(answer.read())
    finally:
        answer.close()
        answer.release_conn()
