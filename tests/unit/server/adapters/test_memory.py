from __future__ import annotations

import pytest

from contracts.blob_store import BlobStoreContract
from contracts.metadata_store import LOCK_TIMEOUT_SECONDS, SHORT_LOCK_TIMEOUT_SECONDS, MetadataStoreContract
from obscura_backup.adapters.memory import MemoryBlobStore, MemoryMetadataStore


class TestMemoryMetadataStore(MetadataStoreContract):
    @pytest.fixture
    def store(self) -> MemoryMetadataStore:
        return MemoryMetadataStore(lock_timeout_seconds=LOCK_TIMEOUT_SECONDS)

    @pytest.fixture
    def impatient(self) -> MemoryMetadataStore:
        return MemoryMetadataStore(lock_timeout_seconds=SHORT_LOCK_TIMEOUT_SECONDS)


class TestMemoryBlobStore(BlobStoreContract):
    @pytest.fixture
    def blobs(self) -> MemoryBlobStore:
        return MemoryBlobStore()
