"""How the driver of S3 is set up, for each bucket that a store keeps a client of."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError  # type: ignore[import-untyped]  # botocore ships no types

from contracts import samples
from obscura_backup.adapters.s3.bucket import S3Bucket, condition_on
from obscura_backup.adapters.s3.errors import RefusedByStore, TransientFailure
from obscura_backup.adapters.s3.location import S3Location
from obscura_backup.adapters.s3.store import S3BlobStore
from obscura_backup.adapters.s3.stored_object import suffix_of
from obscura_backup.domain.errors import (
    BlobStoreUnavailable,
    OutcomeUnknown,
    PutRefused,
    RangeNotSatisfiable,
    StoreUnusable,
)
from obscura_backup.domain.model import ByteRange, Tag

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
    """The driver's client of a bucket."""
    bucket = S3Bucket(location, **NUMBERS)
    bucket.connect()
    bucket.close()
    return bucket._client


def at(
    endpoint: str | None, *, checksums: bool = True, addressing: str = "auto", region: str | None = None
) -> S3Location:
    return S3Location("a-bucket", endpoint, region, checksums, addressing)


def test_times_and_connections_are_those_that_were_given() -> None:
    config = connected(at(ENDPOINT)).meta.config
    assert (config.connect_timeout, config.read_timeout, config.max_pool_connections) == (1.5, 2.5, 7)


def test_nothing_is_sent_twice_and_no_checksum_is_added_by_the_driver() -> None:
    config = connected(at(ENDPOINT)).meta.config
    assert config.retries == {"mode": "standard", "total_max_attempts": 1}
    assert config.request_checksum_calculation == "when_required"
    assert config.response_checksum_validation == "when_required"
    assert config.tcp_keepalive is True
    assert S3Bucket(at(ENDPOINT), **NUMBERS)._config().parameter_validation is False


@pytest.mark.parametrize(
    ("endpoint", "checksums", "is_unsigned"),
    [
        (ENDPOINT, True, True),
        (None, True, True),
        ("http://store.example", True, False),
        (ENDPOINT, False, False),
        (None, False, False),
    ],
)
def test_a_body_is_signed_unless_tls_and_a_signed_checksum_guard_it(
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


def test_missing_credentials_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    with pytest.raises(StoreUnusable, match="no credentials for S3"):
        connected(at(ENDPOINT))


def test_an_endpoint_that_is_none_is_told() -> None:
    with pytest.raises(StoreUnusable, match=r"cannot be used as it is configured \(ValueError\)"):
        connected(at("https://"))


def test_a_bucket_that_was_not_connected_is_unavailable() -> None:
    bucket = S3Bucket(at(ENDPOINT), connections=1, connect_timeout_seconds=1, read_timeout_seconds=1)
    bucket.close()
    with pytest.raises(BlobStoreUnavailable, match="not started"):
        bucket.keys("backups/")


def test_there_is_a_connection_for_each_thread() -> None:
    store = S3BlobStore("a-bucket", endpoint=ENDPOINT, threads=5, read_threads=6)
    assert store._bucket._connections == 5 + 6 + 1
    assert store._probe_client._connections == 1


def test_times_of_a_question_for_a_sign_of_life_are_the_shorter_ones() -> None:
    store = S3BlobStore(
        "a-bucket",
        endpoint=ENDPOINT,
        connect_timeout_seconds=7.0,
        read_timeout_seconds=8.0,
        ping_timeout_seconds=1.25,
    )
    patient, impatient = store._bucket, store._probe_client
    assert (patient._connect_timeout_seconds, patient._read_timeout_seconds) == (7.0, 8.0)
    assert (impatient._connect_timeout_seconds, impatient._read_timeout_seconds) == (1.25, 1.25)
    store = S3BlobStore("a-bucket", connect_timeout_seconds=0.5, read_timeout_seconds=0.75, ping_timeout_seconds=1.25)
    impatient = store._probe_client
    assert (impatient._connect_timeout_seconds, impatient._read_timeout_seconds) == (0.5, 0.75)


def test_condition_of_an_upload() -> None:
    assert condition_on(None) == {"IfNoneMatch": "*"}
    assert condition_on(Tag("abc")) == {"IfMatch": '"abc"'}


def test_what_is_sent_has_no_expectation_and_tells_the_thread_that_waits_for_it() -> None:
    bucket = S3Bucket(at(ENDPOINT), connections=1, connect_timeout_seconds=1, read_timeout_seconds=1)

    class Request:
        def __init__(self) -> None:
            self.headers = {"Expect": "100-continue", "Host": "store"}

    request, told = Request(), list[str]()
    with bucket.before_each_request(lambda: told.append("sent")):
        bucket._before_sending(request)
    assert request.headers == {"Host": "store"}
    bucket._before_sending(Request())
    assert told == ["sent"]


class Failing:
    """A driver each call of which fails."""

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
    bucket._created = client
    return bucket


CALLS: dict[str, Callable[[S3Bucket], Any]] = {
    "keys": lambda bucket: bucket.keys("backups/"),
    "head": lambda bucket: bucket.head("backups/a"),
    "get": lambda bucket: bucket.get("backups/a"),
    "delete": lambda bucket: bucket.delete("probes/a"),
    "clock": lambda bucket: bucket.clock_skew_seconds(),
    "name": lambda bucket: bucket.server_name(),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (refusal(), RefusedByStore),
        (refusal(503, "SlowDown"), TransientFailure),
        (ReadTimeoutError(endpoint_url=ENDPOINT, error="slow"), BlobStoreUnavailable),
        (OSError("broken"), TransientFailure),
    ],
)
def test_a_failure_of_the_driver_is_told_in_our_words_with_its_cause(
    call: str, failure: Exception, kind: type[Exception]
) -> None:
    with pytest.raises(kind) as told:
        CALLS[call](failing(failure))
    assert told.value.__cause__ is failure


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (refusal(412, "PreconditionFailed"), PutRefused),
        (refusal(), RefusedByStore),
        (refusal(500, "InternalError"), OutcomeUnknown),
        (OSError("broken"), OutcomeUnknown),
    ],
)
def test_a_failed_upload_is_told_by_what_may_have_become_of_it(failure: Exception, kind: type[Exception]) -> None:
    with samples.blob() as blob, pytest.raises(kind) as told:
        failing(failure).put("backups/a", blob, samples.draft(blob), replaces=None)
    assert told.value.__cause__ is failure


def test_an_object_that_is_absent_is_none() -> None:
    absent = failing(refusal(404, "NoSuchKey"))
    assert absent.get("backups/a") is None
    assert absent.head("backups/a") is None


def test_a_bucket_that_is_absent_is_no_empty_slot() -> None:
    lost = failing(refusal(404, "NoSuchBucket"))
    for call in ("get", "head"):
        with pytest.raises(RefusedByStore):
            CALLS[call](lost)


def test_a_range_outside_tells_the_size_of_the_blob_without_its_suffix() -> None:
    outside = failing(refusal(416, "InvalidRange", ActualObjectSize="116"))
    with pytest.raises(RangeNotSatisfiable) as told:
        outside.get("backups/a", ByteRange(500, None))
    assert told.value.size == 100


def test_an_upload_without_a_tag_in_its_answer_has_no_known_end() -> None:
    bucket = failing(OSError())
    sent: list[dict[str, Any]] = []

    class Taking:
        def put_object(self, **given: Any) -> dict[str, Any]:
            sent.append(given)
            return {} if len(sent) == 1 else {"ETag": '"abc"'}

    client: Any = Taking()
    bucket._created = client
    with samples.blob() as blob:
        draft = samples.draft(blob)
        with pytest.raises(OutcomeUnknown, match="without naming its tag"):
            bucket.put("backups/a", blob, draft, replaces=None)
        stored = bucket.put("backups/a", blob, draft, replaces=Tag("old"))
        checksum = base64.b64encode(blob.sha256_followed_by(suffix_of(draft.upload_id))).decode()
    assert stored.tag == "abc"
    assert (sent[0]["IfNoneMatch"], sent[1]["IfMatch"]) == ("*", '"old"')
    assert {name: sent[1][name] for name in ("Bucket", "Key", "ContentLength", "ContentType", "ChecksumSHA256")} == {
        "Bucket": "a-bucket",
        "Key": "backups/a",
        "ContentLength": 32 + 16,
        "ContentType": "application/octet-stream",
        "ChecksumSHA256": checksum,
    }


@pytest.mark.parametrize("date", ["Thu, 01 Jan 1970 00:00:00 GMT", "", "nonsense"])
def test_a_clock_that_the_store_does_not_state_is_taken_for_ours(date: str) -> None:
    bucket = failing(OSError())

    class Answering:
        def list_objects_v2(self, **_: Any) -> dict[str, Any]:
            return {"ResponseMetadata": {"HTTPHeaders": {"date": date, "server": "AStore"}}}

    client: Any = Answering()
    bucket._created = client
    skew = bucket.clock_skew_seconds()
    assert (skew < -1_000_000_000) is date.endswith("GMT")
    assert (skew == 0) is not date.endswith("GMT")
    assert bucket.server_name() == "AStore"
    assert bucket.keys("backups/") == []
