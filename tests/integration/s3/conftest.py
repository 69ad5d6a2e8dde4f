"""Stores over S3; they are closed when the test ends. All tests have the credentials of the servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from obscura_backup.adapters.s3.boto3_driver.store import Boto3BlobStore
from obscura_backup.adapters.s3.store import S3BlobStore
from support.servers.proxies.fault_proxy import FaultProxy
from support.servers.stores.object_stores import PROBE_SECONDS, StartStore, starting
from support.servers.stores.s3_store import LONG_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS, MakeStore, maker_of, through

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from obscura_backup.adapters.object_stores.store import ObjectBlobStore
    from support.servers.stores.s3_servers import S3Server


@pytest.fixture(autouse=True)
def credentials(s3_credentials: None) -> None:
    """The credentials of the servers."""


@pytest.fixture(params=[S3BlobStore, Boto3BlobStore], ids=["obstore", "boto3"])
def implementation(request: pytest.FixtureRequest) -> MakeStore:
    """Each test of a store runs with both drivers."""
    return maker_of(request.param)


@pytest.fixture
def server(minio_server: S3Server) -> S3Server:
    """The server of a test that does not care which."""
    return minio_server


@pytest.fixture
def bucket(server: S3Server) -> str:
    return server.new_bucket()


@pytest.fixture
async def start_store(bucket: str, implementation: MakeStore) -> AsyncIterator[StartStore]:
    async with starting(lambda endpoint, **options: implementation(bucket, endpoint=endpoint, **options)) as start:
        yield start


@pytest.fixture
async def blobs(server: S3Server, start_store: StartStore) -> ObjectBlobStore:
    return await start_store(server.endpoint, start_seconds=PROBE_SECONDS)


@pytest.fixture
def proxy(server: S3Server) -> Iterator[FaultProxy]:
    with FaultProxy(server.port) as proxy:
        yield proxy


@pytest.fixture
async def shaky(proxy: FaultProxy, start_store: StartStore) -> ObjectBlobStore:
    """A store behind the proxy, with short time-outs; no request is counted yet."""
    blobs = await start_store(
        through(proxy), read_timeout_seconds=READ_TIMEOUT_SECONDS, max_writes=2, start_seconds=PROBE_SECONDS
    )
    proxy.forget()
    return blobs


@pytest.fixture
async def patient(proxy: FaultProxy, start_store: StartStore) -> ObjectBlobStore:
    """A store behind the proxy that waits as long as a busy machine takes for many megabytes."""
    blobs = await start_store(through(proxy), read_timeout_seconds=LONG_TIMEOUT_SECONDS, max_writes=2)
    proxy.forget()
    return blobs
