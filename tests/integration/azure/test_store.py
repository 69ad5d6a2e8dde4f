from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.blob_store import BlobStoreContract

if TYPE_CHECKING:
    from obscura_backup.adapters.object_stores.store import ObjectBlobStore


class TestAzurite(BlobStoreContract):
    async def test_it_honours_conditions(self, blobs: ObjectBlobStore) -> None:
        report = await blobs.probe_conditional_writes()
        assert [result for result in report.results if not result.passed] == []
