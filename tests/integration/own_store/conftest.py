"""The store that OBSCURA_TEST_BLOBS_URL names. Without the variable, nothing in this folder is collected."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from typing import Any

import obstore
import pytest
from obstore.store import ObjectStore

from obscura_backup.adapters.azure.backend import AzureBackend
from obscura_backup.adapters.azure.location import AzureLocation
from obscura_backup.adapters.gcs.backend import GcsBackend
from obscura_backup.adapters.gcs.location import GcsLocation
from obscura_backup.adapters.object_stores.obstore_driver.backend import Backend
from obscura_backup.adapters.object_stores.obstore_driver.store import ObstoreBlobStore
from obscura_backup.adapters.object_stores.store import ObjectBlobStore
from obscura_backup.adapters.s3.boto3_driver.store import Boto3BlobStore
from obscura_backup.adapters.s3.location import S3Location
from obscura_backup.adapters.s3.obstore_backend import S3Backend
from obscura_backup.adapters.s3.store import S3BlobStore
from support.servers.stores.object_stores import PROBE_SECONDS

URL = os.environ.get("OBSCURA_TEST_BLOBS_URL", "")
SCHEME = URL.partition(":")[0]
READ_SECONDS = 60.0

collect_ignore = [] if URL else ["test_contract.py"]


def backend() -> Backend:
    if SCHEME == "gs":
        return GcsBackend(GcsLocation.parse(URL))
    return AzureBackend(AzureLocation.parse(URL)) if SCHEME == "az" else S3Backend(S3Location.parse(URL))


def new_store() -> ObjectBlobStore:
    options: dict[str, Any] = {"start_seconds": PROBE_SECONDS, "read_timeout_seconds": READ_SECONDS}
    kinds: dict[str, Callable[..., ObjectBlobStore]] = {"s3": S3BlobStore, "s3+boto3": Boto3BlobStore}
    if SCHEME in kinds:
        return kinds[SCHEME](S3Location.parse(URL), **options)
    return ObstoreBlobStore(backend(), **options)


def keys_in(bucket: ObjectStore) -> list[str]:
    return [each["path"] for page in obstore.list(bucket) for each in page]


@pytest.fixture(scope="session")
def empty_bucket() -> ObjectStore:
    """The bucket; the tests refuse one that holds something, since they empty it."""
    bucket = backend().make_store(connect_timeout_seconds=10, read_timeout_seconds=READ_SECONDS)
    if keys_in(bucket):
        pytest.fail("The bucket of OBSCURA_TEST_BLOBS_URL is not empty: name one that holds no objects.")
    return bucket


@pytest.fixture
async def blobs(empty_bucket: ObjectStore) -> AsyncIterator[ObjectBlobStore]:
    blobs = new_store()
    try:
        await blobs.start()
        yield blobs
    finally:
        await blobs.close()
        for key in keys_in(empty_bucket):
            obstore.delete(empty_bucket, key)
