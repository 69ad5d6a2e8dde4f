from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import (  # type: ignore[import-untyped]  # botocore ships no types
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    ReadTimeoutError,
    SSLError,
)

from obscura_backup.adapters.object_stores.errors import (
    Advice,
    Misconfigured,
    RefusedByStore,
    TooManyRequests,
    TransientFailure,
    failure_of_put,
    failure_of_read,
)
from obscura_backup.adapters.object_stores.failed_request import FailedRequest, Failure
from obscura_backup.adapters.s3.advice import advice_for
from obscura_backup.adapters.s3.boto3_driver.errors import failed_request
from obscura_backup.adapters.s3.location import S3Location
from obscura_backup.domain.errors import BlobStoreUnavailable, ObscuraError, OutcomeUnknown, PutRefused
from support.table import table

if TYPE_CHECKING:
    from collections.abc import Callable

URL = "http://store"
PATH_STYLE = advice_for(S3Location("bucket", URL))
VIRTUAL_STYLE = advice_for(S3Location("bucket"))


def answered(status: int, code: str) -> ClientError:
    response = {
        "Error": {"Code": code, "Message": "a message with a signature in it"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(response, "PutObject")


def test_failed_put_is_refused_or_not_stored_or_unknown() -> None:
    cases: list[tuple[Exception, type[ObscuraError]]] = [
        (answered(412, "PreconditionFailed"), PutRefused),
        (answered(409, "ConditionalRequestConflict"), PutRefused),
        (answered(409, "OperationAborted"), PutRefused),
        (answered(404, "NoSuchKey"), PutRefused),
        (answered(304, "304"), PutRefused),
        (answered(404, "NoSuchBucket"), RefusedByStore),
        (answered(404, "404"), RefusedByStore),
        (answered(403, "AccessDenied"), RefusedByStore),
        (answered(400, "BadDigest"), RefusedByStore),
        (answered(301, "PermanentRedirect"), RefusedByStore),
        (answered(501, "NotImplemented"), RefusedByStore),
        (answered(429, "429"), TooManyRequests),
        (answered(408, "408"), OutcomeUnknown),
        (answered(500, "InternalError"), OutcomeUnknown),
        (answered(502, "502"), OutcomeUnknown),
        (answered(503, "SlowDown"), OutcomeUnknown),
        (answered(0, "nothing"), OutcomeUnknown),
        (EndpointConnectionError(endpoint_url=URL, error="refused"), BlobStoreUnavailable),
        (ConnectTimeoutError(endpoint_url=URL, error="slow"), BlobStoreUnavailable),
        (NoCredentialsError(), BlobStoreUnavailable),
        (SSLError(endpoint_url=URL, error="[SSL: CERTIFICATE_VERIFY_FAILED] self-signed"), Misconfigured),
        (SSLError(endpoint_url=URL, error="broken"), OutcomeUnknown),
        (ReadTimeoutError(endpoint_url=URL, error="slow"), OutcomeUnknown),
        (ConnectionClosedError(endpoint_url=URL, error="reset", request=None), OutcomeUnknown),
        (HTTPClientError(error="anything"), OutcomeUnknown),
        (OSError(5, "Input/output error"), OutcomeUnknown),
    ]
    for error, meaning in cases:
        assert type(failure_of_put(failed_request(error))) is meaning


def test_failed_read_is_worth_another_try_or_not() -> None:
    cases: list[tuple[Exception, type[ObscuraError]]] = [
        (answered(403, "AccessDenied"), RefusedByStore),
        (answered(404, "NoSuchBucket"), RefusedByStore),
        (answered(429, "429"), TransientFailure),
        (answered(500, "InternalError"), TransientFailure),
        (answered(503, "SlowDown"), TransientFailure),
        (EndpointConnectionError(endpoint_url=URL, error="refused"), TransientFailure),
        (ConnectionClosedError(endpoint_url=URL, error="reset", request=None), TransientFailure),
        (ConnectTimeoutError(endpoint_url=URL, error="slow"), BlobStoreUnavailable),
        (ReadTimeoutError(endpoint_url=URL, error="slow"), BlobStoreUnavailable),
        (SSLError(endpoint_url=URL, error="[SSL: CERTIFICATE_VERIFY_FAILED] self-signed"), Misconfigured),
    ]
    for error, meaning in cases:
        assert type(failure_of_read(failed_request(error))) is meaning


@table("code", ["NoSuchBucket", "PermanentRedirect", "301", "SecondLevelDomainForbidden"])
@table("failure_of", [failure_of_put, failure_of_read])
def test_refusal_of_an_address_names_the_other_form(code: str, failure_of: Callable[..., ObscuraError]) -> None:
    assert "addressing=virtual" in str(failure_of(failed_request(answered(404, code)), PATH_STYLE))
    assert "addressing=path" in str(failure_of(failed_request(answered(404, code)), VIRTUAL_STYLE))


@table("failure_of", [failure_of_put, failure_of_read])
def test_host_that_is_not_found_is_told_in_the_virtual_form_alone(failure_of: Callable[..., ObscuraError]) -> None:
    error = EndpointConnectionError(endpoint_url=URL, error="not known")
    assert "addressing=path" in str(failure_of(failed_request(error), VIRTUAL_STYLE))
    assert "addressing" not in str(failure_of(failed_request(error), PATH_STYLE))


@table("code", ["AccessDenied", "NotImplemented", "SlowDown"])
def test_other_refusals_name_no_form(code: str) -> None:
    assert "addressing" not in str(failure_of_put(failed_request(answered(403, code)), PATH_STYLE))


def test_a_message_of_the_store_is_not_repeated() -> None:
    assert "signature" not in str(failure_of_put(failed_request(answered(403, "SignatureDoesNotMatch")), PATH_STYLE))


@table(
    ("code", "way_out"),
    [("NoSuchBucket", "init-bucket"), ("InvalidAccessKeyId", "AWS_ACCESS_KEY_ID"), ("Other", "Other")],
)
def test_a_refusal_names_the_way_out(code: str, way_out: str) -> None:
    assert way_out in str(failure_of_put(failed_request(answered(404, code)), PATH_STYLE))


def test_conflict_that_is_not_about_the_condition_is_a_refusal() -> None:
    """Azure answers 412 for a lease, too. Taken for a condition, it would look like another writer."""
    leased = FailedRequest(Failure.ANSWERED, status=412, code="LeaseIdMissing", operation="PutObject")
    assert type(failure_of_put(leased)) is PutRefused
    advice = Advice(unconditional_codes=frozenset({"LeaseIdMissing"}))
    assert type(failure_of_put(leased, advice)) is RefusedByStore


@table(("failure_of", "meaning"), [(failure_of_put, BlobStoreUnavailable), (failure_of_read, TransientFailure)])
def test_missing_credentials_are_told_with_their_source(
    failure_of: Callable[..., ObscuraError], meaning: type[ObscuraError]
) -> None:
    failure = failure_of(FailedRequest(Failure.NO_CREDENTIALS), Advice(credentials="set THE_VARIABLE"))
    assert type(failure) is meaning
    assert str(failure) == "There are no credentials for the blob store: set THE_VARIABLE."
