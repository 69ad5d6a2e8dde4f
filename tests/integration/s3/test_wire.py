"""What an upload looks like to the store, and which certificates are trusted. These need no real server."""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import TYPE_CHECKING

import pytest

from contracts import samples
from contracts.blob_store import stored
from obscura_backup.adapters.s3.admin import init_bucket
from obscura_backup.adapters.s3.location import S3Location
from obscura_backup.domain.blob import Blob
from obscura_backup.domain.errors import StoreUnusable
from support.certificates import certificate_for_this_machine
from support.servers.stores.careless_s3 import CarelessS3

if TYPE_CHECKING:
    from pathlib import Path

    from support.servers.stores.s3_store import MakeStore


class TestOnTheWire:
    """What an upload looks like to the store."""

    async def test_no_expectation_no_trailer_no_chunks(self, implementation: MakeStore) -> None:
        data = secrets.token_bytes(600_000)
        with CarelessS3() as plain:
            blobs = implementation("bucket", endpoint=plain.endpoint)
            await blobs.start()
            blob = Blob.of(data)
            draft = samples.draft(blob)
            await blobs.put(samples.user(), blob, draft, replaces=None)
            await blobs.close()
            (sent,) = plain.uploads[-1:]
        digest = hashlib.sha256(data + bytes.fromhex(draft.upload_id))
        assert sent["x-amz-checksum-sha256"] == base64.b64encode(digest.digest()).decode()
        assert (sent["content-length"], sent["if-none-match"]) == ("600016", "*")
        assert sent["x-amz-content-sha256"] == digest.hexdigest()
        assert not {"expect", "transfer-encoding", "content-encoding", "x-amz-trailer"} & sent.keys()
        assert {name for name in sent if "checksum" in name} == {"x-amz-checksum-sha256"}

    async def test_under_tls_the_bytes_are_not_hashed_once_more(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, implementation: MakeStore
    ) -> None:
        certificate = certificate_for_this_machine(tmp_path)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
        with CarelessS3(certificate=certificate) as secure:
            blobs = implementation("bucket", endpoint=secure.endpoint)
            await blobs.start()
            await stored(blobs, samples.user())
            await blobs.close()
            (sent,) = secure.uploads[-1:]
        assert sent["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"
        assert "x-amz-checksum-sha256" in sent["authorization"]
        assert "expect" not in sent

    async def test_certificate_that_is_not_trusted_is_told(self, tmp_path: Path, implementation: MakeStore) -> None:
        with CarelessS3(certificate=certificate_for_this_machine(tmp_path)) as secure:
            blobs = implementation("bucket", endpoint=secure.endpoint)
            with pytest.raises(StoreUnusable, match="AWS_CA_BUNDLE"):
                await blobs.start()
            await blobs.close()


class TestMakingTheBucketUnderTls:
    async def test_authority_of_the_operators_choice_is_trusted(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        certificate = certificate_for_this_machine(tmp_path)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
        with CarelessS3(certificate=certificate) as secure:
            assert _made(secure)

    async def test_certificate_that_is_not_trusted_is_told(self, tmp_path: Path) -> None:
        with (
            CarelessS3(certificate=certificate_for_this_machine(tmp_path)) as secure,
            pytest.raises(StoreUnusable) as refused,
        ):
            _made(secure)
        assert "AWS_CA_BUNDLE" in str(refused.value)


def _made(server: CarelessS3) -> bool:
    return init_bucket(S3Location("bucket", server.endpoint))
