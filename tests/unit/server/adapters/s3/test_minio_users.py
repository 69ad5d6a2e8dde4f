"""How the service's user is made in MinIO, and what a refusal becomes."""

from __future__ import annotations

import re
from typing import Any

import pytest
import urllib3
from minio.error import MinioAdminException, MinioException
from urllib3.exceptions import HTTPError

from obscura_backup.adapters.s3 import minio_users
from obscura_backup.adapters.s3.admin import least_privilege_policy
from obscura_backup.adapters.s3.location import S3Location
from obscura_backup.adapters.s3.minio_users import init_user
from obscura_backup.domain.errors import StoreUnusable
from support.table import table

LOCATION = S3Location("a-bucket", "https://store.example", "a-region")
SECRET = "service-secret"


class ScriptedMinio:
    """The SDK's client and its connection pool; each call raises `failure` if there is one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.failure: Exception | None = None
        self.made_with: list[dict[str, Any]] = []
        self.pools: list[dict[str, Any]] = []
        self.calls: list[tuple[Any, ...]] = []
        self.cleared = 0
        monkeypatch.setattr(minio_users, "MinioAdmin", self._client)
        monkeypatch.setattr(urllib3, "PoolManager", self._pool)
        monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "admin")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "admin-secret")
        monkeypatch.setenv("AWS_SESSION_TOKEN", "a-session")

    def _client(self, **given: Any) -> ScriptedMinio:
        self.made_with.append(given)
        return self

    def _pool(self, **given: Any) -> ScriptedMinio:
        self.pools.append(given)
        return self

    def clear(self) -> None:
        self.cleared += 1

    def _call(self, *called: Any) -> None:
        self.calls.append(called)
        if self.failure is not None:
            raise self.failure

    def policy_add(self, name: str, policy: Any = None) -> None:
        self._call("policy", name, policy)

    def user_add(self, user: str, secret: str) -> None:
        self._call("user", user, secret)

    def policy_set(self, name: str, user: str) -> None:
        self._call("set", name, user)


@pytest.fixture
def minio(monkeypatch: pytest.MonkeyPatch) -> ScriptedMinio:
    return ScriptedMinio(monkeypatch)


@pytest.mark.parametrize(
    ("endpoint", "authority", "secure"),
    [("https://store.example", "store.example", True), ("http://store:9000", "store:9000", False)],
)
def test_sdk_gets_the_endpoint_and_the_credentials_of_the_administrator(
    minio: ScriptedMinio, endpoint: str, authority: str, *, secure: bool
) -> None:
    init_user(S3Location("a-bucket", endpoint, "a-region"), "service", SECRET)
    (options,) = minio.made_with
    credentials = options.pop("credentials").retrieve()
    assert options == {"endpoint": authority, "secure": secure, "region": "a-region", "http_client": minio}
    assert (credentials.access_key, credentials.secret_key, credentials.session_token) == (
        "admin",
        "admin-secret",
        "a-session",
    )


def test_region_without_a_setting_is_the_default(minio: ScriptedMinio) -> None:
    init_user(S3Location("a-bucket", "https://store.example"), "service", SECRET)
    assert minio.made_with[0]["region"] == "us-east-1"


def test_connections_have_a_timeout_and_no_retries_and_are_closed(minio: ScriptedMinio) -> None:
    init_user(LOCATION, "service", SECRET)
    assert minio.pools == [{"timeout": 10.0, "retries": False, "ca_certs": None}]
    assert minio.cleared == 1


def test_certificates_are_checked_by_the_authority_of_aws_ca_bundle(
    minio: ScriptedMinio, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value in ("/some/authority.pem", ""):
        monkeypatch.setenv("AWS_CA_BUNDLE", value)
        init_user(LOCATION, "service", SECRET)
    assert [pool["ca_certs"] for pool in minio.pools] == ["/some/authority.pem", None]


def test_user_gets_its_secret_after_its_policy_exists(minio: ScriptedMinio) -> None:
    init_user(LOCATION, "service", SECRET)
    assert minio.calls == [
        ("policy", "obscura-backup-a-bucket", least_privilege_policy("a-bucket")),
        ("user", "service", SECRET),
        ("set", "obscura-backup-a-bucket", "service"),
    ]


@table(
    ("location", "user", "message"),
    [
        (LOCATION, "admin", "must have different access keys"),  # else the administrator would lose its rights
        (S3Location("a-bucket"), "service", "AWS has no MinIO users"),
    ],
)
def test_impossible_user_is_refused_before_any_request(
    minio: ScriptedMinio, location: S3Location, user: str, message: str
) -> None:
    with pytest.raises(StoreUnusable, match=message):
        init_user(location, user, SECRET)
    assert (minio.pools, minio.made_with, minio.calls) == ([], [], [])


@pytest.mark.parametrize(
    "failure", [OSError("gone"), ValueError("not an endpoint"), HTTPError("gone"), MinioException("gone")]
)
def test_unreachable_server_is_named(minio: ScriptedMinio, failure: Exception) -> None:
    minio.failure = failure
    reason = re.escape(f"cannot be reached at https://store.example ({type(failure).__name__}).")
    with pytest.raises(StoreUnusable, match=reason):
        init_user(LOCATION, "service", SECRET)
    assert minio.cleared == 1


@table(
    ("body", "reason"),
    [
        ('{"Code": "XMinioAdminInvalidSecretKey"}', "XMinioAdminInvalidSecretKey (its secret needs at least 8"),
        ('{"Code":"XMinioAdminInvalidAccessKey"}', "XMinioAdminInvalidAccessKey (it needs at least 3"),
        ("<Code>SignatureDoesNotMatch</Code>", "SignatureDoesNotMatch (the administrator's secret key is wrong"),
        ("<Code>InvalidAccessKeyId</Code>", "InvalidAccessKeyId (the administrator's access key is unknown"),
        ("<Code>AccessDenied</Code>", "AccessDenied (the administrator's credentials do not allow it"),
        ("<html>", "404 (is it a MinIO server?"),
        ('{"Code": "SomethingElse"}', "SomethingElse (is it a MinIO server?"),
    ],
)
def test_refusal_is_quoted_by_its_code_with_a_hint(minio: ScriptedMinio, body: str, reason: str) -> None:
    minio.failure = MinioAdminException("404", body)
    with pytest.raises(StoreUnusable) as raised:
        init_user(LOCATION, "service", SECRET)
    assert f"refused to make the user service: {reason}" in str(raised.value)
    assert SECRET not in str(raised.value)
