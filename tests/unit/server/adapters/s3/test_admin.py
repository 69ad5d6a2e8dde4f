"""How the bucket is made, what a refusal becomes, and the policy of the service."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import (  # type: ignore[import-untyped]  # botocore ships no types
    ClientError,
    EndpointConnectionError,
    ParamValidationError,
    SSLError,
)

from obscura_backup.adapters.s3 import admin
from obscura_backup.adapters.s3.admin import init_bucket, least_privilege_policy
from obscura_backup.adapters.s3.location import S3Location
from obscura_backup.domain.errors import StoreUnusable

LOCATION = S3Location("a-bucket", "http://store", "a-region")
ABSENT = ClientError({"Error": {"Code": "404"}, "ResponseMetadata": {"HTTPStatusCode": 404}}, "HeadBucket")


def refused_with(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "a secret"}}, "CreateBucket")


class ScriptedClient:
    """A boto3 client: whether the bucket exists, and what fails."""

    def __init__(self) -> None:
        self.head_error: Exception | None = ABSENT
        self.create_error: Exception | None = None
        self.made_with: list[tuple[S3Location, dict[str, Any]]] = []
        self.calls: list[dict[str, Any]] = []
        self.closed = 0

    def make(self, location: S3Location, **options: Any) -> ScriptedClient:
        self.made_with.append((location, options))
        return self

    def head_bucket(self, **parameters: Any) -> None:
        self.calls.append({"head": parameters})
        if self.head_error is not None:
            raise self.head_error

    def create_bucket(self, **parameters: Any) -> None:
        self.calls.append({"create": parameters})
        if self.create_error is not None:
            raise self.create_error

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> ScriptedClient:
    made = ScriptedClient()
    monkeypatch.setattr(admin, "make_client", made.make)
    return made


@pytest.mark.parametrize(
    ("region", "configuration"),
    [
        ("a-region", {"CreateBucketConfiguration": {"LocationConstraint": "a-region"}}),
        ("us-east-1", {}),  # AWS refuses its default region as a constraint
        (None, {}),
    ],
)
def test_absent_bucket_is_made_in_its_region(
    client: ScriptedClient, region: str | None, configuration: dict[str, Any]
) -> None:
    assert init_bucket(S3Location("a-bucket", "http://store", region))
    assert client.calls == [{"head": {"Bucket": "a-bucket"}}, {"create": {"Bucket": "a-bucket", **configuration}}]


def test_client_has_timeouts_and_is_closed(client: ScriptedClient) -> None:
    init_bucket(LOCATION)
    options = {"connections": 1, "connect_timeout_seconds": 10.0, "read_timeout_seconds": 10.0}
    assert client.made_with == [(LOCATION, options)]
    assert client.closed == 1


def test_existing_bucket_is_left_alone(client: ScriptedClient) -> None:
    client.head_error = None
    assert not init_bucket(LOCATION)
    assert client.calls == [{"head": {"Bucket": "a-bucket"}}]


def test_bucket_made_meanwhile_by_another_command_exists(client: ScriptedClient) -> None:
    client.create_error = refused_with("BucketAlreadyOwnedByYou")
    assert not init_bucket(LOCATION)


def test_bucket_of_another_owner_is_refused(client: ScriptedClient) -> None:
    client.create_error = refused_with("BucketAlreadyExists")
    with pytest.raises(StoreUnusable, match=r"^The store refused to make the bucket a-bucket: BucketAlreadyExists\.$"):
        init_bucket(LOCATION)
    assert client.closed == 1


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (ParamValidationError(report="Invalid bucket name"), r"does not allow the bucket name a-bucket\."),
        (OSError("gone"), r"does not answer \(OSError\)"),
        (EndpointConnectionError(endpoint_url="http://store"), r"does not answer \(EndpointConnectionError\)"),
        (SSLError(endpoint_url="http://store", error="CERTIFICATE_VERIFY_FAILED"), "AWS_CA_BUNDLE names the file"),
    ],
)
def test_failure_of_the_first_request_says_why(client: ScriptedClient, failure: Exception, message: str) -> None:
    client.head_error = failure
    with pytest.raises(StoreUnusable, match=message):
        init_bucket(LOCATION)
    assert client.closed == 1


def test_policy_allows_what_the_service_does_and_nothing_else() -> None:
    assert least_privilege_policy("a-bucket") == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "ReadAndReplaceBackups",
                "Effect": "Allow",
                "Action": ["s3:GetObject", "s3:PutObject"],
                "Resource": ["arn:aws:s3:::a-bucket/backups/*"],
            },
            {
                "Sid": "TryOutConditionalWrites",
                "Effect": "Allow",
                "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
                "Resource": ["arn:aws:s3:::a-bucket/probes/*"],
            },
            {
                "Sid": "TellAbsentFromForbidden",
                "Effect": "Allow",
                "Action": ["s3:ListBucket"],
                "Resource": ["arn:aws:s3:::a-bucket"],
            },
        ],
    }
