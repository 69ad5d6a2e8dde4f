"""Stores over S3. All tests have the credentials of the servers."""

from __future__ import annotations

import pytest

from obscura_backup.adapters.object_stores.store import ObjectBlobStore
from obscura_backup.adapters.s3.boto3_driver.store import Boto3BlobStore
from obscura_backup.adapters.s3.store import S3BlobStore
from support.servers.proxies.fault_proxy import FaultProxy
from support.servers.stores.object_stores import StartStore, blobs, bucket, proxy, remove_bucket, shaky, start_store
from support.servers.stores.s3_server import S3Server
from support.servers.stores.s3_store import LONG_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS, MakeStore, maker_of, through

__all__ = ["blobs", "bucket", "proxy", "remove_bucket", "shaky", "start_store"]


@pytest.fixture(autouse=True)
def credentials(s3_credentials: None) -> None:
    """The credentials of the servers."""


@pytest.fixture(params=[S3BlobStore, Boto3BlobStore], ids=["obstore", "boto3"])
def implementation(request: pytest.FixtureRequest) -> MakeStore:
    """Each test of a store runs with both drivers."""
    return maker_of(request.param)


@pytest.fixture
def make_store(implementation: MakeStore) -> MakeStore:
    return implementation


@pytest.fixture
def server(minio_server: S3Server) -> S3Server:
    """The server of a test that does not care which."""
    return minio_server


@pytest.fixture
def shaky_read_seconds() -> float:
    return READ_TIMEOUT_SECONDS


@pytest.fixture
async def patient(proxy: FaultProxy, start_store: StartStore) -> ObjectBlobStore:
    """A store behind the proxy that waits as long as a busy machine takes for many megabytes."""
    blobs = await start_store(through(proxy), read_timeout_seconds=LONG_TIMEOUT_SECONDS, max_writes=2)
    proxy.forget()
    return blobs
