from __future__ import annotations

import io
import itertools
import subprocess
import traceback
from typing import TYPE_CHECKING

import pytest
import urllib3
from minio import MinioAdmin
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException, S3Error

from contracts import samples
from contracts.blob_store import content, stored
from obscura_backup.adapters.s3.admin import init_bucket
from obscura_backup.adapters.s3.location import S3Location
from obscura_backup.adapters.s3.minio_users import init_user
from obscura_backup.domain.errors import StoreUnusable
from support.servers.programs import native
from support.servers.service import COMMAND, Person, Service
from support.servers.stores import s3_server

if TYPE_CHECKING:
    from pathlib import Path

    from obscura_backup.adapters.object_stores.store import ObjectBlobStore
    from support.servers.stores.s3_server import S3Server
    from support.servers.stores.s3_store import MakeStore


SERVICE_KEY = "the-service"
SERVICE_SECRET = "the-secret-of-the-service"
WRONG_SECRET = "a-wrong-secret-that-stays-here"
_numbers = itertools.count(1)


def made(server: S3Server, bucket: str) -> bool:
    return init_bucket(S3Location(bucket, server.endpoint, s3_server.REGION))


def made_user(server: S3Server, bucket: str, *, user: str = SERVICE_KEY, user_secret: str = SERVICE_SECRET) -> None:
    init_user(S3Location(bucket, server.endpoint, s3_server.REGION), user, user_secret)


@pytest.fixture
def bucket() -> str:
    return f"made-by-init-{next(_numbers)}"


@pytest.fixture
def service(
    minio_server: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch, implementation: MakeStore
) -> ObjectBlobStore:
    """A service whose credentials may do what the policy says and no more; it is not started yet."""
    made(minio_server, bucket)
    made_user(minio_server, bucket)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", SERVICE_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SERVICE_SECRET)
    return implementation(bucket, endpoint=minio_server.endpoint)


@pytest.mark.parametrize("name", ["minio_server", "versitygw_server"])
def test_bucket_is_made_once(name: str, bucket: str, request: pytest.FixtureRequest) -> None:
    server: S3Server = request.getfixturevalue(name)
    assert made(server, bucket)
    assert not made(server, bucket)
    assert server.witness().bucket_exists(bucket_name=bucket)


def test_versioning_is_left_as_it_is(minio_server: S3Server, bucket: str) -> None:
    made(minio_server, bucket)
    assert minio_server.witness().get_bucket_versioning(bucket_name=bucket).status is None


def test_wrong_secret_is_told_and_not_quoted(
    minio_server: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", WRONG_SECRET)
    with pytest.raises(StoreUnusable, match="SignatureDoesNotMatch") as refused:
        made(minio_server, bucket)
    assert WRONG_SECRET not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize("endpoint", ["minio:9000", "http://"])
def test_endpoint_must_be_one(endpoint: str) -> None:
    """More kinds are refused where the URL of the blobs is read."""
    with pytest.raises(StoreUnusable, match="endpoint"):
        init_bucket(S3Location("bucket", endpoint))


def test_bucket_name_must_be_one(minio_server: S3Server) -> None:
    with pytest.raises(StoreUnusable, match="name"):
        made(minio_server, "No Bucket")


def test_store_that_is_down_is_told() -> None:
    endpoint = f"http://127.0.0.1:{native.free_port()}"
    with pytest.raises(StoreUnusable, match="does not answer"):
        init_bucket(S3Location("bucket", endpoint))
    with pytest.raises(StoreUnusable, match="cannot be reached"):
        init_user(S3Location("bucket", endpoint), SERVICE_KEY, SERVICE_SECRET)


async def test_policy_lets_the_service_do_all_it_does(service: ObjectBlobStore) -> None:
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
    assert [result for result in report.results if not result.passed] == []
    await service.close()


async def test_policy_forbids_deleting_a_backup_and_leaving_the_bucket(
    service: ObjectBlobStore, minio_server: S3Server, bucket: str
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
        lambda: as_service.put_object(bucket_name=bucket, object_name="elsewhere", data=io.BytesIO(b"x"), length=1),
        lambda: as_service.get_object(bucket_name=elsewhere, object_name=f"backups/{user}"),
        lambda: as_service.get_bucket_versioning(bucket_name=bucket),
        lambda: as_service.delete_bucket_policy(bucket_name=bucket),
    ):
        with pytest.raises(S3Error, match="AccessDenied"):
            attempt()
    assert [found.name for found in as_service.list_buckets()] == [bucket]


def test_user_is_made_again_with_a_new_secret(minio_server: S3Server, bucket: str) -> None:
    made(minio_server, bucket)
    made_user(minio_server, bucket)
    made_user(minio_server, bucket)
    made_user(minio_server, bucket, user_secret="another-secret-of-the-service")
    with pytest.raises(S3Error):
        list(minio_server.witness(SERVICE_KEY, SERVICE_SECRET).list_objects(bucket_name=bucket))
    assert (
        list(minio_server.witness(SERVICE_KEY, "another-secret-of-the-service").list_objects(bucket_name=bucket)) == []
    )


def test_user_that_could_do_more_is_cut_down(minio_server: S3Server, bucket: str) -> None:
    made(minio_server, bucket)
    made_user(minio_server, bucket, user="once-mighty")
    pool = urllib3.PoolManager(retries=False)
    admin = MinioAdmin(
        endpoint=f"127.0.0.1:{minio_server.port}",
        credentials=StaticProvider(s3_server.ACCESS_KEY, s3_server.SECRET_KEY),
        secure=False,
        http_client=pool,
    )
    admin.attach_policy(["readwrite", "consoleAdmin"], user="once-mighty")
    as_user = minio_server.witness("once-mighty", SERVICE_SECRET)
    as_user.make_bucket(bucket_name=f"{bucket}-by-the-mighty")
    made_user(minio_server, bucket, user="once-mighty")
    with pytest.raises(S3Error, match="AccessDenied"):
        as_user.make_bucket(bucket_name=f"{bucket}-by-the-fallen")
    with pytest.raises(MinioAdminException):
        MinioAdmin(
            endpoint=f"127.0.0.1:{minio_server.port}",
            credentials=StaticProvider("once-mighty", SERVICE_SECRET),
            secure=False,
            http_client=pool,
        ).user_list()
    pool.clear()


@pytest.mark.parametrize(
    ("user", "user_secret", "told"),
    [
        (s3_server.ACCESS_KEY, SERVICE_SECRET, "different access keys"),
        ("no", SERVICE_SECRET, "3 characters"),
        ("short-secret", "seven77", "8 characters"),
    ],
)
def test_user_that_cannot_be_made_is_told(
    minio_server: S3Server, bucket: str, user: str, user_secret: str, told: str
) -> None:
    with pytest.raises(StoreUnusable, match=told) as refused:
        made_user(minio_server, bucket, user=user, user_secret=user_secret)
    assert user_secret not in "".join(traceback.format_exception(refused.value))


def test_wrong_secret_of_the_administrator_makes_no_user(
    minio_server: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", WRONG_SECRET)
    with pytest.raises(StoreUnusable, match="administrator") as refused:
        made_user(minio_server, bucket)
    assert WRONG_SECRET not in "".join(traceback.format_exception(refused.value))


def test_user_at_aws_is_refused() -> None:
    with pytest.raises(StoreUnusable, match="AWS"):
        init_user(S3Location("bucket"), SERVICE_KEY, SERVICE_SECRET)


def test_store_without_such_users_is_told(versitygw_server: S3Server, bucket: str) -> None:
    with pytest.raises(StoreUnusable, match="is it a MinIO server"):
        made_user(versitygw_server, bucket)


def test_service_runs_as_the_user_that_the_command_made(minio_server: S3Server, bucket: str, tmp_path: Path) -> None:
    """As in compose.yaml: the command has the administrator's keys, and the service has its own."""
    store = {"OBSCURA_BACKUP_BLOBS_URL": f"s3://{bucket}?endpoint={minio_server.endpoint}"}
    keys = {"MINIO_SERVICE_ACCESS_KEY": "made-by-command", "MINIO_SERVICE_SECRET_KEY": "a-secret-that-nothing-prints"}
    administrator = Service(tmp_path / "data", {**store, **keys})
    for _ in range(2):
        done = commanded(administrator, "init-bucket", "--minio-user")
        assert (done.returncode, "made-by-command" in done.stdout) == (0, True), done.stderr
        assert "a-secret-that-nothing-prints" not in done.stdout + done.stderr
    service = Service(
        tmp_path / "data",
        {**store, "AWS_ACCESS_KEY_ID": "made-by-command", "AWS_SECRET_ACCESS_KEY": "a-secret-that-nothing-prints"},
    )
    service.start()
    try:
        person = Person.of(service)
        assert person.upload(b"x" * 32).status == 200
        assert person.download().body == b"x" * 32
        assert person.delete(if_match="1").status == 204
        doctor = commanded(service, "doctor")
        assert doctor.returncode == 0, doctor.stdout
    finally:
        service.kill()


@pytest.mark.parametrize("missing", ["MINIO_SERVICE_ACCESS_KEY", "MINIO_SERVICE_SECRET_KEY", "AWS_SECRET_ACCESS_KEY"])
def test_key_that_is_missing_is_named(minio_server: S3Server, tmp_path: Path, missing: str) -> None:
    environment = {
        "OBSCURA_BACKUP_BLOBS_URL": f"s3://never-made?endpoint={minio_server.endpoint}",
        "MINIO_SERVICE_ACCESS_KEY": "half-given",
        "MINIO_SERVICE_SECRET_KEY": "half-given-secret",
        missing: "",
    }
    done = commanded(Service(tmp_path, environment), "init-bucket", "--minio-user")
    assert (done.returncode, missing in done.stderr) == (2, True)
    assert not minio_server.witness().bucket_exists(bucket_name="never-made")


def commanded(service: Service, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One of the operator's commands, in the environment of this service."""
    return subprocess.run(
        [str(COMMAND), *arguments],
        env={**service.full_environment(), "OBSCURA_BACKUP_DATA_DIR": str(service.data_dir)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
