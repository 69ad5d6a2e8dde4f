from __future__ import annotations

import asyncio
import io
import logging
import secrets
import time
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from contracts import samples
from contracts.blob_store import BlobStoreContract, content, stored
from obscura_backup.adapters import s3
from obscura_backup.adapters.memory import MemoryMetadataStore
from obscura_backup.adapters.s3 import S3BlobStore
from obscura_backup.adapters.system_clock import SystemClock
from obscura_backup.domain.errors import BackupDamaged, BlobStoreUnavailable, OutcomeUnknown, PutRefused, StoreUnusable
from obscura_backup.domain.model import NO_VERSION, ByteRange, Kind, Version, slot_key
from obscura_backup.domain.service import BackupService
from obscura_backup.domain.spool import Spool
from servers import s3_servers
from servers.fault_proxy import Fault, FaultProxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from obscura_backup.domain.model import Revision
    from servers.s3_servers import S3Server

pytestmark = pytest.mark.usefixtures("s3_credentials")

READ_TIMEOUT_SECONDS = 0.5


@pytest.fixture
def server(minio_server: S3Server) -> S3Server:
    """The server of a test that does not care which."""
    return minio_server


@pytest.fixture
def bucket(server: S3Server) -> str:
    return server.new_bucket()


@pytest.fixture
async def blobs(server: S3Server, bucket: str) -> AsyncIterator[S3BlobStore]:
    blobs = S3BlobStore(bucket, endpoint=server.endpoint)
    await blobs.start()
    yield blobs
    await blobs.close()


@pytest.fixture
def proxy(server: S3Server) -> Iterator[FaultProxy]:
    with FaultProxy(server.port) as proxy:
        yield proxy


@pytest.fixture
async def shaky(proxy: FaultProxy, bucket: str) -> AsyncIterator[S3BlobStore]:
    """A store that is asked through the proxy, impatient, with nothing counted so far."""
    blobs = S3BlobStore(
        bucket, endpoint=f"http://127.0.0.1:{proxy.port}", read_timeout_seconds=READ_TIMEOUT_SECONDS, threads=2
    )
    await blobs.start()
    proxy.forget()
    yield blobs
    await blobs.close()


class TestMinio(BlobStoreContract):
    async def test_it_honours_conditions(self, blobs: S3BlobStore) -> None:
        report = await blobs.probe_conditional_writes()
        assert [verdict for verdict in report.verdicts if not verdict.holds] == []


class TestVersitygw(BlobStoreContract):
    @pytest.fixture
    def server(self, versitygw_server: S3Server) -> S3Server:
        return versitygw_server

    async def test_it_honours_conditions(self, blobs: S3BlobStore) -> None:
        report = await blobs.probe_conditional_writes()
        assert [verdict for verdict in report.verdicts if not verdict.holds] == []


class TestWhatIsInTheBucket:
    """Seen by a client that shares no code with the adapter."""

    async def test_the_bytes_and_nothing_else(self, blobs: S3BlobStore, server: S3Server, bucket: str) -> None:
        user, data = samples.user(), secrets.token_bytes(700_000)
        with Spool.of(data) as blob:
            await blobs.put(user, blob, samples.draft(blob, version=3), replaces=None)
        answer = server.witness().get_object(bucket_name=bucket, object_name=slot_key(user))
        try:
            assert answer.read() == data
        finally:
            answer.close()
            answer.release_conn()

    @pytest.mark.parametrize("kind", list(Kind))
    async def test_the_draft_as_metadata(self, blobs: S3BlobStore, server: S3Server, bucket: str, kind: Kind) -> None:
        user, blob = samples.user(), samples.blob()
        draft = samples.draft(blob, version=12, base=4, kind=kind)
        revision = await blobs.put(user, blob, draft, replaces=None)
        seen = server.witness().stat_object(bucket_name=bucket, object_name=slot_key(user))
        assert (seen.size, seen.etag, seen.content_type) == (blob.size, revision.tag, "application/octet-stream")
        assert seen.metadata is not None
        metadata = {name.lower(): value for name, value in seen.metadata.items()}
        assert {name: value for name, value in metadata.items() if name.startswith("x-amz-meta-")} == {
            "x-amz-meta-version": "12",
            "x-amz-meta-base": "4",
            "x-amz-meta-kind": kind.value,
            "x-amz-meta-sha256": blob.sha256.hex(),
            "x-amz-meta-upload-id": draft.upload_id,
            "x-amz-meta-updated-at": "2026-03-14T15:09:26.535897+00:00",
        }

    async def test_one_object_a_slot_and_no_scratch(self, blobs: S3BlobStore, server: S3Server, bucket: str) -> None:
        user = samples.user()
        first = await stored(blobs, user, "first")
        await stored(blobs, user, "second", replaces=first.tag)
        listed = server.witness().list_objects(bucket_name=bucket, recursive=True)
        assert [entry.object_name for entry in listed] == [slot_key(user)]

    async def test_an_object_of_another_program_is_told(
        self, blobs: S3BlobStore, server: S3Server, bucket: str
    ) -> None:
        user = samples.user()
        _put_foreign(server, bucket, slot_key(user))
        with pytest.raises(BackupDamaged, match="not one of ours"):
            await blobs.stat(user)
        with pytest.raises(BackupDamaged, match="not one of ours"):
            await blobs.open(user)

    async def test_scan_skips_what_is_not_ours_with_one_warning(
        self, blobs: S3BlobStore, server: S3Server, bucket: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        user = samples.user()
        await stored(blobs, user)
        for name in ("backups/readme", "backups/zzz", f"backups/{str(user).upper()}x", "elsewhere"):
            _put_foreign(server, bucket, name)
        assert [found async for found in blobs.scan()] == [user]
        assert len([record for record in caplog.records if "not ours" in record.message]) == 1


class TestCostInRequests:
    async def test_an_upload_is_one_put(self, shaky: S3BlobStore, proxy: FaultProxy) -> None:
        await stored(shaky, samples.user())
        assert dict(proxy.requests) == {"PUT": 1}

    async def test_a_refused_upload_is_one_put(self, shaky: S3BlobStore, proxy: FaultProxy) -> None:
        user = samples.user()
        await stored(shaky, user)
        proxy.forget()
        with pytest.raises(PutRefused):
            await stored(shaky, user, "again")
        assert dict(proxy.requests) == {"PUT": 1}

    async def test_a_download_is_one_get(self, shaky: S3BlobStore, proxy: FaultProxy) -> None:
        user = samples.user()
        await stored(shaky, user)
        proxy.forget()
        await content(shaky, user)
        await content(shaky, user, ByteRange(4, 9))
        assert dict(proxy.requests) == {"GET": 2}

    async def test_a_look_is_one_head(self, shaky: S3BlobStore, proxy: FaultProxy) -> None:
        user = samples.user()
        await stored(shaky, user)
        proxy.forget()
        await shaky.stat(user)
        assert dict(proxy.requests) == {"HEAD": 1}

    async def test_an_absence_is_asked_for_twice(self, shaky: S3BlobStore, proxy: FaultProxy) -> None:
        """A HEAD cannot say whether the object is missing or its whole bucket."""
        await shaky.stat(samples.user())
        assert dict(proxy.requests) == {"HEAD": 1, "GET": 1}

    async def test_connections_are_used_again(self, shaky: S3BlobStore, proxy: FaultProxy) -> None:
        user, revision = samples.user(), await _stored_bytes(shaky, secrets.token_bytes(300_000))
        for number in range(5):
            await stored(shaky, samples.user(number))
            await content(shaky, revision[0])
            opened = await shaky.open(revision[0])  # what is left after the first piece is short, and drained
            assert opened is not None
            await opened.aclose()
            await shaky.stat(user)
        assert proxy.connections <= 2


class TestFaults:
    async def test_lost_answer_of_a_put_is_an_unknown_outcome(self, shaky: S3BlobStore, proxy: FaultProxy) -> None:
        """It was stored; the upload id tells whose it is, and it was sent once only."""
        user, blob = samples.user(), samples.blob()
        draft = samples.draft(blob)
        proxy.plan(Fault.LOSE_ANSWER)
        with pytest.raises(OutcomeUnknown):
            await shaky.put(user, blob, draft, replaces=None)
        assert proxy.requests["PUT"] == 1
        found = await shaky.stat(user)
        assert found is not None
        assert found.upload_id == draft.upload_id
        with pytest.raises(PutRefused):
            await stored(shaky, user, "another")

    async def test_service_settles_a_lost_answer_by_itself(self, shaky: S3BlobStore, proxy: FaultProxy) -> None:
        service = BackupService(MemoryMetadataStore(), shaky, SystemClock())
        user = samples.user()
        proxy.plan(Fault.LOSE_ANSWER)
        with samples.blob("first") as blob:
            assert (await service.upload(user, NO_VERSION, blob)).version == 1
        proxy.plan(Fault.LOSE_ANSWER)
        await service.delete(user, Version(1))
        assert proxy.requests["PUT"] == 2
        with samples.blob("second") as blob:
            assert (await service.upload(user, NO_VERSION, blob)).version == 3

    async def test_put_cut_in_the_middle_is_an_unknown_outcome(self, shaky: S3BlobStore, proxy: FaultProxy) -> None:
        proxy.plan(Fault.CUT_REQUEST)
        with pytest.raises(OutcomeUnknown):
            await _stored_bytes(shaky, secrets.token_bytes(2_000_000))
        assert proxy.requests["PUT"] == 1
        assert [user async for user in shaky.scan()] == []

    async def test_silence_after_a_put_is_an_unknown_outcome(self, shaky: S3BlobStore, proxy: FaultProxy) -> None:
        user = samples.user()
        proxy.plan(Fault.STALL, seconds=READ_TIMEOUT_SECONDS * 2)
        with pytest.raises(OutcomeUnknown):
            await stored(shaky, user)
        assert proxy.requests["PUT"] == 1
        assert await shaky.stat(user) is not None

    async def test_refused_connection_is_known_not_to_have_stored(self, shaky: S3BlobStore, proxy: FaultProxy) -> None:
        user = samples.user()
        proxy.refuse()
        with pytest.raises(BlobStoreUnavailable):
            await stored(shaky, user)
        with pytest.raises(BlobStoreUnavailable):
            await shaky.check()
        proxy.listen()
        await _recovered(shaky)
        assert await shaky.stat(user) is None

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    async def test_a_read_that_is_reset_is_tried_again(
        self, shaky: S3BlobStore, proxy: FaultProxy, method: str
    ) -> None:
        user = samples.user()
        revision = await stored(shaky, user)
        proxy.plan(Fault.CUT_ANSWER, method=method)
        found = await shaky.stat(user) if method == "HEAD" else revision
        assert found == revision
        assert (await content(shaky, user)).startswith(b"sealed")
        assert proxy.requests[method] == 2

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    async def test_a_read_is_not_tried_for_ever(self, shaky: S3BlobStore, proxy: FaultProxy, method: str) -> None:
        user = samples.user()
        await stored(shaky, user)
        proxy.plan(Fault.LOSE_ANSWER, method=method, times=9)
        with pytest.raises(BlobStoreUnavailable):
            await (shaky.stat(user) if method == "HEAD" else shaky.open(user))
        assert proxy.requests[method] == 1 + len(s3.RETRY_AFTER_SECONDS)

    async def test_download_that_breaks_off_is_told(self, shaky: S3BlobStore, proxy: FaultProxy) -> None:
        user, _ = await _stored_bytes(shaky, secrets.token_bytes(24 * 1024 * 1024))
        opened = await shaky.open(user)
        assert opened is not None
        pieces = opened.chunks()
        await anext(pieces)
        proxy.reset()
        with pytest.raises(BlobStoreUnavailable):
            async for _ in pieces:
                pass
        await opened.aclose()

    async def test_download_that_nobody_wants_is_not_read_to_its_end(
        self, shaky: S3BlobStore, proxy: FaultProxy
    ) -> None:
        user, _ = await _stored_bytes(shaky, secrets.token_bytes(24 * 1024 * 1024))
        opened = await shaky.open(user)
        assert opened is not None
        before = proxy.open_connections
        await opened.aclose()
        for _ in range(100):
            if proxy.open_connections < before:
                break
            await asyncio.sleep(0.01)
        assert proxy.open_connections < before
        assert proxy.answered_bytes < 16 * 1024 * 1024
        assert (await content(shaky, user, ByteRange(0, 9))) != b""

    async def test_reader_that_was_cancelled_leaves_nothing_behind(self, shaky: S3BlobStore, proxy: FaultProxy) -> None:
        user, _ = await _stored_bytes(shaky, secrets.token_bytes(600_000))
        proxy.plan(Fault.STALL, method="GET", seconds=READ_TIMEOUT_SECONDS / 2)
        opening = asyncio.create_task(shaky.open(user))
        await asyncio.sleep(READ_TIMEOUT_SECONDS / 4)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        assert len(await content(shaky, user)) == 600_000

    async def test_callers_do_not_pile_up_before_a_store_that_hangs(self, proxy: FaultProxy, bucket: str) -> None:
        blobs = S3BlobStore(
            bucket,
            endpoint=f"http://127.0.0.1:{proxy.port}",
            read_timeout_seconds=READ_TIMEOUT_SECONDS,
            threads=2,
            waiting_max=3,
        )
        await blobs.start()
        proxy.plan(Fault.STALL, method="PUT", times=9, seconds=READ_TIMEOUT_SECONDS * 2)
        hanging = [asyncio.create_task(stored(blobs, samples.user())) for _ in range(5)]
        await asyncio.sleep(READ_TIMEOUT_SECONDS / 4)
        began = time.monotonic()
        with pytest.raises(BlobStoreUnavailable, match="too many"):
            await stored(blobs, samples.user())
        assert time.monotonic() - began < READ_TIMEOUT_SECONDS / 4
        outcomes = await asyncio.gather(*hanging, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} <= {OutcomeUnknown, BlobStoreUnavailable}
        await blobs.close()

    async def test_store_that_died_and_came_back(
        self, server: S3Server, blobs: S3BlobStore, caplog: pytest.LogCaptureFixture
    ) -> None:
        user = samples.user()
        revision = await stored(blobs, user, "kept")
        server.kill()
        try:
            with pytest.raises(BlobStoreUnavailable):
                await blobs.stat(user)
            with pytest.raises(BlobStoreUnavailable):
                await stored(blobs, user, "lost", replaces=revision.tag)
        finally:
            server.start()
        await _recovered(blobs)
        assert await blobs.stat(user) == revision
        assert (await content(blobs, user)).startswith(b"kept")


class TestSlowStore:
    async def test_slow_uploads_keep_no_download_waiting(self, proxy: FaultProxy, bucket: str) -> None:
        blobs = await _started(S3BlobStore(bucket, endpoint=_through(proxy), threads=2))
        user = samples.user()
        await stored(blobs, user)
        slow = await _hanging_uploads(blobs, proxy, 2, seconds=2.0)
        began = time.monotonic()
        await content(blobs, user)
        assert await blobs.stat(samples.user(9)) is None
        assert time.monotonic() - began < 1
        await asyncio.gather(*slow)
        await blobs.close()

    async def test_slow_downloads_and_uploads_keep_no_health_check_waiting(
        self, proxy: FaultProxy, bucket: str
    ) -> None:
        blobs = await _started(S3BlobStore(bucket, endpoint=_through(proxy), threads=1, read_threads=1))
        slow: list[asyncio.Task[Any]] = [*await _hanging_uploads(blobs, proxy, 1, seconds=2.0)]
        proxy.plan(Fault.STALL, method="HEAD", seconds=2.0)
        slow.append(asyncio.create_task(blobs.stat(samples.user())))
        await asyncio.sleep(0.1)
        began = time.monotonic()
        await blobs.check()
        assert time.monotonic() - began < 1
        await asyncio.gather(*slow)
        await blobs.close()

    async def test_wait_for_a_thread_ends_while_all_of_them_hang(self, proxy: FaultProxy, bucket: str) -> None:
        blobs = await _started(S3BlobStore(bucket, endpoint=_through(proxy), threads=1, wait_seconds=0.2))
        slow = await _hanging_uploads(blobs, proxy, 1, seconds=2.0)
        began = time.monotonic()
        with pytest.raises(BlobStoreUnavailable, match="too long"):
            await stored(blobs, samples.user(2))
        assert time.monotonic() - began < 1
        await asyncio.gather(*slow)
        assert await blobs.stat(samples.user(2)) is None
        await blobs.close()


class TestOutage:
    """A store that takes connections and says nothing, as one does that was stopped."""

    async def test_after_two_silences_everybody_is_told_at_once(self, shaky: S3BlobStore, proxy: FaultProxy) -> None:
        await _outage(shaky, proxy)
        with pytest.raises(BlobStoreUnavailable):  # whose turn it is to ask
            await shaky.stat(samples.user())
        proxy.requests.clear()
        began = time.monotonic()
        for asked in (shaky.stat(samples.user()), shaky.open(samples.user()), shaky.check()):
            with pytest.raises(BlobStoreUnavailable):
                await asked
        with pytest.raises(BlobStoreUnavailable):
            await stored(shaky, samples.user())
        assert time.monotonic() - began < READ_TIMEOUT_SECONDS / 2
        assert dict(proxy.requests) == {}

    async def test_whoever_asks_whether_it_is_over_asks_alone(self, shaky: S3BlobStore, proxy: FaultProxy) -> None:
        await _outage(shaky, proxy)
        proxy.requests.clear()
        asked = [shaky.stat(samples.user(number)) for number in range(1, 9)]
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {BlobStoreUnavailable}
        assert dict(proxy.requests) == {"GET": 1}

    async def test_it_is_over_soon_after_the_store_is_back(self, shaky: S3BlobStore, proxy: FaultProxy) -> None:
        await _outage(shaky, proxy)
        with pytest.raises(BlobStoreUnavailable):
            await shaky.check()
        proxy.forget()
        began = time.monotonic()
        await _recovered(shaky)
        assert time.monotonic() - began < 2
        await stored(shaky, samples.user(5))

    async def test_false_alarm_costs_no_pause(self, shaky: S3BlobStore, proxy: FaultProxy) -> None:
        proxy.plan(Fault.STALL, times=2, seconds=READ_TIMEOUT_SECONDS * 2)
        uploads = [stored(shaky, samples.user(number)) for number in (1, 2)]
        outcomes = await asyncio.gather(*uploads, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {OutcomeUnknown}
        assert await shaky.stat(samples.user(1)) is not None

    async def test_upload_that_was_stored_before_it_is_not_denied(self, shaky: S3BlobStore, proxy: FaultProxy) -> None:
        service = BackupService(MemoryMetadataStore(), shaky, SystemClock())
        for method in ("PUT", "HEAD", "GET"):
            proxy.plan(Fault.STALL, method=method, times=9, seconds=READ_TIMEOUT_SECONDS * 2)
        for _ in range(2):
            with samples.blob("kept") as blob, pytest.raises((BlobStoreUnavailable, OutcomeUnknown)):
                await service.upload(samples.user(), NO_VERSION, blob)
        proxy.forget()
        await _recovered(shaky)
        with samples.blob("kept") as blob:
            assert (await service.upload(samples.user(), NO_VERSION, blob)).version == 1

    async def test_its_beginning_and_its_end_are_logged_once(
        self, shaky: S3BlobStore, proxy: FaultProxy, caplog: pytest.LogCaptureFixture
    ) -> None:
        await _outage(shaky, proxy)
        for _ in range(3):
            with pytest.raises(BlobStoreUnavailable):
                await shaky.check()
        proxy.forget()
        await _recovered(shaky)
        told = [record.message for record in caplog.records if record.name == "obscura_backup"]
        assert [("is silent" in line, "answers again" in line) for line in told] == [(True, False), (False, True)]


class TestWhatUsersAreTold:
    async def test_credentials_that_are_refused_while_serving(
        self, server: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The answer names no setting; its cause, which is logged, does."""
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-wrong-secret")
        blobs = S3BlobStore(bucket, endpoint=server.endpoint)
        with pytest.raises(StoreUnusable):
            await blobs.start()
        for asked in (blobs.open(samples.user()), blobs.check(), stored(blobs, samples.user())):
            with pytest.raises(BlobStoreUnavailable) as refused:
                await asked
            assert str(refused.value) == "The blob store refuses the service's credentials."
            assert "AWS_ACCESS_KEY_ID" in str(refused.value.__cause__)
        await blobs.close()

    async def test_bucket_that_is_missing_while_serving(self, server: S3Server) -> None:
        blobs = S3BlobStore("no-such-bucket", endpoint=server.endpoint)
        with pytest.raises(StoreUnusable):
            await blobs.start()
        with pytest.raises(BlobStoreUnavailable) as refused:
            await stored(blobs, samples.user())
        assert str(refused.value) == "The blob store refuses what the service asks of it."
        await blobs.close()


class TestStart:
    async def test_store_that_hangs_is_not_waited_for(
        self, proxy: FaultProxy, bucket: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        proxy.plan(Fault.STALL, method="GET", times=9, seconds=6.0)
        blobs = S3BlobStore(bucket, endpoint=_through(proxy))
        began = time.monotonic()
        await blobs.start()
        assert time.monotonic() - began < 3.5
        assert "no uploads" in caplog.text
        proxy.forget()
        await _recovered(blobs)
        await stored(blobs, samples.user())
        await blobs.close()

    async def test_store_that_hangs_in_the_middle_of_being_tried_out_is_not_waited_for(
        self, proxy: FaultProxy, bucket: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        proxy.plan(Fault.STALL, method="PUT", seconds=1.0)
        blobs = S3BlobStore(bucket, endpoint=_through(proxy), start_seconds=0.3)
        began = time.monotonic()
        await blobs.start()
        assert time.monotonic() - began < 0.9
        assert "no uploads" in caplog.text
        await _recovered(blobs)
        await blobs.close()

    async def test_store_that_is_down_is_waited_for(
        self, proxy: FaultProxy, bucket: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The probe is made up for before the first upload, not skipped."""
        proxy.refuse()
        blobs = S3BlobStore(bucket, endpoint=f"http://127.0.0.1:{proxy.port}")
        await blobs.start()
        assert "cannot be asked yet" in caplog.text
        with pytest.raises(BlobStoreUnavailable):
            await blobs.check()
        with pytest.raises(BlobStoreUnavailable):
            await stored(blobs, samples.user())
        proxy.listen()
        await _recovered(blobs)
        assert proxy.requests["PUT"] > 3
        await stored(blobs, samples.user())
        await blobs.close()

    async def test_missing_bucket_is_refused_with_the_way_out(self, server: S3Server) -> None:
        blobs = S3BlobStore("no-such-bucket", endpoint=server.endpoint)
        with pytest.raises(StoreUnusable, match="obscura-backup init-bucket"):
            await blobs.start()
        await blobs.close()

    async def test_bucket_that_was_lost_is_not_an_empty_slot(
        self, blobs: S3BlobStore, server: S3Server, bucket: str
    ) -> None:
        server.witness().remove_bucket(bucket_name=bucket)
        for asked in (blobs.stat(samples.user()), blobs.open(samples.user()), stored(blobs, samples.user())):
            with pytest.raises(BlobStoreUnavailable) as refused:
                await asked
            assert "NoSuchBucket" in str(refused.value.__cause__)

    async def test_missing_credentials_are_told_at_once(
        self, server: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        blobs = S3BlobStore(bucket, endpoint=server.endpoint)
        began = time.monotonic()
        with pytest.raises(StoreUnusable, match="AWS_ACCESS_KEY_ID"):
            await blobs.start()
        assert time.monotonic() - began < 2
        await blobs.close()

    async def test_wrong_secret_is_told_and_not_quoted(
        self, server: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-wrong-secret-that-stays-here")
        blobs = S3BlobStore(bucket, endpoint=server.endpoint)
        with pytest.raises(StoreUnusable, match="AWS_SECRET_ACCESS_KEY") as refused:
            await blobs.start()
        told = "".join(traceback.format_exception(refused.value)) + repr(vars(blobs)) + repr(blobs)
        assert "a-wrong-secret" not in told
        await blobs.close()

    async def test_no_secret_in_the_log(
        self, server: S3Server, bucket: str, proxy: FaultProxy, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        proxy.refuse()
        blobs = S3BlobStore(bucket, endpoint=f"http://127.0.0.1:{proxy.port}")
        await blobs.start()
        await blobs.close()
        assert s3_servers.SECRET_KEY not in caplog.text
        assert s3_servers.ACCESS_KEY not in caplog.text

    async def test_clocks_agree(self, blobs: S3BlobStore) -> None:
        assert abs(await blobs.clock_skew_seconds()) < 2


async def test_scan_is_not_cut_at_a_page(server: S3Server, bucket: str) -> None:
    blobs = S3BlobStore(bucket, endpoint=server.endpoint, waiting_max=1100, wait_seconds=60)
    await blobs.start()
    users = [samples.user(number) for number in range(1, 1052)]
    await asyncio.gather(*(stored(blobs, user) for user in users))
    assert [user async for user in blobs.scan()] == users
    assert [user async for user in blobs.scan(after=users[1000])] == users[1001:]
    await blobs.close()


def _through(proxy: FaultProxy) -> str:
    return f"http://127.0.0.1:{proxy.port}"


async def _started(blobs: S3BlobStore) -> S3BlobStore:
    await blobs.start()
    return blobs


async def _hanging_uploads(
    blobs: S3BlobStore, proxy: FaultProxy, count: int, *, seconds: float
) -> list[asyncio.Task[Revision]]:
    """Uploads under way whose answers are late by `seconds`."""
    proxy.plan(Fault.STALL, method="PUT", times=count, seconds=seconds)
    uploads = [asyncio.create_task(stored(blobs, samples.user(100 + number))) for number in range(count)]
    await asyncio.sleep(0.2)
    return uploads


async def _outage(blobs: S3BlobStore, proxy: FaultProxy) -> None:
    """Let the store fall silent until the proxy forgets it, and two calls find that out."""
    for method in ("PUT", "HEAD", "GET"):
        proxy.plan(Fault.STALL, method=method, times=99, seconds=READ_TIMEOUT_SECONDS * 2)
    for _ in range(2):
        with pytest.raises(BlobStoreUnavailable):
            await blobs.stat(samples.user())


async def _recovered(blobs: S3BlobStore) -> None:
    """Wait until the store is known to answer again."""
    async with asyncio.timeout(15):
        while True:
            try:
                await blobs.check()
            except BlobStoreUnavailable:
                await asyncio.sleep(0.05)
            else:
                return


async def _stored_bytes(blobs: S3BlobStore, data: bytes) -> tuple[Any, Revision]:
    user = samples.user()
    with Spool.of(data) as blob:
        return user, await blobs.put(user, blob, samples.draft(blob), replaces=None)


def _put_foreign(server: S3Server, bucket: str, key: str) -> None:
    server.witness().put_object(bucket_name=bucket, object_name=key, data=io.BytesIO(b"x" * 32), length=32)
