"""Stores over PostgreSQL; they are closed when the test ends."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from contracts.metadata_store import LOCK_TIMEOUT_SECONDS, SHORT_LOCK_TIMEOUT_SECONDS
from obscura_backup.adapters.postgres.store import PostgresMetadataStore
from support.servers.wire import Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.servers.stores.postgres_server import PostgresServer


class StartStore(Protocol):
    async def __call__(self, url: str, **options: Any) -> PostgresMetadataStore:
        """A store that is started, with these options of `PostgresMetadataStore`."""


@pytest.fixture
async def start_store() -> AsyncIterator[StartStore]:
    async with AsyncExitStack() as stack:

        async def start(url: str, **options: Any) -> PostgresMetadataStore:
            store = PostgresMetadataStore(url, **options)
            stack.push_async_callback(store.close)
            await store.start()
            return store

        yield start


@pytest.fixture
def store_url(postgres_url: str) -> str:
    """The URL of `store`; a file of tests may choose another way to the server."""
    return postgres_url


@pytest.fixture
async def store(store_url: str, start_store: StartStore) -> PostgresMetadataStore:
    # A thousand uploads at once, as the contract has them, may take their time on a busy machine.
    return await start_store(store_url, lock_timeout_seconds=LOCK_TIMEOUT_SECONDS, pool_wait_seconds=30)


@pytest.fixture
async def impatient(store_url: str, start_store: StartStore) -> PostgresMetadataStore:
    return await start_store(store_url, lock_timeout_seconds=SHORT_LOCK_TIMEOUT_SECONDS)


@pytest.fixture
async def elsewhere(postgres_url: str, start_store: StartStore) -> PostgresMetadataStore:
    """The store of another process."""
    return await start_store(postgres_url, lock_timeout_seconds=LOCK_TIMEOUT_SECONDS)


@pytest.fixture
async def wire(postgres_server: PostgresServer) -> AsyncIterator[Wire]:
    async with Wire(postgres_server.port) as wire:
        yield wire


@pytest.fixture
async def wired(postgres_url: str, wire: Wire, start_store: StartStore) -> PostgresMetadataStore:
    """A store whose wire is watched and can go dead; it gives up a silent server soon."""
    return await start_store(wire.through(postgres_url), answer_timeout_seconds=1.0)
