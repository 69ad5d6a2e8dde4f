"""Fixtures for the tests of an adapter, whichever kind of object store it speaks to.

A `conftest.py` imports them and gives `server` and `make_store`. Stores are closed when the test ends.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Protocol

import pytest

from obscura_backup.adapters.object_stores.store import ObjectBlobStore
from support.servers.proxies.fault_proxy import FaultProxy

PROBE_SECONDS = 60.0
"""Long enough on a busy machine: these tests count requests after the probe of the store."""


class ObjectStoreServer(Protocol):
    """A running server. Azure's containers are buckets here."""

    port: int

    @property
    def endpoint(self) -> str: ...

    def endpoint_at(self, port: int) -> str: ...

    def new_bucket(self) -> str: ...

    def remove_bucket(self, name: str) -> None: ...


class StartStore(Protocol):
    async def __call__(self, endpoint: str, **options: Any) -> ObjectBlobStore:
        """A store over `bucket` that is started, with these options of `ObjectBlobStore`."""


@pytest.fixture
def bucket(server: ObjectStoreServer) -> str:
    return server.new_bucket()


@pytest.fixture
def remove_bucket(server: ObjectStoreServer, bucket: str) -> Callable[[], None]:
    return partial(server.remove_bucket, bucket)


@pytest.fixture
async def start_store(bucket: str, make_store: Callable[..., ObjectBlobStore]) -> AsyncIterator[StartStore]:
    async with AsyncExitStack() as stack:

        async def start(endpoint: str, **options: Any) -> ObjectBlobStore:
            blobs = make_store(bucket, endpoint=endpoint, **options)
            stack.push_async_callback(blobs.close)
            await blobs.start()
            return blobs

        yield start


@pytest.fixture
async def blobs(server: ObjectStoreServer, start_store: StartStore) -> ObjectBlobStore:
    return await start_store(server.endpoint, start_seconds=PROBE_SECONDS)


@pytest.fixture
def proxy(server: ObjectStoreServer) -> Iterator[FaultProxy]:
    with FaultProxy(server.port) as proxy:
        yield proxy


@pytest.fixture
def shaky_read_seconds() -> float:
    """The time-out of `shaky`: short, but not too short for an emulator on a busy machine."""
    return 1.5


@pytest.fixture
async def shaky(
    proxy: FaultProxy, server: ObjectStoreServer, start_store: StartStore, shaky_read_seconds: float
) -> ObjectBlobStore:
    """A store behind the proxy, with short time-outs; no request is counted yet."""
    blobs = await start_store(
        server.endpoint_at(proxy.port),
        read_timeout_seconds=shaky_read_seconds,
        max_writes=2,
        start_seconds=PROBE_SECONDS,
    )
    proxy.forget()
    return blobs
