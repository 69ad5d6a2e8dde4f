"""The contract of blob stores on a store of your own, as docs/object-stores.md describes."""

from __future__ import annotations

from contracts.blob_store import BlobStoreContract


class TestOwnStore(BlobStoreContract):
    pass
