"""Failures of the server, and what an operator is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contracts import samples
from contracts.blob_store import content, stored
from contracts.object_store_faults import ObjectStoreFaultContract
from obscura_backup.adapters.azure.backend import AzureBackend
from obscura_backup.adapters.azure.location import AzureLocation
from obscura_backup.adapters.object_stores.metadata import check_of, metadata_of
from obscura_backup.adapters.object_stores.obstore_driver.store import ObstoreBlobStore
from obscura_backup.domain.errors import BlobStoreUnavailable, StoreUnusable
from obscura_backup.domain.model import ByteRange, slot_key

if TYPE_CHECKING:
    from obscura_backup.adapters.object_stores.store import ObjectBlobStore
    from support.servers.proxies.fault_proxy import FaultProxy
    from support.servers.stores.azurite import Azurite
    from support.servers.stores.object_stores import StartStore


class TestFaults(ObjectStoreFaultContract):
    pass


async def test_end_of_a_blob_is_two_requests(shaky: ObjectBlobStore, proxy: FaultProxy) -> None:
    """Azure has no range of the last bytes."""
    user = samples.user()
    await stored(shaky, user)
    proxy.forget()
    await content(shaky, user, ByteRange(None, 5))
    assert dict(proxy.requests) == {"HEAD": 1, "GET": 1}


async def test_draft_is_metadata_whose_names_azure_accepts(
    blobs: ObjectBlobStore, server: Azurite, bucket: str
) -> None:
    user, blob = samples.user(), samples.blob()
    draft = samples.draft(blob, version=12, base=4)
    await blobs.put(user, blob, draft, replaces=None)
    seen = server.headers_of(bucket, slot_key(user))
    assert {name: value for name, value in seen.items() if name.startswith("x-ms-meta-")} == {
        "x-ms-meta-version": "12",
        "x-ms-meta-base": "4",
        "x-ms-meta-kind": draft.kind.value,
        "x-ms-meta-sha256": blob.sha256.hex(),
        "x-ms-meta-uploadid": draft.upload_id,
        "x-ms-meta-updatedat": "2026-03-14T15:09:26.535897+00:00",
        "x-ms-meta-check": check_of(metadata_of(draft), blob.size),
    }
    assert seen["content-type"] == "application/octet-stream"


async def test_blob_that_another_program_leased_is_not_a_conflict(
    blobs: ObjectBlobStore, server: Azurite, bucket: str
) -> None:
    user = samples.user()
    revision = await stored(blobs, user)
    server.lease(bucket, slot_key(user))
    with pytest.raises(BlobStoreUnavailable) as refused:
        await stored(blobs, user, "next", replaces=revision.tag)
    assert "LeaseIdMissing" in str(refused.value.__cause__)


async def test_missing_container_is_refused_with_the_way_out(server: Azurite) -> None:
    blobs = ObstoreBlobStore(AzureBackend(AzureLocation("no-such-container", server.endpoint)))
    with pytest.raises(StoreUnusable, match="az storage container create --name no-such-container"):
        await blobs.start()
    await blobs.close()


async def test_wrong_key_is_told_and_not_quoted(
    server: Azurite, start_store: StartStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "YSB3cm9uZyBrZXkgdGhhdCBzdGF5cyBoZXJl")
    with pytest.raises(StoreUnusable, match="AZURE_STORAGE_ACCOUNT_NAME") as refused:
        await start_store(server.endpoint)
    assert "YSB3cm9uZ" not in str(refused.value)
