"""Users' backups as an operator handles them on PostgreSQL and MinIO: list, show, export, delete, reap, erase."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import boto3  # type: ignore[import-untyped]  # it ships no types

from contracts import samples
from contracts.http_people import blob
from obscura_backup.domain.blob import Blob
from obscura_backup.domain.model import NO_VERSION, UserId
from obscura_backup.domain.service import BackupService
from obscura_backup.entrypoints.container import Container, started
from obscura_backup.entrypoints.settings import load_settings
from support.servers.service import Person
from support.servers.stores.s3_server import ACCESS_KEY, SECRET_KEY

if TYPE_CHECKING:
    import pytest

    from support.servers.fleet import Fleet

DEPLOYMENT = Path(__file__).resolve().parents[3] / "docs" / "deployment.md"
LONG_AGO = datetime.now(UTC) - timedelta(days=500)


class _LongAgo:
    def now(self) -> datetime:
        return LONG_AGO


async def upload_long_ago(fleet: Fleet, users: list[UserId]) -> None:
    container = Container(settings=load_settings({}, fleet.environment()))
    async with started(container, tokens=False):
        service = BackupService(container.metadata(), container.blobs(), _LongAgo())
        for user in users:
            await service.upload(user, NO_VERSION, Blob.of(blob()))


def test_user_is_shown_exported_and_deleted(fleet: Fleet, tmp_path: Path) -> None:
    service = fleet.service()
    large, small = Person.of(service), Person.of(service)
    content = blob(5000)
    large.upload(content)
    small.upload(blob(100))
    listed = fleet.command("user", "list", "--by", "size", "--json").splitlines()
    assert [UUID(json.loads(line)["user_id"]) for line in listed] == [large.user_id, small.user_id]
    shown = json.loads(fleet.command("user", "show", str(large.user_id), "--json"))
    assert (shown["state"], shown["version"], shown["size"], shown["difference"]) == ("backup", 1, 5000, None)
    fleet.command("user", "export", str(large.user_id), "--out", str(tmp_path / "blob"))
    assert (tmp_path / "blob").read_bytes() == content
    fleet.command("user", "delete", str(large.user_id), "--yes")
    assert large.download().status == 404
    assert small.download().status == 200
    assert large.upload(blob()).etag == '"3"'  # a deletion takes a version, too


def test_inactive_backups_are_reaped_beside_uploads(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in fleet.environment().items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    inactive = [samples.user() for _ in range(20)]
    returning = inactive[0]
    asyncio.run(upload_long_ago(fleet, inactive))
    service = fleet.service()
    active = Person.of(service)
    ended, acknowledged = threading.Event(), []

    def upload() -> None:
        version = 0
        while not ended.is_set():
            answer = active.upload(blob(), if_match=str(version) if version else None)
            assert answer.status in (200, 201)
            version += 1
            acknowledged.append(answer.etag)

    uploads = threading.Thread(target=upload)
    uploads.start()
    try:
        found = fleet.command("reap", "--inactive-for", "400d", "--json").splitlines()
        assert {json.loads(line).get("outcome") for line in found[:-1]} == {"inactive"}
        assert json.loads(found[-1])["outcomes"] == {"inactive": 20}
        back = Person(service, returning, service.token(returning))
        assert back.upload(blob(), if_match="1").etag == '"2"'
        result = fleet.run("reap", "--inactive-for", "400d", "--yes", "--per-second", "1000")
        assert (result.returncode, result.stdout.count("Inactive; deleted.")) == (0, 19)
    finally:
        ended.set()
        uploads.join()
    assert (back.download().status, back.describe().etag) == (200, '"2"')
    assert active.describe().etag == acknowledged[-1]
    assert len(fleet.command("user", "list").splitlines()) == 2
    assert fleet.run("scrub").returncode == 0


def test_lifecycle_rules_of_the_manual_suit_a_versioned_bucket(fleet: Fleet) -> None:
    client: Any = boto3.client(
        "s3",
        endpoint_url=fleet.s3.endpoint,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        region_name="us-east-1",
    )
    try:
        client.put_bucket_versioning(Bucket=fleet.bucket, VersioningConfiguration={"Status": "Enabled"})
        block = re.search(r"```json\n(\{\s+\"Rules\".*?)```", DEPLOYMENT.read_text(encoding="utf-8"), re.DOTALL)
        assert block is not None
        rules = json.loads(block[1])
        client.put_bucket_lifecycle_configuration(Bucket=fleet.bucket, LifecycleConfiguration=rules)
        kept = client.get_bucket_lifecycle_configuration(Bucket=fleet.bucket)["Rules"]
        assert {rule["ID"] for rule in kept} == {"delete-replaced-backups", "delete-probes"}
        person = Person.of(fleet.service())
        person.upload(blob(1000))
        fleet.command("user", "delete", str(person.user_id), "--yes")
        versions = client.list_object_versions(Bucket=fleet.bucket, Prefix="backups/")["Versions"]
        sizes = {version["IsLatest"]: version["Size"] for version in versions}
        assert sizes == {True: 32, False: 1016}, "the replaced blob is what the rule has to delete"
    finally:
        client.close()
