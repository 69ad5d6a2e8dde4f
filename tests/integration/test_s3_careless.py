"""Stores that are not what they should be, and what goes over the wire to any of them. These need no real server."""

from __future__ import annotations

import base64
import hashlib
import secrets
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from contracts import samples
from contracts.blob_store import stored
from obscura_backup.adapters.minio_admin import init_bucket
from obscura_backup.adapters.s3 import S3BlobStore
from obscura_backup.adapters.s3_probe import Weight
from obscura_backup.domain.errors import BlobStoreUnavailable, PutRefused, StoreUnusable
from obscura_backup.domain.spool import Spool
from servers.careless_s3 import CarelessS3, Flaw

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("s3_credentials")


class TestCarelessStores:
    @pytest.mark.parametrize("flaw", [Flaw.IGNORES_CONDITIONS, Flaw.CREATES_BY_TAG])
    async def test_store_that_ignores_conditions_is_refused(self, flaw: Flaw) -> None:
        with CarelessS3(flaw) as careless:
            blobs = S3BlobStore("bucket", endpoint=careless.endpoint)
            with pytest.raises(StoreUnusable, match="OBSCURA_BACKUP_ALLOW_UNCONDITIONAL_BLOBS=bucket"):
                await blobs.start()
            with pytest.raises(BlobStoreUnavailable):
                await stored(blobs, samples.user())
            await blobs.close()
            assert careless.objects == {}

    async def test_report_names_what_is_ignored(self) -> None:
        with CarelessS3(Flaw.IGNORES_CONDITIONS) as careless:
            blobs = S3BlobStore("bucket", endpoint=careless.endpoint, allow_unconditional=True)
            await blobs.start()
            report = await blobs.probe_conditional_writes()
            await blobs.close()
        assert not report.honours_conditions
        assert [verdict.name for verdict in report.missing(Weight.CONDITION)] == [
            "refuses to create over an object",
            "refuses a tag where there is nothing",
            "refuses a stale tag",
        ]

    async def test_operator_may_allow_it(self, caplog: pytest.LogCaptureFixture) -> None:
        with CarelessS3(Flaw.IGNORES_CONDITIONS) as careless:
            blobs = S3BlobStore("bucket", endpoint=careless.endpoint, allow_unconditional=True)
            await blobs.start()
            assert "as allowed" in caplog.text
            user = samples.user()
            revision = await stored(blobs, user)
            assert await blobs.stat(user) == revision
            await blobs.close()

    async def test_store_that_drops_metadata_is_refused_even_then(self) -> None:
        with CarelessS3(Flaw.DROPS_METADATA) as careless:
            blobs = S3BlobStore("bucket", endpoint=careless.endpoint, allow_unconditional=True)
            with pytest.raises(StoreUnusable, match="metadata"):
                await blobs.start()
            await blobs.close()

    @pytest.mark.parametrize("flaw", [Flaw.ANSWERS_304, Flaw.ANSWERS_409])
    async def test_other_words_for_a_refusal_are_understood(self, flaw: Flaw) -> None:
        with CarelessS3(flaw) as careless:
            blobs = S3BlobStore("bucket", endpoint=careless.endpoint)
            await blobs.start()
            user = samples.user()
            await stored(blobs, user)
            with pytest.raises(PutRefused):
                await stored(blobs, user, "again")
            await blobs.close()

    async def test_store_that_knows_no_checksums_can_be_used_without(self) -> None:
        with CarelessS3(Flaw.REFUSES_CHECKSUMS) as careless:
            blobs = S3BlobStore("bucket", endpoint=careless.endpoint)
            with pytest.raises(StoreUnusable, match="checksums=off"):
                await blobs.start()
            await blobs.close()
            without = S3BlobStore("bucket", endpoint=careless.endpoint, checksums=False)
            await without.start()
            await stored(without, samples.user())
            await without.close()

    async def test_scratch_object_that_must_not_be_deleted_stays(self) -> None:
        with CarelessS3(Flaw.REFUSES_DELETION) as careless:
            blobs = S3BlobStore("bucket", endpoint=careless.endpoint)
            await blobs.start()
            await blobs.close()
            assert [key.rpartition("/")[0] for key in careless.objects] == ["/bucket/probes"]


class TestOnTheWire:
    """What an upload looks like to the store."""

    async def test_no_expectation_no_trailer_no_chunks(self) -> None:
        data = secrets.token_bytes(600_000)
        with CarelessS3() as plain:
            blobs = S3BlobStore("bucket", endpoint=plain.endpoint)
            await blobs.start()
            with Spool.of(data) as blob:
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
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        certificate = _certificate(tmp_path)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
        with CarelessS3(certificate=certificate) as secure:
            blobs = S3BlobStore("bucket", endpoint=secure.endpoint)
            await blobs.start()
            await stored(blobs, samples.user())
            await blobs.close()
            (sent,) = secure.uploads[-1:]
        assert sent["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"
        assert "x-amz-checksum-sha256" in sent["authorization"]
        assert "expect" not in sent

    async def test_certificate_that_is_not_trusted_is_told(self, tmp_path: Path) -> None:
        with CarelessS3(certificate=_certificate(tmp_path)) as secure:
            blobs = S3BlobStore("bucket", endpoint=secure.endpoint)
            with pytest.raises(StoreUnusable, match="AWS_CA_BUNDLE"):
                await blobs.start()
            await blobs.close()


class TestMakingTheBucketUnderTls:
    async def test_authority_of_the_operators_choice_is_trusted(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        certificate = _certificate(tmp_path)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
        with CarelessS3(certificate=certificate) as secure:
            assert _made(secure)

    async def test_certificate_that_is_not_trusted_is_told(self, tmp_path: Path) -> None:
        with CarelessS3(certificate=_certificate(tmp_path)) as secure, pytest.raises(StoreUnusable) as refused:
            _made(secure)
        assert "AWS_CA_BUNDLE" in str(refused.value)


def _made(server: CarelessS3) -> bool:
    return init_bucket(server.endpoint, "bucket", region="us-east-1", access_key="key", secret_key="secret")


def _certificate(folder: Path) -> Path:
    """A key and a certificate for 127.0.0.1 that signs itself, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path
