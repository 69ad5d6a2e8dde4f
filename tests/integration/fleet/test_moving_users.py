"""Users move to another database and another bucket, by the steps of docs/deployment.md."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import boto3  # type: ignore[import-untyped]  # it ships no types

from support import moving_users
from support.servers.fleet import Fleet
from support.servers.service import Person
from support.servers.stores.s3_server import ACCESS_KEY, REGION, SECRET_KEY

if TYPE_CHECKING:
    from pathlib import Path

    from support.servers.stores.postgres_server import PostgresServer
    from support.servers.stores.s3_server import S3Server


def test_users_move_with_their_versions_and_the_old_pair_forgets_them(
    fleet: Fleet, postgres_server: PostgresServer, minio_server: S3Server, tmp_path: Path
) -> None:
    old = fleet.service()
    people = [Person.of(old) for _ in range(12)]
    for person in people:
        assert person.upload(person.user_id.bytes * 4).etag == '"1"'
    digits = hash_of(people[0])[0]
    moving = [person for person in people if hash_of(person).startswith(digits)]
    bucket = boto3.client(
        "s3",
        endpoint_url=minio_server.endpoint,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        region_name=REGION,
    )
    with Fleet(postgres_server, minio_server, tmp_path / "new") as other:
        assert copy(bucket, fleet.bucket, other.bucket, digits) == len(moving)
        moving[0].upload(b"changed meanwhile" * 4, '"1"')
        assert copy(bucket, fleet.bucket, other.bucket, digits) == 1
        *findings, summary = map(json.loads, other.command("scrub", "--repair", "--json").splitlines())
        assert [finding["difference"] for finding in findings] == ["row-missing"] * len(moving)
        assert summary["slots"] == len(moving)
        new = other.service()
        for person in moving:
            person.service = new
        assert moving[0].download().body == b"changed meanwhile" * 4
        assert moving[0].upload(b"and after" * 8, '"2"').etag == '"3"'
        for person in moving[1:]:
            assert person.download().body == person.user_id.bytes * 4

        for key, _ in objects(bucket, fleet.bucket, digits):
            bucket.delete_object(Bucket=fleet.bucket, Key=key)
        postgres_server.execute(moving_users.statement_to_remove_rows(digits), database=fleet.database)
        assert json.loads(fleet.command("scrub", "--json"))["slots"] == len(people) - len(moving)
        for person in people:
            assert person.download().status == 200


def hash_of(person: Person) -> str:
    return hashlib.sha256(str(person.user_id).encode()).hexdigest()


def objects(bucket: Any, name: str, digits: str) -> list[tuple[str, str]]:
    """Keys and ETags of the users with these digits, as the AWS command line lists them."""
    pages = bucket.get_paginator("list_objects_v2").paginate(Bucket=name, Prefix="backups/")
    lines = [f"{found['Key']}\t{found['ETag']}" for page in pages for found in page.get("Contents", [])]
    return [(key, etag) for key, _, etag in (line.partition("\t") for line in moving_users.pick(lines, digits))]


def copy(bucket: Any, old: str, new: str, digits: str) -> int:
    """Copy the objects that differ; how many."""
    there = set(objects(bucket, new, digits))
    keys = [key for key, etag in objects(bucket, old, digits) if (key, etag) not in there]
    for key in keys:
        bucket.copy_object(Bucket=new, Key=key, CopySource={"Bucket": old, "Key": key})
    return len(keys)
