"""A fleet that fails over: PostgreSQL with an asynchronous standby, MinIO with erasure coding, three services."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from contracts.http_people import blob
from support.servers.proxies.fault_proxy import Fault
from support.servers.service import Person
from torture.failover_faults import injectors_for_failover
from torture.failover_testbed import FailoverTestbed
from torture.run import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.servers.service import Answer, Service

UNAVAILABLE = 503
PATIENCE_SECONDS = 120.0


@pytest.fixture(scope="module")
def testbed(request: pytest.FixtureRequest) -> Iterator[FailoverTestbed]:
    """All of it, started once; after a failure its folder stays, with the logs and the history."""
    folder = Path(tempfile.mkdtemp(prefix="obscura-failover-", dir=os.environ["PYTEST_DEBUG_TEMPROOT"]))
    with FailoverTestbed(folder) as testbed:
        yield testbed
    if not request.session.testsfailed:
        shutil.rmtree(folder)


@pytest.fixture
def services(testbed: FailoverTestbed) -> list[Service]:
    """The first with a pooler of its own, the two others with a common one."""
    return [runner.service for runner in testbed.runners]


def answered(ask: Callable[[], Answer]) -> Answer:
    """The first answer that is not "unavailable"; the same request is sent again, as a client does."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (answer := ask()).status == UNAVAILABLE:
        assert time.monotonic() < deadline, answer.body
        time.sleep(0.2)
    return answer


def uploaded(person: Person, body: bytes, version: str | None = None) -> str:
    """The version of an upload that is accepted."""
    answer = answered(lambda: person.upload(body, if_match=version))
    assert answer.status == 200, answer.body
    return answer.etag


def through(service: Service, person: Person) -> Person:
    return Person(service, person.user_id, person.token)


def scrubbed(testbed: FailoverTestbed, *options: str) -> tuple[object, object]:
    """How many differences a scrub found, and how many of them it repaired; it is started again if a store was slow."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (summary := testbed.scrub(*options))["done"] is not True and summary["slots"] == 0:
        assert time.monotonic() < deadline, summary
    assert summary["done"] is True, summary
    return summary["found"], summary["repaired"]


def test_rows_that_a_failover_lost_lose_no_upload(testbed: FailoverTestbed, services: list[Service]) -> None:
    replacing, deleting, resting, beginning = (Person.of(services[0]) for _ in range(4))
    for person in (replacing, deleting, resting):
        uploaded(person, blob())
    testbed.pair.await_standby()
    testbed.pair.hold_replication()
    second, first = blob(), blob()
    uploaded(replacing, second, "1")
    assert answered(lambda: deleting.delete("1")).status == 204
    uploaded(beginning, first)
    testbed.fail_over()
    for service in services:
        assert answered(through(service, replacing).download).body == second
        assert answered(through(service, beginning).download).body == first
        assert answered(through(service, deleting).download).status == 404
    assert scrubbed(testbed) == (3, 0)
    assert uploaded(through(services[1], replacing), blob(), "2") == '"3"'
    assert scrubbed(testbed, "--repair") == (2, 2)
    assert scrubbed(testbed) == (0, 0)
    assert uploaded(through(services[2], beginning), blob(), "1") == '"2"'
    testbed.rejoin()
    assert testbed.figures["lost commits"] == 3
    assert testbed.figures["rewinds"] == 1


def test_primary_is_killed_between_put_and_commit(testbed: FailoverTestbed, services: list[Service]) -> None:
    """The object is stored, its row is not; the client sends the upload again, and it is stored once."""
    person = Person.of(services[1])
    version = uploaded(person, blob())
    testbed.pair.await_standby()
    body = blob()
    balancer = testbed.minio.balancer
    struck = balancer.struck
    balancer.plan(Fault.STALL, method="PUT", seconds=PATIENCE_SECONDS)
    with ThreadPoolExecutor(1) as thread:
        upload = thread.submit(person.upload, body, version)
        while balancer.struck == struck:
            time.sleep(0.01)
        testbed.fail_over()
        balancer.end_stalls()
        assert upload.result().status == UNAVAILABLE
    assert answered(person.download).body == body
    assert uploaded(person, body, version) == '"2"'
    assert answered(person.download).etag == '"2"'
    testbed.rejoin()
    assert scrubbed(testbed) == (0, 0)


def raced(services: list[Service], person: Person, version: str) -> tuple[str, bytes]:
    """What one of several uploads at once stored over a version; the others are refused."""
    bodies = [blob() for _ in services]
    uploads = [
        partial(through(service, person).upload, body, version) for service, body in zip(services, bodies, strict=True)
    ]
    with ThreadPoolExecutor(len(uploads)) as threads:
        answers = list(threads.map(answered, uploads))
    (winner,) = [number for number, answer in enumerate(answers) if answer.status == 200]
    assert {answer.status for answer in answers} == {200, 409}
    assert {answer.etag for answer in answers} == {answers[winner].etag}
    return answers[winner].etag, bodies[winner]


def test_two_primaries_accept_one_upload_per_version(testbed: FailoverTestbed, services: list[Service]) -> None:
    """One service goes on with the old primary: its rows and locks are not those of the others."""
    person = Person.of(services[0])
    version = uploaded(person, blob())
    testbed.pair.await_standby()
    testbed.promote_beside_primary(moved=1)
    for _ in range(10):
        version, stored = raced(services[:2], person, version)
        for service in services:
            assert answered(through(service, person).download).body == stored
    testbed.rejoin()
    found, repaired = scrubbed(testbed, "--repair")
    assert found == repaired
    assert scrubbed(testbed) == (0, 0)


def test_nodes_of_the_object_store_are_lost(testbed: FailoverTestbed, services: list[Service]) -> None:
    """Without one of four, everything works; without two, downloads do."""
    person = Person.of(services[2])
    version = uploaded(person, blob())
    *_, third, fourth = testbed.minio.nodes
    fourth.kill()
    body, later = blob(), blob()
    version = uploaded(person, body, version)
    third.kill()
    assert answered(person.download).body == body
    assert person.upload(later, if_match=version).status == UNAVAILABLE
    assert answered(person.download).body == body
    testbed.minio.restore()
    assert uploaded(person, later, version) == '"3"'
    assert answered(person.download).body == later


def test_nothing_acknowledged_is_lost_under_load(testbed: FailoverTestbed, capsys: pytest.CaptureFixture[str]) -> None:
    """Primaries killed and promoted, nodes of the object store killed, services killed and rolled."""
    outcome = run(testbed, injectors_for_failover(testbed), name="failover", seconds=20, seed=3)
    with capsys.disabled():
        print(f"\n{outcome.line}")  # noqa: T201  # the figures are what a run is for
    assert outcome.complaints == []
    assert outcome.figures["failovers"] + outcome.figures["two primaries"] > 0
    assert outcome.figures["ok"] > 0
