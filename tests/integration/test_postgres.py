from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contracts.metadata_store import LOCK_TIMEOUT_SECONDS, MetadataStoreContract
from obscura_backup.adapters.postgres import PostgresMetadataStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def store(postgres_url: str) -> AsyncIterator[PostgresMetadataStore]:
    store = PostgresMetadataStore(postgres_url, lock_timeout_seconds=LOCK_TIMEOUT_SECONDS)
    await store.start()
    yield store
    await store.close()


class TestPostgresMetadataStore(MetadataStoreContract):
    pass
