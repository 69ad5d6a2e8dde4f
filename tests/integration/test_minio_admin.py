from __future__ import annotations

import itertools
import traceback
from typing import TYPE_CHECKING

import pytest
import urllib3
from minio import MinioAdmin
from minio.credentials.providers import StaticProvider
from minio.error import S3Error

from contracts import samples
from contracts.blob_store import content, stored
from obscura_backup.adapters.minio_admin import init_bucket, least_privilege_policy
from obscura_backup.adapters.s3 import S3BlobStore
from obscura_backup.domain.errors import StoreUnusable
from servers import native, s3_servers

if TYPE_CHECKING:
    from servers.s3_servers import S3Server

pytestmark = pytest.mark.usefixtures("s3_credentials")

SERVICE_KEY = "the-service"
SERVICE_SECRET = "the-secret-of-the-service"
WRONG_SECRET = "a-wrong-secret-that-stays-here"
_numbers = itertools.count(1)


def made(server: S3Server, bucket: str, *, secret_key: str = s3_servers.SECRET_KEY) -> bool:
    return init_bucket(
        server.endpoint, bucket, region=s3_servers.REGION, access_key=s3_servers.ACCESS_KEY, secret_key=secret_key
    )


@pytest.fixture
def bucket() -> str:
    return f"made-by-init-{next(_numbers)}"


@pytest.fixture
def service(minio_server: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch) -> S3BlobStore:
    """A service whose credentials may do what the policy says and no more; it is not started yet."""
    made(minio_server, bucket)
    pool = urllib3.PoolManager(retries=False)
    admin = MinioAdmin(
        endpoint=f"127.0.0.1:{minio_server.port}",
        credentials=StaticProvider(s3_servers.ACCESS_KEY, s3_servers.SECRET_KEY),
        secure=False,
        http_client=pool,
    )
    admin.user_add(SERVICE_KEY, SERVICE_SECRET)
    admin.policy_add(bucket, policy=dict(least_privilege_policy(bucket)))
    admin.policy_set(bucket, user=SERVICE_KEY)
    pool.clear()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", SERVICE_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SERVICE_SECRET)
    return S3BlobStore(bucket, endpoint=minio_server.endpoint)


@pytest.mark.parametrize("name", ["minio_server", "versitygw_server"])
def test_bucket_is_made_once(name: str, bucket: str, request: pytest.FixtureRequest) -> None:
    server: S3Server = request.getfixturevalue(name)
    assert made(server, bucket)
    assert not made(server, bucket)
    assert server.witness().bucket_exists(bucket_name=bucket)


def test_versioning_is_left_as_it_is(minio_server: S3Server, bucket: str) -> None:
    made(minio_server, bucket)
    assert minio_server.witness().get_bucket_versioning(bucket_name=bucket).status is None


def test_wrong_secret_is_told_and_not_quoted(minio_server: S3Server, bucket: str) -> None:
    with pytest.raises(StoreUnusable) as refused:
        made(minio_server, bucket, secret_key=WRONG_SECRET)
    assert WRONG_SECRET not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize("endpoint", ["minio:9000", "ftp://minio", "http://key:secret@minio:9000", "http://"])
def test_endpoint_must_be_one(endpoint: str) -> None:
    with pytest.raises(StoreUnusable, match="endpoint"):
        init_bucket(endpoint, "bucket", region="us-east-1", access_key="key", secret_key="secret")


def test_bucket_name_must_be_one(minio_server: S3Server) -> None:
    with pytest.raises(StoreUnusable, match="name"):
        made(minio_server, "No Bucket")


def test_store_that_is_down_is_told() -> None:
    endpoint = f"http://127.0.0.1:{native.free_port()}"
    with pytest.raises(StoreUnusable, match="cannot be asked"):
        init_bucket(endpoint, "bucket", region="us-east-1", access_key="key", secret_key="secret")


async def test_policy_lets_the_service_do_all_it_does(service: S3BlobStore) -> None:
    await service.start()
    await service.check()
    user = samples.user()
    assert await service.stat(user) is None
    assert await service.open(user) is None
    first = await stored(service, user, "first")
    second = await stored(service, user, "second", replaces=first.tag)
    assert await service.stat(user) == second
    assert (await content(service, user)).startswith(b"second")
    assert [found async for found in service.scan()] == [user]
    report = await service.probe_conditional_writes()
    assert [verdict for verdict in report.verdicts if not verdict.holds] == []
    await service.close()


async def test_policy_lets_nobody_delete_a_backup_or_leave_the_bucket(
    service: S3BlobStore, minio_server: S3Server, bucket: str
) -> None:
    await service.start()
    user = samples.user()
    await stored(service, user)
    await service.close()
    elsewhere = minio_server.new_bucket()
    as_service = minio_server.witness(SERVICE_KEY, SERVICE_SECRET)
    for attempt in (
        lambda: as_service.remove_object(bucket_name=bucket, object_name=f"backups/{user}"),
        lambda: list(as_service.list_objects(bucket_name=elsewhere)),
        lambda: as_service.remove_bucket(bucket_name=bucket),
        lambda: as_service.make_bucket(bucket_name="another"),
    ):
        with pytest.raises(S3Error, match="AccessDenied"):
            attempt()
