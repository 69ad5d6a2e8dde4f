"""Services on PostgreSQL and MinIO: everything killed, cut off, stalled; what calls cost."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from contracts.http_people import blob
from contracts.kills import run_kills
from support.servers.in_process.bounded_protocol import eventually
from support.servers.proxies.fault_proxy import Fault
from support.servers.service import Person
from support.servers.stores.s3_store import object_bytes

if TYPE_CHECKING:
    from support.servers.fleet import Fleet
    from support.servers.service import Service


def test_every_part_killed_in_turn_loses_nothing(fleet: Fleet) -> None:
    """The service, PostgreSQL and MinIO, each by SIGKILL, each under load, and started again."""
    one, other = fleet.service(), fleet.service("--workers", "2")

    def kill_and_restart(number: int) -> None:
        match number % 4:
            case 0:
                one.kill()
                one.start()
            case 1:
                fleet.postgres.stop(immediate=True)
                time.sleep(0.2)
                fleet.postgres.start()
            case 2:
                fleet.s3.kill()
                time.sleep(0.2)
                fleet.s3.start()
            case _:
                one.port, other.port = other.port, one.port  # the writers go on with the other service

    writers = run_kills(one, kill_and_restart, rounds=12, writers=6, pause_seconds=0.5)
    assert sum(writer.uploads for writer in writers) > 50
    assert sum(writer.unanswered for writer in writers) > 6
    summary = json.loads(fleet.command("scrub", "--json", "--repair").splitlines()[-1])
    assert (summary["done"], summary["found"]) == (True, summary["repaired"])
    assert json.loads(fleet.command("scrub", "--json").splitlines()[-1])["found"] == 0


def test_faults_between_service_and_stores_lose_nothing(fleet: Fleet) -> None:
    service = fleet.service()

    def break_something(number: int) -> None:
        match number % 5:
            case 0:
                fleet.to_s3.plan(Fault.LOSE_ANSWER, method="PUT", times=3)
            case 1:
                fleet.to_s3.plan(Fault.CUT_REQUEST, method="PUT", times=3)
            case 2:
                fleet.to_postgres.reset()
            case 3:
                fleet.to_s3.reset()
            case _:
                fleet.to_s3.plan(Fault.CUT_ANSWER, method="HEAD", times=2)

    writers = run_kills(service, break_something, rounds=15, writers=6, pause_seconds=0.25)
    assert sum(writer.uploads for writer in writers) > 50


def test_restore_works_while_postgres_is_down_and_uploads_are_told_at_once(fleet: Fleet) -> None:
    service = fleet.service()
    person, body = Person.of(service), blob()
    person.upload(body)
    fleet.to_postgres.refuse()
    fleet.to_postgres.reset()
    person.upload(blob(), if_match="1")  # the first may find out the hard way
    began = time.perf_counter()
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: person.upload(blob(), if_match="1"), range(64)))
        downloads = list(threads.map(lambda _: person.download(), range(32)))
    assert time.perf_counter() - began < 5
    assert {answer.status for answer in answers} <= {503, 429}
    assert all("retry-after" in answer.headers for answer in answers)
    assert {download.body for download in downloads} == {body}
    degraded = (200, {"status": "degraded", "metadata": "unavailable", "blobs": "ok"})
    assert eventually(lambda: readiness(service) == degraded), "the last check is at most a second old"
    fleet.to_postgres.listen()
    _until_accepted(person, blob())
    # The answer may be a second old, and uploads are accepted sooner than that.
    assert eventually(lambda: service.request("GET", "/health/ready", token=None).json["status"] == "ok", seconds=2)


def test_service_starts_while_postgres_is_down_and_hands_out_backups(fleet: Fleet) -> None:
    service = fleet.service()
    person, body = Person.of(service), blob()
    person.upload(body)
    service.kill()
    fleet.to_postgres.refuse()
    service.start()
    assert person.download().body == body
    assert person.upload(blob(), if_match="1").status == 503
    fleet.to_postgres.listen()
    _until_accepted(person, blob())


def test_service_starts_while_the_blob_store_is_down(fleet: Fleet) -> None:
    service = fleet.service()
    person, body = Person.of(service), blob()
    person.upload(body)
    service.kill()
    fleet.to_s3.refuse()
    service.start()
    assert person.download().status == 503
    ready = service.request("GET", "/health/ready", token=None)
    assert (ready.status, ready.json["blobs"]) == (503, "unavailable")
    fleet.to_s3.listen()
    _until_accepted(person, blob())


def test_replicas_agree(fleet: Fleet) -> None:
    """Many devices of one person, on two services: every version has one content, and one winner."""
    services = [fleet.service(), fleet.service("--workers", "2")]
    person = Person.of(services[0])
    people = [Person(service, person.user_id, person.token) for service in services]
    version = 0
    for _ in range(10):
        with ThreadPoolExecutor(8) as threads:
            racing = [threads.submit(people[number % 2].upload, blob(3000), str(version)) for number in range(8)]
            answers = [racer.result() for racer in racing]
        accepted = [answer for answer in answers if answer.status == 200]
        assert len(accepted) == 1
        assert {answer.status for answer in answers} <= {200, 409, 503}
        version = int(accepted[0].etag.strip('"'))
        assert people[0].download().body == people[1].download().body
    assert version == 10


def test_what_calls_cost(fleet: Fleet) -> None:
    """An upload: one object request, and at most three round trips to the database. A download: one and none."""
    person = Person.of(fleet.service())
    person.upload(blob())
    for size, round_trips in ((1000, 2), (1_500_000, 3)):  # a large one is worth a question before its body is read
        version = person.describe().etag
        fleet.to_s3.forget()
        fleet.to_postgres.forget()
        assert person.upload(blob(size), if_match=version).status == 200
        assert dict(fleet.to_s3.requests) == {"PUT": 1}
        assert fleet.to_postgres.round_trips == round_trips
        fleet.to_s3.forget()
        fleet.to_postgres.forget()
        assert person.download().status == 200
        assert dict(fleet.to_s3.requests) == {"GET": 1}
        assert fleet.to_postgres.round_trips == 0


def readiness(service: Service) -> tuple[int, dict[str, str]]:
    ready = service.request("GET", "/health/ready", token=None)
    return ready.status, ready.json


def _until_accepted(person: Person, body: bytes, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = person.upload(body, if_match="1")
        if answer.status == 200:
            return
        assert answer.status == 503
        time.sleep(0.1)
    pytest.fail("the service did not recover")


def test_answer_lost_after_the_put(fleet: Fleet) -> None:
    """The upload is found by its id and acknowledged, once, as the version that it is."""
    person = Person.of(fleet.service())
    person.upload(blob())
    fleet.to_s3.plan(Fault.LOSE_ANSWER, method="PUT")
    body = blob()
    answer = person.upload(body, if_match="1")
    assert (answer.status, answer.etag) == (200, '"2"')
    assert person.download().body == body


def test_reset_in_the_middle_of_the_put(fleet: Fleet) -> None:
    person = Person.of(fleet.service())
    kept = blob()
    person.upload(kept)
    fleet.to_s3.plan(Fault.CUT_REQUEST, method="PUT")
    body = blob(300_000)
    answer = person.upload(body, if_match="1")
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert person.download().body == kept
    again = person.upload(body, if_match="1")
    assert (again.status, again.etag) == (200, '"2"')


def test_stall_that_outlives_the_time_out(fleet: Fleet) -> None:
    """The PUT arrives although no request waits for its response; a retry finds it and stores nothing twice."""
    person = Person.of(fleet.service())
    person.upload(blob())
    fleet.to_s3.plan(Fault.STALL, method="PUT", seconds=12.0)
    body = blob()
    answer = person.upload(body, if_match="1")
    assert (answer.status, answer.etag) == (200, '"2"')  # a look at the object showed that it was stored
    assert person.upload(body, if_match="1").etag == '"2"'
    assert person.download().body == body


def test_bucket_holds_blobs_and_nothing_else(fleet: Fleet) -> None:
    person, body = Person.of(fleet.service()), blob()
    person.upload(blob())
    person.upload(body, if_match="1")
    witness = fleet.s3.witness()
    assert [entry.object_name for entry in witness.list_objects(fleet.bucket, recursive=True)] == [
        f"backups/{person.user_id}"
    ]
    assert object_bytes(fleet.s3, fleet.bucket, f"backups/{person.user_id}")[:-16] == body
