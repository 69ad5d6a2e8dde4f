"""The commands of an operator: `migrate`, `init-bucket` and `doctor`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from obscura_backup.adapters.postgres import schema as postgres_schema
from obscura_backup.adapters.s3 import admin, minio_users
from obscura_backup.adapters.s3.location import S3Location
from obscura_backup.domain.errors import MetadataUnavailable, StoreUnusable
from obscura_backup.entrypoints import doctor
from obscura_backup.entrypoints.doctor import Check
from support.table import table

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from support.servers.in_process.server import Ran


S3 = "s3://a-bucket?endpoint=http://localhost:9"


def test_migrations_are_named(run: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def migrate(url: str) -> list[str]:
        asked.append(url)
        return ["0001", "0002"] if len(asked) == 1 else []

    monkeypatch.setattr(postgres_schema, "migrate", migrate)
    first, second = (run("migrate", "--metadata-url", "postgresql://localhost/db") for _ in range(2))
    assert (first.code, first.out) == (0, "Applied 0001, 0002.\n")
    assert (second.code, second.out) == (0, "Nothing to do: the schema is up to date.\n")
    assert asked == ["postgresql://localhost/db"] * 2


@table("url", ["sqlite:////tmp/a.db", "memory:"])
def test_only_postgresql_is_migrated(run: Callable[..., Ran], url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_schema, "migrate", lambda _: pytest.fail("migrated"))
    ran = run("migrate", "--metadata-url", url)
    assert (ran.code, ran.out) == (0, "")
    assert "only a PostgreSQL store has migrations" in ran.err


@table("kind", [StoreUnusable, MetadataUnavailable])
def test_failed_migration_gives_the_reason_in_one_sentence(
    run: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    def failing(_: str) -> Any:
        raise kind from OSError("connection refused")

    monkeypatch.setattr(postgres_schema, "migrate", failing)
    ran = run("migrate", "--metadata-url", "postgresql://localhost/db")
    assert (ran.code, ran.out) == (3, "")
    assert "(connection refused)" in ran.err
    assert "Traceback" not in ran.err


class Administered:
    """Records what would be set up in the store."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, made: bool = True, failure: Exception | None = None) -> None:
        self.buckets: list[S3Location] = []
        self.users: list[tuple[S3Location, str, str]] = []
        self._made, self._failure = made, failure
        monkeypatch.setattr(admin, "init_bucket", self._bucket)
        monkeypatch.setattr(minio_users, "init_user", self._user)

    def _bucket(self, location: S3Location) -> bool:
        if self._failure is not None:
            raise self._failure
        self.buckets.append(location)
        return self._made

    def _user(self, location: S3Location, user: str, user_secret: str) -> None:
        self.users.append((location, user, user_secret))


KEYS = {"AWS_ACCESS_KEY_ID": "admin", "AWS_SECRET_ACCESS_KEY": "admin's secret"}
SERVICE_KEYS = {"MINIO_SERVICE_ACCESS_KEY": "service", "MINIO_SERVICE_SECRET_KEY": "service's secret"}
STORE = S3Location("a-bucket", "http://localhost:9", "us-east-1")


@table(("made", "says"), [(True, "Created the bucket a-bucket."), (False, "The bucket a-bucket exists.")])
def test_missing_bucket_is_created(
    run: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, says: str, *, made: bool
) -> None:
    store = Administered(monkeypatch, made=made)
    ran = run("init-bucket", "--blobs-url", S3, **KEYS)
    assert (ran.code, ran.out) == (0, f"{says}\n")
    assert store.buckets == [STORE]
    assert store.users == []


def test_user_of_the_service_is_created_on_request(run: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    store = Administered(monkeypatch)
    ran = run("init-bucket", "--blobs-url", S3, "--minio-user", **KEYS, **SERVICE_KEYS)
    assert ran.code == 0
    assert store.users == [(STORE, "service", "service's secret")]
    assert "The user service has the rights that the service needs in this bucket, and no others." in ran.out


@pytest.mark.parametrize("missing", [*KEYS, *SERVICE_KEYS])
def test_missing_keys_are_named_before_anything_is_done(
    run: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    store = Administered(monkeypatch)
    given = {name: value for name, value in {**KEYS, **SERVICE_KEYS}.items() if name != missing}
    ran = run("init-bucket", "--blobs-url", S3, "--minio-user", **given)
    assert (ran.code, ran.out, store.buckets) == (2, "", [])
    assert missing in ran.err


@pytest.mark.parametrize(
    ("url", "environment", "region"),
    [
        ("&region=eu-west-1", {"AWS_REGION": "b", "AWS_DEFAULT_REGION": "c"}, "eu-west-1"),
        ("", {"AWS_REGION": "b", "AWS_DEFAULT_REGION": "c"}, "b"),
        ("", {"AWS_DEFAULT_REGION": "c"}, "c"),
        ("", {}, "us-east-1"),
    ],
)
def test_region_of_a_bucket(
    run: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, url: str, environment: dict[str, str], region: str
) -> None:
    store = Administered(monkeypatch)
    assert run("init-bucket", "--blobs-url", S3 + url, **KEYS, **environment).code == 0
    assert store.buckets[0].region == region


def test_bucket_without_an_endpoint_is_created_at_aws(run: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    store = Administered(monkeypatch)
    run("init-bucket", "--blobs-url", "s3://a-bucket?region=eu-west-1", **KEYS)
    assert store.buckets == [S3Location("a-bucket", None, "eu-west-1")]


def test_policy_is_printed_and_nothing_is_done(run: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    store = Administered(monkeypatch)
    ran = run("init-bucket", "--blobs-url", S3, "--policy")
    assert ran.code == 0
    assert json.loads(ran.out) == admin.least_privilege_policy("a-bucket")
    assert ran.out.splitlines()[1].startswith('  "')
    assert store.buckets == []


@table(
    ("url", "instead"),
    [
        ("memory:", "begins with s3:.\n"),
        ("gs://a-bucket", "Run `gcloud storage buckets create gs://a-bucket` instead."),
        ("az://a-container", "Run `az storage container create --name a-container` instead."),
    ],
)
def test_only_buckets_of_s3_are_made(
    run: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, url: str, instead: str
) -> None:
    store = Administered(monkeypatch)
    ran = run("init-bucket", "--blobs-url", url, **KEYS)
    assert (ran.code, store.buckets) == (2, [])
    assert "begins with s3:" in ran.err
    assert instead in ran.err


def test_failure_to_create_a_bucket_exits_as_an_unusable_store(
    run: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    Administered(monkeypatch, failure=StoreUnusable("The keys are wrong."))
    ran = run("init-bucket", "--blobs-url", S3, **KEYS)
    assert (ran.code, ran.out, ran.err) == (3, "", "Error: The keys are wrong.\n")


GOOD = Check("blobs", "answers", holds=True, seconds=0.0015)
WARNING = Check("blobs", "free space", holds=False, detail="7 MiB", must=False)
BAD = Check("metadata", "is writable", holds=False, detail="a standby")


@table(
    ("checks", "code", "says"),
    [
        ([GOOD], 0, "All 1 checks passed."),
        ([GOOD, WARNING], 0, "All 2 checks passed."),
        ([BAD, GOOD], 5, "1 of 2 checks failed."),
    ],
)
def test_summary_counts_the_checks(
    run: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, checks: list[Check], code: int, says: str
) -> None:
    script(monkeypatch, checks)
    ran = run("doctor")
    assert (ran.code, ran.err) == (code, f"{says}\n")
    assert len(ran.out.splitlines()) == len(checks)
    script(monkeypatch, checks)
    ran = run("doctor", "--json")
    assert (ran.code, ran.err) == (code, "")
    assert [json.loads(line)["name"] for line in ran.out.splitlines()] == [check.name for check in checks]


def script(monkeypatch: pytest.MonkeyPatch, checks: list[Check]) -> None:
    async def examine(_: object) -> AsyncIterator[Check]:
        for check in checks:
            yield check

    monkeypatch.setattr(doctor, "examine", examine)


def test_each_check_is_one_line(run: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    script(monkeypatch, [GOOD, WARNING, BAD])
    assert run("doctor").out.splitlines() == [
        "ok    blobs          1.5 ms  answers",
        "warn  blobs                  free space: 7 MiB",
        "FAIL  metadata               is writable: a standby",
    ]


def test_check_as_json_has_all_its_parts(run: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    script(monkeypatch, [WARNING])
    assert json.loads(run("doctor", "--json").out) == {
        "part": "blobs",
        "name": "free space",
        "holds": False,
        "detail": "7 MiB",
        "seconds": None,
        "must": False,
    }
