from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from obscura_backup.adapters.s3.store import S3BlobStore
from support.servers.fault_proxy import FaultProxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from support.servers.s3_servers import S3Server


from support.servers.s3_store import LONG_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS

TRIED_OUT_SECONDS = 60.0
"""Long enough on a busy machine: what these tests count begins when the store was tried out."""


@pytest.fixture
def server(minio_server: S3Server) -> S3Server:
    """The server of a test that does not care which."""
    return minio_server


@pytest.fixture
def bucket(server: S3Server) -> str:
    return server.new_bucket()


@pytest.fixture
async def blobs(server: S3Server, bucket: str) -> AsyncIterator[S3BlobStore]:
    blobs = S3BlobStore(bucket, endpoint=server.endpoint, start_seconds=TRIED_OUT_SECONDS)
    await blobs.start()
    yield blobs
    await blobs.close()


@pytest.fixture
def proxy(server: S3Server) -> Iterator[FaultProxy]:
    with FaultProxy(server.port) as proxy:
        yield proxy


@pytest.fixture
async def shaky(proxy: FaultProxy, bucket: str) -> AsyncIterator[S3BlobStore]:
    """A store that is asked through the proxy, impatient, with nothing counted so far."""
    blobs = S3BlobStore(
        bucket,
        endpoint=f"http://127.0.0.1:{proxy.port}",
        read_timeout_seconds=READ_TIMEOUT_SECONDS,
        threads=2,
        start_seconds=TRIED_OUT_SECONDS,
    )
    await blobs.start()
    proxy.forget()
    yield blobs
    await blobs.close()


@pytest.fixture
async def patient(proxy: FaultProxy, bucket: str) -> AsyncIterator[S3BlobStore]:
    """A store that is asked through the proxy, and that waits as long as a busy machine takes for many megabytes."""
    blobs = S3BlobStore(
        bucket, endpoint=f"http://127.0.0.1:{proxy.port}", read_timeout_seconds=LONG_TIMEOUT_SECONDS, threads=2
    )
    await blobs.start()
    proxy.forget()
    yield blobs
    await blobs.close()
