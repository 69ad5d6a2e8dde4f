"""Stores that are not what they should be, and what goes over the wire to any of them. These need no real server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contracts import samples
from contracts.blob_store import stored
from obscura_backup.adapters.object_stores.probe_report import Severity
from obscura_backup.adapters.s3.store import S3BlobStore
from obscura_backup.domain.errors import BlobStoreUnavailable, PutRefused, StoreUnusable
from obscura_backup.entrypoints.doctor import examine
from obscura_backup.entrypoints.settings import Settings
from support.servers.stores.careless_s3 import CarelessS3, Flaw
from support.servers.stores.s3_store import MakeStore, maker_of

if TYPE_CHECKING:
    from pathlib import Path


class TestCarelessStores:
    @pytest.mark.parametrize("flaw", [Flaw.IGNORES_CONDITIONS, Flaw.CREATES_BY_TAG])
    async def test_store_that_ignores_conditions_is_refused(self, flaw: Flaw, implementation: MakeStore) -> None:
        with CarelessS3(flaw) as careless:
            blobs = implementation("bucket", endpoint=careless.endpoint)
            with pytest.raises(StoreUnusable, match="OBSCURA_BACKUP_ALLOW_UNCONDITIONAL_BLOBS=bucket"):
                await blobs.start()
            with pytest.raises(BlobStoreUnavailable):
                await stored(blobs, samples.user())
            await blobs.close()
            assert careless.objects == {}

    async def test_operator_may_allow_it(self, caplog: pytest.LogCaptureFixture, implementation: MakeStore) -> None:
        with CarelessS3(Flaw.IGNORES_CONDITIONS) as careless:
            blobs = implementation("bucket", endpoint=careless.endpoint, allow_unconditional=True)
            await blobs.start()
            assert "as allowed" in caplog.text
            user = samples.user()
            revision = await stored(blobs, user)
            assert await blobs.stat(user) == revision
            await blobs.close()

    async def test_store_that_drops_metadata_is_refused_even_then(self, implementation: MakeStore) -> None:
        with CarelessS3(Flaw.DROPS_METADATA) as careless:
            blobs = implementation("bucket", endpoint=careless.endpoint, allow_unconditional=True)
            with pytest.raises(StoreUnusable, match="metadata"):
                await blobs.start()
            await blobs.close()

    @pytest.mark.parametrize("flaw", [Flaw.ANSWERS_304, Flaw.ANSWERS_409])
    async def test_other_words_for_a_refusal_are_understood(self, flaw: Flaw, implementation: MakeStore) -> None:
        with CarelessS3(flaw) as careless:
            blobs = implementation("bucket", endpoint=careless.endpoint)
            await blobs.start()
            user = samples.user()
            await stored(blobs, user)
            with pytest.raises(PutRefused):
                await stored(blobs, user, "again")
            await blobs.close()

    async def test_store_that_knows_no_checksums_can_be_used_without(self, implementation: MakeStore) -> None:
        with CarelessS3(Flaw.REFUSES_CHECKSUMS) as careless:
            blobs = implementation("bucket", endpoint=careless.endpoint)
            with pytest.raises(StoreUnusable, match="checksums=off"):
                await blobs.start()
            await blobs.close()
            without = implementation("bucket", endpoint=careless.endpoint, checksums=False)
            await without.start()
            await stored(without, samples.user())
            await without.close()

    async def test_scratch_objects_that_must_not_be_deleted_stay(self, implementation: MakeStore) -> None:
        with CarelessS3(Flaw.REFUSES_DELETION) as careless:
            blobs = implementation("bucket", endpoint=careless.endpoint)
            await blobs.start()
            await blobs.close()
            assert {key.rpartition("/")[0] for key in careless.objects} == {"/bucket/probes"}

    async def test_scratch_objects_are_deleted(self, implementation: MakeStore) -> None:
        with CarelessS3() as well:
            blobs = implementation("bucket", endpoint=well.endpoint)
            await blobs.start()
            await blobs.close()
            assert well.objects == {}


@pytest.fixture
def any_driver() -> MakeStore:
    """For what is decided above the drivers: each of them passes the same answers on."""
    return maker_of(S3BlobStore)


RACES = [Flaw.RACES_TO_CREATE, Flaw.RACES_TO_REPLACE, Flaw.ANSWERS_ONE_WRITES_ALL]


class TestWritersAtOnce:
    @pytest.mark.parametrize("flaw", RACES)
    async def test_store_whose_conditions_hold_for_one_writer_alone_is_refused(
        self, flaw: Flaw, any_driver: MakeStore
    ) -> None:
        with CarelessS3(flaw) as careless:
            blobs = any_driver("bucket", endpoint=careless.endpoint, start_seconds=60)
            with pytest.raises(StoreUnusable, match="concurrent"):
                await blobs.start()
            with pytest.raises(BlobStoreUnavailable):
                await stored(blobs, samples.user())
            await blobs.close()
            assert careless.objects == {}

    @pytest.mark.parametrize(
        ("flaw", "name"),
        [
            (Flaw.RACES_TO_CREATE, "accepts one of several concurrent creations"),
            (Flaw.RACES_TO_REPLACE, "accepts one of several concurrent replacements"),
        ],
    )
    async def test_report_names_the_race_that_was_lost(self, flaw: Flaw, name: str, any_driver: MakeStore) -> None:
        with CarelessS3(flaw) as careless:
            blobs = any_driver("bucket", endpoint=careless.endpoint, allow_unconditional=True, start_seconds=60)
            await blobs.start()
            report = await blobs.probe_conditional_writes()
            await blobs.close()
        assert [result.name for result in report.failed(Severity.CONDITION)] == [name]

    async def test_doctor_is_not_content_with_such_a_store(self, tmp_path: Path) -> None:
        with CarelessS3(Flaw.RACES_TO_CREATE) as careless:
            settings = Settings(data_dir=tmp_path, blobs_url=f"s3://bucket?endpoint={careless.endpoint}")
            checks = [check async for check in examine(settings)]
        (race,) = [check for check in checks if check.name == "accepts one of several concurrent creations"]
        assert (race.holds, race.must) == (False, True)
        assert race.detail == "4 of 4 concurrent writers succeeded"

    @pytest.mark.parametrize("flaw", [Flaw.BUSY_409, Flaw.BUSY_503, Flaw.BUSY_409_FOR_ALL, Flaw.BUSY_503_FOR_ALL])
    async def test_store_that_sends_writers_away_is_taken(self, flaw: Flaw, implementation: MakeStore) -> None:
        """Whether one of them wins or none: no two do."""
        with CarelessS3(flaw) as busy:
            blobs = implementation("bucket", endpoint=busy.endpoint, start_seconds=60)
            await blobs.start()
            await stored(blobs, samples.user())
            await blobs.close()
            assert [key.rpartition("/")[0] for key in busy.objects] == ["/bucket/backups"]

    async def test_store_that_is_silent_to_writers_at_once_is_not_taken_as_tried_out(
        self, caplog: pytest.LogCaptureFixture, implementation: MakeStore
    ) -> None:
        with CarelessS3(Flaw.BUSY_SILENT) as silent:
            blobs = implementation("bucket", endpoint=silent.endpoint, start_seconds=60)
            await blobs.start()
            assert "uploads are refused" in caplog.text
            with pytest.raises(BlobStoreUnavailable):
                await stored(blobs, samples.user())
            await blobs.close()
            assert silent.objects == {}

    async def test_store_that_refuses_all_writers_for_another_reason_is_told(self, implementation: MakeStore) -> None:
        with CarelessS3(Flaw.BUSY_403_FOR_ALL) as careless:
            blobs = implementation("bucket", endpoint=careless.endpoint, start_seconds=60)
            with pytest.raises(StoreUnusable, match="AccessDenied"):
                await blobs.start()
            await blobs.close()
            assert careless.objects == {}


class TestStoresThatKnowNoConditions:
    @pytest.mark.parametrize(
        ("flaw", "header"),
        [
            (Flaw.KNOWS_NO_CONDITIONS, "501 NotImplemented to If-None-Match"),
            (Flaw.KNOWS_NO_IF_NONE_MATCH, "501 501 to If-None-Match"),
            (Flaw.KNOWS_NO_IF_MATCH, "501 NotImplemented to If-Match"),
            (Flaw.CALLS_CONDITIONS_INVALID, "400 InvalidRequest to If-None-Match"),
        ],
    )
    @pytest.mark.parametrize("allowed", [False, True])
    async def test_they_are_told_so(self, flaw: Flaw, header: str, implementation: MakeStore, *, allowed: bool) -> None:
        """Also where unconditional writes are allowed: the service sends its conditions all the same."""
        with CarelessS3(flaw) as careless:
            blobs = implementation("bucket", endpoint=careless.endpoint, allow_unconditional=allowed)
            with pytest.raises(StoreUnusable, match="supports no conditional writes") as refused:
                await blobs.start()
            await blobs.close()
            assert header in str(refused.value)
            assert "doctor" not in str(refused.value)
            assert "checksums" not in str(refused.value)
            assert careless.objects == {}


class TestAddressing:
    @pytest.mark.parametrize("flaw", [Flaw.REDIRECTS, Flaw.WANTS_VIRTUAL_HOSTS, Flaw.HAS_NO_BUCKET])
    async def test_store_that_wants_the_other_form_is_told_with_the_way_out(
        self, flaw: Flaw, implementation: MakeStore
    ) -> None:
        with CarelessS3(flaw) as careless:
            blobs = implementation("bucket", endpoint=careless.endpoint)
            with pytest.raises(StoreUnusable, match="addressing=virtual"):
                await blobs.start()
            await blobs.close()

    async def test_in_the_virtual_form_the_bucket_is_in_the_host(
        self, monkeypatch: pytest.MonkeyPatch, implementation: MakeStore
    ) -> None:
        with CarelessS3() as well:
            resolve_to(well, monkeypatch)
            blobs = implementation("bucket", endpoint="http://store.test", addressing="virtual")
            await blobs.start()
            await stored(blobs, samples.user())
            await blobs.close()
            assert well.hosts == {"bucket.store.test"}
            assert [key.rpartition("/")[0] for key in well.objects] == ["/backups"]

    async def test_virtual_form_that_finds_no_bucket_names_the_other(
        self, monkeypatch: pytest.MonkeyPatch, implementation: MakeStore
    ) -> None:
        with CarelessS3(Flaw.HAS_NO_BUCKET) as careless:
            resolve_to(careless, monkeypatch)
            blobs = implementation("bucket", endpoint="http://store.test", addressing="virtual")
            with pytest.raises(StoreUnusable, match="addressing=path"):
                await blobs.start()
            await blobs.close()

    async def test_host_that_has_no_name_for_the_bucket_is_told(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, implementation: MakeStore
    ) -> None:
        monkeypatch.setenv("NO_PROXY", "*")
        blobs = implementation("bucket", endpoint="http://store.invalid:9", addressing="virtual")
        await blobs.start()
        await blobs.close()
        assert "addressing=path" in caplog.text


def resolve_to(server: CarelessS3, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a wildcard entry in the name service would: whatever the host, the server gets the request, as a proxy."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, server.endpoint)
