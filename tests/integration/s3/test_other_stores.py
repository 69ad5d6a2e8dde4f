"""Further stores with the API of S3: one that is accepted, and an older version of it that is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from obscura_backup.adapters.object_stores.probe_report import Severity
from obscura_backup.domain.errors import StoreUnusable
from support.servers.stores.object_stores import PROBE_SECONDS

if TYPE_CHECKING:
    from support.servers.stores.s3_server import S3Server
    from support.servers.stores.s3_store import MakeStore


async def test_store_without_checksums_is_accepted(gofakes3_server: S3Server, implementation: MakeStore) -> None:
    blobs = implementation(gofakes3_server.new_bucket(), endpoint=gofakes3_server.endpoint, start_seconds=PROBE_SECONDS)
    await blobs.start()
    report = await blobs.probe_conditional_writes()
    await blobs.close()
    assert [result.name for result in report.results if not result.passed] == [
        "refuses bytes that do not have the checksum sent with them"
    ]


async def test_store_without_conditions_is_refused(
    gofakes3_of_2024_server: S3Server, implementation: MakeStore
) -> None:
    server = gofakes3_of_2024_server
    bucket = server.new_bucket()
    blobs = implementation(bucket, endpoint=server.endpoint, start_seconds=PROBE_SECONDS)
    with pytest.raises(StoreUnusable, match=f"OBSCURA_BACKUP_ALLOW_UNCONDITIONAL_BLOBS={bucket}"):
        await blobs.start()
    report = await blobs.probe_conditional_writes()
    await blobs.close()
    assert [result.name for result in report.failed(Severity.CONDITION)] == [
        "refuses to create over an object",
        "refuses a tag where there is nothing",
        "refuses a stale tag",
    ]
