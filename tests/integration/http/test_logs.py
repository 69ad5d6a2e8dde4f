"""The log of a service over real stores, at level `debug`, when a store fails in the middle of a request."""

from __future__ import annotations

import errno
import os
import re
from typing import TYPE_CHECKING

import pytest

from support.servers.proxies.fault_proxy import Fault
from support.servers.service import Person, Service
from support.servers.stores.s3_server import ACCESS_KEY, SECRET_KEY

if TYPE_CHECKING:
    from pathlib import Path

    from support.servers.fleet import Fleet

_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ")
_REQUEST = re.compile(r"INFO obscura_backup.requests: request request_id=\w{16} ")
_CHANGING = re.compile(r" duration_ms=[\d.]+| user=\w{12}| bytes_out=\d+")


def lines(log: Path) -> list[str]:
    """The log lines without times, ids and health checks. Those on standard error without a time are not log lines."""
    found = [_TIME.sub("", line) for line in log.read_text().splitlines() if _TIME.match(line)]
    return [_CHANGING.sub("", _REQUEST.sub("", line)) for line in found if "route=/health" not in line]


def assert_no_secret(log: Path, person: Person) -> None:
    for secret in (str(person.user_id), person.user_id.hex, person.token, ACCESS_KEY, SECRET_KEY):
        assert secret not in log.read_text()


@pytest.mark.parametrize(("driver", "detail"), [("s3", "NO_ANSWER"), ("s3+boto3", "ConnectionClosedError")])
def test_requests_are_logged_with_the_failed_call_and_without_object_names(
    fleet: Fleet, driver: str, detail: str
) -> None:
    log = fleet.folder / "log"
    environment = fleet.environment()
    environment["OBSCURA_BACKUP_BLOBS_URL"] = environment["OBSCURA_BACKUP_BLOBS_URL"].replace("s3:", f"{driver}:")
    service = Service(fleet.folder / "service", environment, ("--log-level", "debug"))
    fleet.services.append(service)
    with log.open("w") as file:
        service.start(stderr=file)
    person = Person.of(service)
    assert person.download().status == 404
    assert person.upload(os.urandom(100)).status == 200
    assert person.upload(os.urandom(100), if_match="7").status == 409
    assert person.download().status == 200
    fleet.to_s3.plan(Fault.CUT_ANSWER, method="GET", times=20)
    assert person.download().status == 503
    fleet.to_s3.plan(Fault.LOSE_ANSWER, method="PUT", times=20)
    assert person.upload(os.urandom(100), if_match="1").status == 503
    assert service.stop() == 0
    unknown = f"There was no answer to an upload, which may or may not be stored ({detail})."
    conflict = "The slot holds version 1; the request expected version 7. Fetch, merge and retry."
    failed = "error=blob-store-unavailable cause="
    assert lines(log) == [
        'method=GET route=/v1/backup status=404 bytes_in=0 error=backup-not-found cause="There is no backup."',
        "method=POST route=/v1/backup status=200 bytes_in=100",
        f'method=POST route=/v1/backup status=409 bytes_in=100 error=version-mismatch cause="{conflict}"',
        "method=GET route=/v1/backup status=200 bytes_in=0",
        (
            f"method=GET route=/v1/backup status=503 bytes_in=0 {failed}"
            f'"The blob store does not answer ({detail})." failed_call="blobs get"'
        ),
        f"WARNING obscura_backup: the blob store is not available; calls fail at once until it is: {unknown}",
        (
            f"method=POST route=/v1/backup status=503 bytes_in=100 {failed}"
            '"The blob store does not answer." failed_call="blobs head"'
        ),
    ]
    assert_no_secret(log, person)


def test_error_that_names_a_file_is_logged_without_the_user_id(tmp_path: Path) -> None:
    log = tmp_path / "log"
    service = Service(tmp_path / "data", {}, ("--log-level", "debug"))
    with log.open("w") as file:
        service.start(stderr=file)
    try:
        person = Person.of(service)
        assert person.upload(os.urandom(100)).status == 200
        (blob,) = service.data_dir.rglob(str(person.user_id))
        blob.unlink()
        blob.symlink_to(blob)
        assert person.download().status == 503
    finally:
        service.stop()
    cause = f"[Errno {errno.ELOOP}] {os.strerror(errno.ELOOP)}: '{blob.parent}/<user>'"
    assert lines(log)[-1] == (
        "method=GET route=/v1/backup status=503 bytes_in=0 error=blob-store-unavailable "
        f'cause="The blob store does not answer. ({cause})" failed_call="blobs get"'
    )
    assert_no_secret(log, person)
