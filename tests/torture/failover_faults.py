"""The fault injectors for `FailoverTestbed`."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from torture.nemesis import Fault, FaultInjector, frozen, on_service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from torture.failover_testbed import FailoverTestbed
    from torture.testbeds import Runner

HOLDS_SECONDS = (0.0, 0.1, 0.5, 2.0)
"""How long the standby gets nothing before its primary is killed."""


def injectors_for_failover(testbed: FailoverTestbed) -> list[FaultInjector]:
    """Services in one injector, PostgreSQL in another, MinIO in the third."""
    killed, rolled, stands = testbed.runners
    return [
        FaultInjector([*on_service(killed), rolled_out([killed, rolled]), frozen(stands)], (0.5, 3.0)),
        FaultInjector(_on_postgres(testbed), (1.0, 4.0)),
        FaultInjector(_on_minio(testbed), (1.0, 4.0)),
    ]


def rolled_out(runners: list[Runner]) -> Fault:
    """Services that are restarted in order, one after the other, as with a new version."""

    @contextmanager
    def inject(_: Random) -> Iterator[None]:
        codes = []
        for runner in runners:
            with runner.lock:
                codes.append(runner.service.stop())
                runner.revive()
        yield
        if any(codes):
            raise RuntimeError(f"services that were asked to stop ended with the codes {codes}")

    return Fault("rollouts", "services rolled", inject, (0.0, 0.2))


def _on_postgres(testbed: FailoverTestbed) -> list[Fault]:
    lock = testbed.locks["postgres"]

    @contextmanager
    def failed_over(random: Random) -> Iterator[None]:
        with lock:
            testbed.pair.hold_replication()
            time.sleep(random.choice(HOLDS_SECONDS))
            testbed.fail_over()
            yield
            testbed.rejoin()

    @contextmanager
    def two_primaries(random: Random) -> Iterator[None]:
        with lock:
            testbed.promote_beside_primary(moved=random.randrange(2))
            yield
            testbed.rejoin()

    return [
        Fault("failovers", "primary killed, standby promoted", failed_over, (0.0, 3.0)),
        Fault("two primaries", "standby promoted beside the primary", two_primaries, (0.5, 4.0)),
    ]


def _on_minio(testbed: FailoverTestbed) -> list[Fault]:
    minio = testbed.minio

    @contextmanager
    def one_killed(random: Random) -> Iterator[None]:
        with testbed.minio_impaired():
            random.choice(minio.nodes).kill()
            testbed.figures["nodes killed"] += 1
            yield
            minio.restore()

    @contextmanager
    def two_killed(random: Random) -> Iterator[None]:
        with testbed.minio_impaired():
            for node in random.sample(minio.nodes, 2):
                node.kill()
                testbed.figures["nodes killed"] += 1
                time.sleep(random.random())
            yield
            minio.restore()

    @contextmanager
    def still(random: Random) -> Iterator[None]:
        with testbed.minio_impaired():
            node = random.choice(minio.nodes)
            node.signal(signal.SIGSTOP)
            try:
                yield
            finally:
                node.signal(signal.SIGCONT)

    return [
        Fault("lost nodes", "one node of MinIO killed", one_killed, (0.5, 4.0)),
        Fault("lost nodes", "two nodes of MinIO killed", two_killed, (0.5, 4.0)),
        Fault("freezes", "one node of MinIO frozen", still, (0.1, 3.0)),
    ]
