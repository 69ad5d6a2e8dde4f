"""What an administrator's commands ask of the store, and what they make of its refusals."""

from __future__ import annotations

from typing import Any

import pytest
import urllib3
from minio.error import MinioAdminException, S3Error
from urllib3.exceptions import MaxRetryError, SSLError

from obscura_backup.adapters.s3 import admin as minio_admin
from obscura_backup.adapters.s3.admin import init_bucket, init_user, least_privilege_policy
from obscura_backup.domain.errors import StoreUnusable

ADMIN: dict[str, Any] = {"region": "a-region", "access_key": "admin", "secret_key": "admin-secret"}
USER: dict[str, Any] = {**ADMIN, "user": "service", "user_secret": "service-secret"}


def s3_error(code: str) -> S3Error:
    response: Any = None
    return S3Error(response=response, code=code, message="m", resource="r", request_id="i", host_id="h")


class Scripted:
    """The SDK's clients: whether there is a bucket, and what fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.has_bucket = False
        self.failure: Exception | None = None
        self.made_with: list[dict[str, Any]] = []
        self.pools: list[dict[str, Any]] = []
        self.calls: list[tuple[Any, ...]] = []
        self.cleared = 0
        monkeypatch.setattr(minio_admin, "Minio", self._client)
        monkeypatch.setattr(minio_admin, "MinioAdmin", self._client)
        monkeypatch.setattr(urllib3, "PoolManager", self._pool)
        monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)

    def _client(self, **given: Any) -> Scripted:
        self.made_with.append(given)
        return self

    def _pool(self, **given: Any) -> Scripted:
        self.pools.append(given)
        return self

    def clear(self) -> None:
        self.cleared += 1

    def _call(self, *called: Any) -> None:
        self.calls.append(called)
        if self.failure is not None:
            raise self.failure

    def bucket_exists(self, bucket_name: str) -> bool:
        self._call("exists", bucket_name)
        return self.has_bucket

    def make_bucket(self, bucket_name: str, location: str) -> None:
        self._call("make", bucket_name, location)

    def policy_add(self, name: str, policy: Any = None) -> None:
        self._call("policy", name, policy)

    def user_add(self, user: str, secret: str) -> None:
        self._call("user", user, secret)

    def policy_set(self, name: str, user: str) -> None:
        self._call("set", name, user)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    return Scripted(monkeypatch)


@pytest.mark.parametrize(
    ("endpoint", "place", "secure"),
    [("https://store.example", "store.example", True), ("http://store:9000", "store:9000", False)],
)
def test_a_bucket_is_made_with_all_that_was_given(store: Scripted, endpoint: str, place: str, *, secure: bool) -> None:
    assert init_bucket(endpoint, "a-bucket", **ADMIN, session_token="passing")
    assert store.calls == [("exists", "a-bucket"), ("make", "a-bucket", "a-region")]
    assert store.made_with == [
        {
            "endpoint": place,
            "access_key": "admin",
            "secret_key": "admin-secret",
            "session_token": "passing",
            "secure": secure,
            "region": "a-region",
            "http_client": store,
        }
    ]


def test_connections_have_a_time_and_are_not_tried_again_and_are_closed(store: Scripted) -> None:
    init_bucket("http://store", "a-bucket", **ADMIN)
    assert store.pools == [{"timeout": 10.0, "retries": False, "ca_certs": None}]
    assert store.cleared == 1


def test_the_authority_of_a_certificate_is_where_aws_says(store: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", "/some/authority.pem")
    init_bucket("https://store", "a-bucket", **ADMIN)
    monkeypatch.setenv("AWS_CA_BUNDLE", "")
    init_bucket("https://store", "a-bucket", **ADMIN)
    assert [pool["ca_certs"] for pool in store.pools] == ["/some/authority.pem", None]


def test_a_bucket_that_is_there_is_left_alone(store: Scripted) -> None:
    store.has_bucket = True
    assert not init_bucket("http://store", "a-bucket", **ADMIN)
    assert store.calls == [("exists", "a-bucket")]


def test_a_bucket_that_another_command_made_meanwhile_is_there(store: Scripted) -> None:
    store.failure = s3_error("BucketAlreadyOwnedByYou")
    assert not init_bucket("http://store", "a-bucket", **ADMIN)


def test_a_bucket_of_somebody_else_is_not_there(store: Scripted) -> None:
    store.failure = s3_error("BucketAlreadyExists")
    with pytest.raises(StoreUnusable, match=r"refused to make the bucket a-bucket: BucketAlreadyExists\."):
        init_bucket("http://store", "a-bucket", **ADMIN)
    assert store.cleared == 1


def test_a_name_that_no_bucket_can_have_is_told(store: Scripted) -> None:
    store.failure = ValueError("not a name")
    with pytest.raises(StoreUnusable, match="bucket name a-bucket is not one"):
        init_bucket("http://store", "a-bucket", **ADMIN)


@pytest.mark.parametrize(
    ("failure", "says"),
    [
        (OSError("gone"), r"cannot be reached at http://store \(OSError\)"),
        (MaxRetryError(None, "/", "gone"), r"cannot be reached at http://store \(MaxRetryError\)"),  # type: ignore[arg-type] # no pool
        (SSLError("CERTIFICATE_VERIFY_FAILED: self-signed"), "AWS_CA_BUNDLE names the file"),
    ],
)
def test_a_store_that_cannot_be_reached_is_told_from_one_that_is_not_trusted(
    store: Scripted, failure: Exception, says: str
) -> None:
    store.failure = failure
    with pytest.raises(StoreUnusable, match=says):
        init_bucket("http://store", "a-bucket", **ADMIN)


@pytest.mark.parametrize("endpoint", ["store", "ftp://store", "http://", "http://admin@store", "https:///path"])
def test_an_endpoint_that_is_none_is_refused_before_anything_is_asked(store: Scripted, endpoint: str) -> None:
    with pytest.raises(StoreUnusable, match="has the form"):
        init_bucket(endpoint, "a-bucket", **ADMIN)
    assert (store.pools, store.made_with) == ([], [])


def test_a_user_gets_its_policy_before_it_can_do_anything(store: Scripted) -> None:
    init_user("https://store", "a-bucket", **USER, session_token="passing")
    assert store.calls == [
        ("policy", "obscura-backup-a-bucket", least_privilege_policy("a-bucket")),
        ("user", "service", "service-secret"),
        ("set", "obscura-backup-a-bucket", "service"),
    ]
    (given,) = store.made_with
    credentials = given.pop("credentials").retrieve()
    assert given == {"endpoint": "store", "secure": True, "region": "a-region", "http_client": store}
    assert (credentials.access_key, credentials.secret_key, credentials.session_token) == (
        "admin",
        "admin-secret",
        "passing",
    )


def test_the_administrator_does_not_lose_its_rights_to_the_service(store: Scripted) -> None:
    with pytest.raises(StoreUnusable, match="different access keys"):
        init_user("https://store", "a-bucket", **{**USER, "user": "admin"})
    assert store.calls == []


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ('{"Code": "XMinioAdminInvalidSecretKey"}', "XMinioAdminInvalidSecretKey (its secret needs 8 characters"),
        ('{"Code":"XMinioAdminInvalidAccessKey"}', "XMinioAdminInvalidAccessKey (it needs 3 characters"),
        ("<Code>SignatureDoesNotMatch</Code>", "SignatureDoesNotMatch (the administrator's secret key is wrong"),
        ("<Code>InvalidAccessKeyId</Code>", "InvalidAccessKeyId (the administrator's access key is unknown"),
        ("<Code>AccessDenied</Code>", "AccessDenied (the administrator's credentials may not"),
        ("<html>", "404 (is it a MinIO server?"),
        ('{"Code": "SomethingElse"}', "SomethingElse (is it a MinIO server?"),
    ],
)
def test_a_refusal_is_told_by_its_code_and_what_it_means(store: Scripted, body: str, says: str) -> None:
    store.failure = MinioAdminException("404", body)
    with pytest.raises(StoreUnusable) as refused:
        init_user("https://store", "a-bucket", **USER)
    assert f"refused to make the user service: {says}" in str(refused.value)
    assert "service-secret" not in str(refused.value)


def test_the_policy_lets_the_service_do_what_it_does_and_nothing_else() -> None:
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
