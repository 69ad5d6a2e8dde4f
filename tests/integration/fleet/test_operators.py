"""What operators do with a fleet: doctor, migrate, init-bucket, scrub, and what is refused at the start."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from contracts.http_people import blob
from support.servers.fleet import Fleet
from support.servers.service import Person

if TYPE_CHECKING:
    from pathlib import Path

    from support.servers.stores.postgres_server import PostgresServer
    from support.servers.stores.s3_server import S3Server


def checks(fleet: Fleet, code: int = 0) -> dict[str, dict[str, Any]]:
    result = fleet.run("doctor", "--json")
    assert result.returncode == code, result.stdout + result.stderr
    return {f"{check['part']}: {check['name']}": check for check in map(json.loads, result.stdout.splitlines())}


def test_doctor_tells_which_store_is_down_and_no_secret(fleet: Fleet) -> None:
    found = checks(fleet)
    assert all(check["holds"] for check in found.values())
    assert "PostgreSQL" in found["metadata: technology"]["detail"]
    assert found["blobs: refuses a stale tag"]["holds"]
    fleet.to_postgres.refuse()
    found = checks(fleet, code=5)
    assert not found["metadata: PostgreSQL answers"]["holds"]
    assert found["blobs: answers"]["holds"]
    fleet.to_postgres.listen()
    fleet.to_s3.refuse()
    found = checks(fleet, code=5)
    assert found["metadata: answers"]["holds"]
    assert not found["blobs: conditional writes"]["holds"]
    fleet.to_postgres.refuse()
    shown = fleet.run("doctor")
    environment = fleet.environment()
    password = environment["OBSCURA_BACKUP_METADATA_URL"].split(":")[2].split("@")[0]
    for secret in (environment["AWS_SECRET_ACCESS_KEY"], f":{password}@"):
        assert secret not in shown.stdout + shown.stderr


def test_missing_schema_and_missing_bucket_are_named(
    postgres_server: PostgresServer, minio_server: S3Server, tmp_path: Path
) -> None:
    fleet = Fleet(postgres_server, minio_server, tmp_path)
    with fleet.to_postgres, fleet.to_s3:
        result = fleet.run("serve", "--port", "0")
        assert (result.returncode, "obscura-backup migrate" in result.stderr) == (3, True)
        found = checks(fleet, code=5)
        assert "migrate" in found["metadata: schema is up to date"]["detail"]
        assert fleet.command("migrate").startswith("Applied")
        assert "up to date" in fleet.command("migrate")
        fleet.bucket = f"missing-{uuid4().hex[:8]}"
        result = fleet.run("serve", "--port", "0")
        assert (result.returncode, "obscura-backup init-bucket" in result.stderr) == (3, True)
        assert fleet.command("init-bucket").startswith("Created")
        assert "exists" in fleet.command("init-bucket")
        assert all(check["holds"] for check in checks(fleet).values())


def test_scrub_after_a_restore_of_each_store(fleet: Fleet) -> None:
    """The database is put back to nothing, then the bucket: what is said, what is repaired, what is not."""
    people = [Person.of(fleet.service())]
    people += [Person.of(people[0].service) for _ in range(4)]
    for person in people:
        person.upload(blob())
    fleet.postgres.execute("DELETE FROM backups", database=fleet.database)
    result = fleet.run("scrub", "--json")
    assert result.returncode == 5
    findings = [json.loads(line) for line in result.stdout.splitlines()][:-1]
    assert [finding["difference"] for finding in findings] == ["row-missing"] * 5
    assert [UUID(finding["user_id"]) for finding in findings] == sorted((person.user_id for person in people), key=str)
    assert fleet.run("scrub", "--repair").returncode == 0
    assert fleet.run("scrub").returncode == 0
    lost = people[2]
    fleet.s3.witness().remove_object(fleet.bucket, f"backups/{lost.user_id}")
    result = fleet.run("scrub", "--repair")
    assert result.returncode == 5
    assert f"{lost.user_id}  object-missing" in result.stdout
    answer = lost.download()
    assert (answer.status, answer.problem, answer.json["version"]) == (500, "backup-lost", 1)
    assert lost.upload(blob(), if_match="1").etag == '"2"'
    assert fleet.run("scrub").returncode == 0


def test_policy_allows_no_deletion_of_backups(fleet: Fleet) -> None:
    policy = json.loads(fleet.command("init-bucket", "--policy"))
    for statement in policy["Statement"]:
        if any("backups" in resource for resource in statement["Resource"]):
            assert not [action for action in statement["Action"] if "Delete" in action]


def test_scrub_goes_on_where_it_was_stopped(fleet: Fleet) -> None:
    service = fleet.service()
    people = sorted((Person.of(service) for _ in range(6)), key=lambda person: str(person.user_id))
    for person in people:
        person.upload(blob())
    fleet.postgres.execute("DELETE FROM backups", database=fleet.database)
    output = fleet.run("scrub", "--json", "--after", str(people[2].user_id)).stdout
    assert [json.loads(line)["user_id"] for line in output.splitlines()[:-1]] == [
        str(person.user_id) for person in people[3:]
    ]


def test_store_that_ignores_conditions_is_refused_at_the_start(fleet: Fleet) -> None:
    from support.servers.stores.careless_s3 import CarelessS3, Flaw  # noqa: PLC0415  # the one test that wants it

    with CarelessS3(Flaw.IGNORES_CONDITIONS) as careless:
        url = f"s3://{fleet.bucket}?endpoint={careless.endpoint}"
        result = fleet.run("serve", "--port", "0", "--blobs-url", url)
        assert result.returncode == 3
        assert "OBSCURA_BACKUP_ALLOW_UNCONDITIONAL_BLOBS" in result.stderr
