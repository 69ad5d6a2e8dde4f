from __future__ import annotations

import asyncio
import hashlib
import secrets
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from contracts import samples
from contracts.blob_store import BlobStoreContract, content, stored
from obscura_backup.adapters.object_stores.metadata import check_of, metadata_of
from obscura_backup.adapters.s3.store import S3BlobStore
from obscura_backup.domain.blob import Blob
from obscura_backup.domain.errors import BackupDamaged
from obscura_backup.domain.model import ByteRange, Kind, Sha256, slot_key

if TYPE_CHECKING:
    from obscura_backup.adapters.object_stores.store import ObjectBlobStore
    from support.servers.proxies.fault_proxy import FaultProxy
    from support.servers.stores.s3_server import S3Server

from support.servers.stores.s3_store import MakeStore, maker_of, object_bytes, put_foreign, put_raw, stored_bytes


class TestMinio(BlobStoreContract):
    async def test_it_honours_conditions(self, blobs: ObjectBlobStore) -> None:
        report = await blobs.probe_conditional_writes()
        assert [result for result in report.results if not result.passed] == []


class TestVersitygw(BlobStoreContract):
    """With one of the drivers: that both send the same, `TestMinio` shows."""

    @pytest.fixture
    def make_store(self) -> MakeStore:
        return maker_of(S3BlobStore)

    @pytest.fixture
    def server(self, versitygw_server: S3Server) -> S3Server:
        return versitygw_server

    async def test_it_honours_conditions(self, blobs: ObjectBlobStore) -> None:
        report = await blobs.probe_conditional_writes()
        assert [result for result in report.results if not result.passed] == []


def head_without_the_last_16_bytes(data: bytes) -> bytes:
    return subprocess.run(["head", "-c", "-16"], input=data, stdout=subprocess.PIPE, check=True).stdout


class TestWhatIsInTheBucket:
    """Seen by a client that shares no code with the adapter."""

    async def test_the_bytes_and_the_upload_id(self, blobs: ObjectBlobStore, server: S3Server, bucket: str) -> None:
        user, data = samples.user(), secrets.token_bytes(700_000)
        blob = Blob.of(data)
        revision = await blobs.put(user, blob, samples.draft(blob, version=3), replaces=None)
        raw = object_bytes(server, bucket, slot_key(user))
        assert raw == data + bytes.fromhex(revision.upload_id)
        assert head_without_the_last_16_bytes(raw) == data  # as docs/deployment.md says

    @pytest.mark.parametrize("kind", list(Kind))
    async def test_the_draft_as_metadata(
        self, blobs: ObjectBlobStore, server: S3Server, bucket: str, kind: Kind
    ) -> None:
        user, blob = samples.user(), samples.blob()
        draft = samples.draft(blob, version=12, base=4, kind=kind)
        revision = await blobs.put(user, blob, draft, replaces=None)
        seen = server.witness().stat_object(bucket_name=bucket, object_name=slot_key(user))
        assert (seen.size, seen.etag, seen.content_type) == (blob.size + 16, revision.tag, "application/octet-stream")
        assert seen.metadata is not None
        metadata = {name.lower(): value for name, value in seen.metadata.items()}
        assert {name: value for name, value in metadata.items() if name.startswith("x-amz-meta-")} == {
            "x-amz-meta-version": "12",
            "x-amz-meta-base": "4",
            "x-amz-meta-kind": kind.value,
            "x-amz-meta-sha256": blob.sha256.hex(),
            "x-amz-meta-upload-id": draft.upload_id,
            "x-amz-meta-updated-at": "2026-03-14T15:09:26.535897+00:00",
            "x-amz-meta-check": check_of(metadata_of(draft), blob.size),
        }

    async def test_one_object_a_slot_and_no_scratch(
        self, blobs: ObjectBlobStore, server: S3Server, bucket: str
    ) -> None:
        user = samples.user()
        first = await stored(blobs, user, "first")
        await stored(blobs, user, "second", replaces=first.tag)
        listed = server.witness().list_objects(bucket_name=bucket, recursive=True)
        assert [entry.object_name for entry in listed] == [slot_key(user)]

    async def test_an_object_of_another_program_is_told(
        self, blobs: ObjectBlobStore, server: S3Server, bucket: str
    ) -> None:
        user = samples.user()
        put_foreign(server, bucket, slot_key(user))
        with pytest.raises(BackupDamaged, match="not ours"):
            await blobs.stat(user)
        with pytest.raises(BackupDamaged, match="not ours"):
            await blobs.open(user)

    async def test_object_that_is_too_short_to_be_ours_is_told(
        self, blobs: ObjectBlobStore, server: S3Server, bucket: str
    ) -> None:
        user, draft = samples.user(), samples.draft(samples.blob())
        put_raw(server, bucket, slot_key(user), b"x" * 15, metadata_of(draft))
        with pytest.raises(BackupDamaged, match="shorter"):
            await blobs.stat(user)
        with pytest.raises(BackupDamaged, match="shorter"):
            await blobs.open(user)

    @pytest.mark.parametrize(
        "byte_range", [None, ByteRange(0, None), ByteRange(None, 5), ByteRange(31, 40), ByteRange(0, 32)]
    )
    async def test_object_that_does_not_end_with_its_upload_id_is_told_before_any_byte_of_it(
        self, blobs: ObjectBlobStore, server: S3Server, bucket: str, byte_range: ByteRange | None
    ) -> None:
        user, blob = samples.user(), samples.blob()
        draft = samples.draft(blob)
        put_raw(server, bucket, slot_key(user), blob.read() + secrets.token_bytes(16), metadata_of(draft))
        with pytest.raises(BackupDamaged, match="upload id"):
            await blobs.open(user, byte_range)

    async def test_last_piece_of_a_long_damaged_object_is_kept_back(
        self, blobs: ObjectBlobStore, server: S3Server, bucket: str
    ) -> None:
        user, data = samples.user(), secrets.token_bytes(700_000)
        blob = Blob.of(data)
        draft = samples.draft(blob)
        suffix = bytes.fromhex(draft.upload_id)
        put_raw(server, bucket, slot_key(user), data + suffix[:15] + bytes([suffix[15] ^ 1]), metadata_of(draft))
        opened = await blobs.open(user)
        assert opened is not None
        pieces = opened.chunks()
        came = b""
        with pytest.raises(BackupDamaged, match="upload id"):  # noqa: PT012  # the sizes of pieces are up to the driver
            async for piece in pieces:
                came += piece
        assert 0 < len(came) < len(data)
        await opened.aclose()
        assert came == data[: len(came)]

    async def test_damaged_object_can_be_replaced(self, blobs: ObjectBlobStore, server: S3Server, bucket: str) -> None:
        """Its owner has the content, and a conditional upload is what brings it back."""
        user, blob = samples.user(), samples.blob()
        put_raw(server, bucket, slot_key(user), blob.read() + bytes(16), metadata_of(samples.draft(blob)))
        found = await blobs.stat(user)
        assert found is not None
        await stored(blobs, user, "anew", replaces=found.tag)
        assert (await content(blobs, user)).startswith(b"anew")

    async def test_scan_skips_what_is_not_ours_with_one_warning(
        self, blobs: ObjectBlobStore, server: S3Server, bucket: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        user = samples.user()
        await stored(blobs, user)
        for name in ("backups/readme", "backups/zzz", f"backups/{str(user).upper()}x", "elsewhere"):
            put_foreign(server, bucket, name)
        assert [found async for found in blobs.scan()] == [user]
        assert len([record for record in caplog.records if "not ours" in record.message]) == 1


class TestCostInRequests:
    async def test_an_absence_is_asked_for_twice(self, shaky: ObjectBlobStore, proxy: FaultProxy) -> None:
        """A HEAD cannot say whether the object is missing or its whole bucket."""
        await shaky.stat(samples.user())
        assert dict(proxy.requests) == {"HEAD": 1, "GET": 1}

    async def test_connections_are_used_again(self, shaky: ObjectBlobStore, proxy: FaultProxy) -> None:
        user, revision = samples.user(), await stored_bytes(shaky, secrets.token_bytes(300_000))
        for number in range(5):
            await stored(shaky, samples.user(number))
            await content(shaky, revision[0])
            opened = await shaky.open(revision[0])  # what is left after the first piece is short, and drained
            assert opened is not None
            await opened.aclose()
            await shaky.stat(user)
        assert proxy.connections <= 2


async def test_scan_is_not_cut_at_a_page(server: S3Server, bucket: str, implementation: MakeStore) -> None:
    blobs = implementation(bucket, endpoint=server.endpoint, waiting_max=1100, wait_seconds=60)
    await blobs.start()
    users = [samples.user(number) for number in range(1, 1052)]
    await asyncio.gather(*(stored(blobs, user) for user in users))
    assert [user async for user in blobs.scan()] == users
    assert [user async for user in blobs.scan(after=users[1000])] == users[1001:]
    await blobs.close()


async def test_long_bodies_at_once_stay_out_of_memory(blobs: ObjectBlobStore) -> None:
    """They are read where they are, in files. Pages of a mapped file do not count here; see `test_obstore_body`."""
    size, count = 32 * 1024 * 1024, 4
    data = secrets.token_bytes(size)
    digest = hashlib.sha256(data)
    with ExitStack() as files:
        bodies = [files.enter_context(tempfile.TemporaryFile()) for _ in range(count)]
        for each in bodies:
            each.write(data)
            each.flush()
        del data
        await stored(blobs, samples.user(99))
        before, most = anonymous_bytes(), 0

        async def watch() -> None:
            nonlocal most
            while True:
                most = max(most, anonymous_bytes())
                await asyncio.sleep(0.005)

        watching = asyncio.create_task(watch())
        uploads = []
        for number, each in enumerate(bodies):
            blob = Blob(size, Sha256(digest.digest()), each, digest)
            uploads.append(blobs.put(samples.user(number + 1), blob, samples.draft(blob), replaces=None))
        await asyncio.gather(*uploads)
        watching.cancel()
    assert most - before < size // 2


def anonymous_bytes() -> int:
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon:"))
    return int(line.split()[1]) * 1024
