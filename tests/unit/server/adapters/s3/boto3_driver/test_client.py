"""The S3 client's configuration, and what one bucket makes of the driver's errors and answers."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError  # type: ignore[import-untyped]  # botocore ships no types
from botocore.serialize import RestXMLSerializer  # type: ignore[import-untyped]  # as above

from contracts import samples
from obscura_backup.adapters.object_stores.errors import RefusedByStore, TransientFailure
from obscura_backup.adapters.object_stores.stored_object import suffix_of
from obscura_backup.adapters.s3.boto3_driver.bucket import S3Bucket, _condition_on
from obscura_backup.adapters.s3.boto3_driver.store import Boto3BlobStore
from obscura_backup.adapters.s3.location import S3Location
from obscura_backup.domain.errors import (
    BlobStoreUnavailable,
    OutcomeUnknown,
    PutRefused,
    RangeNotSatisfiable,
    StoreUnusable,
)
from obscura_backup.domain.model import ByteRange, Tag
from support.table import table

if TYPE_CHECKING:
    from collections.abc import Callable

ENDPOINT = "https://store.example"
NUMBERS: dict[str, Any] = {"connections": 7, "connect_timeout_seconds": 1.5, "read_timeout_seconds": 2.5}


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)


def connected(location: S3Location) -> Any:
    """The boto3 client of a bucket."""
    bucket = S3Bucket(location, **NUMBERS)
    bucket.connect()
    bucket.close()
    return bucket._client


def at(
    endpoint: str | None, *, checksums: bool = True, addressing: str = "auto", region: str | None = None
) -> S3Location:
    return S3Location("a-bucket", endpoint, region, checksums, addressing)


def test_timeouts_and_connections_are_the_given_ones() -> None:
    config = connected(at(ENDPOINT)).meta.config
    assert (config.connect_timeout, config.read_timeout, config.max_pool_connections) == (1.5, 2.5, 7)


def test_client_repeats_nothing_and_adds_no_checksum() -> None:
    client = connected(at(ENDPOINT))
    config = client.meta.config
    assert config.retries == {"mode": "standard", "total_max_attempts": 1}
    assert config.request_checksum_calculation == "when_required"
    assert config.response_checksum_validation == "when_required"
    assert config.tcp_keepalive is True
    assert type(client._serializer) is RestXMLSerializer, "no decorator that validates parameters"


@table(
    ("endpoint", "checksums", "is_unsigned"),
    [
        (ENDPOINT, True, True),
        (None, True, True),
        ("http://store.example", True, False),
        (ENDPOINT, False, False),
        (None, False, False),
    ],
)
def test_body_is_signed_unless_tls_and_a_signed_checksum_protect_it(
    endpoint: str | None, *, checksums: bool, is_unsigned: bool
) -> None:
    s3 = connected(at(endpoint, checksums=checksums)).meta.config.s3
    assert (s3.get("payload_signing_enabled") is False) is is_unsigned


@pytest.mark.parametrize(
    ("given", "environment", "region"),
    [("eu-west-1", "eu-north-1", "eu-west-1"), (None, "eu-north-1", "eu-north-1"), (None, None, "us-east-1")],
)
def test_region_of_a_client(
    monkeypatch: pytest.MonkeyPatch, given: str | None, environment: str | None, region: str
) -> None:
    if environment:
        monkeypatch.setenv("AWS_DEFAULT_REGION", environment)
    assert connected(at(ENDPOINT, region=given)).meta.region_name == region


def test_missing_credentials_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    with pytest.raises(StoreUnusable, match="no credentials for S3"):
        connected(at(ENDPOINT))


def test_malformed_endpoint_is_an_error() -> None:
    with pytest.raises(StoreUnusable, match=r"configuration of S3 is invalid \(ValueError\)"):
        connected(at("https://"))


def test_bucket_before_connect_is_unavailable() -> None:
    bucket = S3Bucket(at(ENDPOINT), connections=1, connect_timeout_seconds=1, read_timeout_seconds=1)
    bucket.close()
    with pytest.raises(BlobStoreUnavailable, match="not started"):
        bucket.keys("backups/")


def test_store_keeps_one_connection_per_thread() -> None:
    store = Boto3BlobStore(at(ENDPOINT), max_writes=5, max_reads=6)
    assert store._bucket._connections == 5 + 6 + 1
    assert store._probe_client._connections == 1


def test_ping_has_the_shorter_timeouts() -> None:
    store = Boto3BlobStore(
        at(ENDPOINT), connect_timeout_seconds=7.0, read_timeout_seconds=8.0, ping_timeout_seconds=1.25
    )
    bucket, pinged = store._bucket, store._probe_client
    assert (bucket._connect_timeout_seconds, bucket._read_timeout_seconds) == (7.0, 8.0)
    assert (pinged._connect_timeout_seconds, pinged._read_timeout_seconds) == (1.25, 1.25)
    store = Boto3BlobStore(
        at(ENDPOINT), connect_timeout_seconds=0.5, read_timeout_seconds=0.75, ping_timeout_seconds=1.25
    )
    pinged = store._probe_client
    assert (pinged._connect_timeout_seconds, pinged._read_timeout_seconds) == (0.5, 0.75)


def test_condition_of_an_upload() -> None:
    assert _condition_on(None) == {"IfNoneMatch": "*"}
    assert _condition_on(Tag("abc")) == {"IfMatch": '"abc"'}


def test_request_is_sent_without_expect_and_is_announced_to_its_own_thread() -> None:
    bucket = S3Bucket(at(ENDPOINT), **NUMBERS)
    bucket.connect()
    announced: list[str] = []

    def send() -> dict[str, str]:
        headers = {"Expect": "100-continue", "Host": "store"}
        events: Any = bucket._client
        events.meta.events.emit("before-send.s3.PutObject", request=SimpleNamespace(headers=headers))
        return headers

    with bucket.before_each_request(lambda: announced.append("sending")):
        assert send() == {"Host": "store"}
        with ThreadPoolExecutor(1) as another:
            another.submit(send).result()
    assert send() == {"Host": "store"}
    assert announced == ["sending"]
    bucket.close()


class Failing:
    """A boto3 client each call of which fails."""

    def __init__(self, failure: Exception) -> None:
        self._failure = failure

    def __getattr__(self, name: str) -> Any:
        def call(**_: Any) -> Any:
            raise self._failure

        return call


def refusal(status: int = 403, code: str = "AccessDenied", **more: Any) -> ClientError:
    answer = {"Error": {"Code": code, **more}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "AnOperation")


def failing(failure: Exception) -> S3Bucket:
    bucket = S3Bucket(at(ENDPOINT), **NUMBERS)
    client: Any = Failing(failure)
    bucket._made_client = client
    return bucket


def cause_of(error: BaseException) -> BaseException | None:
    """The driver's error, behind the failed request that it was translated to."""
    return error.__cause__.__cause__ if error.__cause__ is not None else None


CALLS: dict[str, Callable[[S3Bucket], Any]] = {
    "keys": lambda bucket: bucket.keys("backups/"),
    "head": lambda bucket: bucket.head("backups/a"),
    "get": lambda bucket: bucket.get("backups/a"),
    "delete": lambda bucket: bucket.delete("probes/a"),
    "clock": lambda bucket: bucket.clock_skew_seconds(),
    "name": lambda bucket: bucket.server_name(),
}


@table("call", CALLS)
@table(
    ("failure", "kind"),
    [
        (refusal(), RefusedByStore),
        (refusal(503, "SlowDown"), TransientFailure),
        (ReadTimeoutError(endpoint_url=ENDPOINT, error="slow"), BlobStoreUnavailable),
        (OSError("broken"), TransientFailure),
    ],
)
def test_error_of_the_driver_becomes_ours_with_its_cause(call: str, failure: Exception, kind: type[Exception]) -> None:
    with pytest.raises(kind) as raised:
        CALLS[call](failing(failure))
    assert cause_of(raised.value) is failure


@table(
    ("failure", "kind"),
    [
        (refusal(412, "PreconditionFailed"), PutRefused),
        (refusal(), RefusedByStore),
        (refusal(500, "InternalError"), OutcomeUnknown),
        (OSError("broken"), OutcomeUnknown),
    ],
)
def test_error_of_an_upload_says_whether_it_may_be_stored(failure: Exception, kind: type[Exception]) -> None:
    blob = samples.blob()
    with pytest.raises(kind) as raised:
        failing(failure).put("backups/a", blob, samples.draft(blob), replaces=None)
    assert cause_of(raised.value) is failure


def test_absent_object_is_none() -> None:
    absent = failing(refusal(404, "NoSuchKey"))
    assert absent.get("backups/a") is None
    assert absent.head("backups/a") is None


def test_absent_bucket_is_not_an_empty_slot() -> None:
    lost = failing(refusal(404, "NoSuchBucket"))
    for call in ("get", "head"):
        with pytest.raises(RefusedByStore):
            CALLS[call](lost)


def test_range_outside_of_the_blob_gives_its_size_without_the_suffix() -> None:
    outside = failing(refusal(416, "InvalidRange", ActualObjectSize="116"))
    with pytest.raises(RangeNotSatisfiable) as raised:
        outside.get("backups/a", ByteRange(500, None))
    assert raised.value.size == 100


def test_upload_answered_without_an_etag_has_an_unknown_outcome() -> None:
    bucket = failing(OSError())
    sent: list[dict[str, Any]] = []

    class Taking:
        def put_object(self, **given: Any) -> dict[str, Any]:
            sent.append(given)
            return {} if len(sent) == 1 else {"ETag": '"abc"'}

    client: Any = Taking()
    bucket._made_client = client
    blob = samples.blob()
    draft = samples.draft(blob)
    with pytest.raises(OutcomeUnknown, match="without naming its ETag"):
        bucket.put("backups/a", blob, draft, replaces=None)
    stored = bucket.put("backups/a", blob, draft, replaces=Tag("old"))
    checksum = base64.b64encode(blob.sha256_with_suffix(suffix_of(draft.upload_id))).decode()
    assert stored.tag == "abc"
    assert (sent[0]["IfNoneMatch"], sent[1]["IfMatch"]) == ("*", '"old"')
    assert {name: sent[1][name] for name in ("Bucket", "Key", "ContentLength", "ContentType", "ChecksumSHA256")} == {
        "Bucket": "a-bucket",
        "Key": "backups/a",
        "ContentLength": 32 + 16,
        "ContentType": "application/octet-stream",
        "ChecksumSHA256": checksum,
    }


@table("date", ["Thu, 01 Jan 1970 00:00:00 GMT", "", "nonsense"])
def test_store_without_a_readable_date_has_no_clock_skew(date: str) -> None:
    bucket = failing(OSError())

    class Answering:
        def list_objects_v2(self, **_: Any) -> dict[str, Any]:
            return {"Name": "a-bucket", "ResponseMetadata": {"HTTPHeaders": {"date": date, "server": "AStore"}}}

    client: Any = Answering()
    bucket._made_client = client
    skew = bucket.clock_skew_seconds()
    assert (skew < -1_000_000_000) is date.endswith("GMT")
    assert (skew == 0) is not date.endswith("GMT")
    assert bucket.server_name() == "AStore"
    assert bucket.keys("backups/") == []
