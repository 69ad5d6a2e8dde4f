"""The fault injectors for each testbed."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import psycopg

from support.servers.proxies.fault_proxy import PIECE
from support.servers.proxies.fault_proxy import Fault as RequestFault
from support.servers.proxies.network_conditions import UNIMPAIRED, NetworkConditions
from torture.clock import JUMPS_SECONDS
from torture.nemesis import Fault, FaultInjector, clock_jumps, frozen, full_disk, on_service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from support.servers.proxies.fault_proxy import FaultProxy
    from torture.testbeds import EmbeddedTestbed, FleetTestbed

METHODS = ("PUT", "PUT", "PUT", "GET", "HEAD")
BAD_CONDITIONS = (
    NetworkConditions(silent=True),
    NetworkConditions(delay_seconds=0.05),
    NetworkConditions(delay_seconds=1.0),
    NetworkConditions(bytes_per_second=100_000),
    NetworkConditions(bytes_per_second=5_000),
)


def injectors_for_embedded(testbed: EmbeddedTestbed) -> list[FaultInjector]:
    """Kills in one injector; the disk and the clocks in another."""
    to_kill, to_stand = testbed.runners
    return [
        FaultInjector([*on_service(to_kill), frozen(to_stand)], (0.3, 2.0)),
        FaultInjector(
            [
                *full_disk(testbed, "embedded"),
                *(jump for runner in testbed.runners for jump in clock_jumps(runner, JUMPS_SECONDS)),
            ],
            (1.0, 4.0),
        ),
    ]


def injectors_for_fleet(testbed: FleetTestbed) -> list[FaultInjector]:
    """Kills in one injector, cuts of the lines in another, disks and clocks in the third."""
    to_kill, to_stand = testbed.runners
    return [
        FaultInjector(
            [*on_service(to_kill), frozen(to_stand), *_on_postgres(testbed), *_on_minio(testbed)], (0.5, 3.0)
        ),
        FaultInjector(
            [
                *_on_line(testbed.fleet.to_s3, METHODS, "object store"),
                *_on_line(testbed.fleet.to_postgres, (PIECE,), "PostgreSQL"),
            ],
            (0.3, 2.0),
        ),
        FaultInjector(
            [
                *full_disk(testbed, "postgres", lock=testbed.locks["postgres"], also=lambda: _ask_for_log(testbed)),
                *full_disk(testbed, "minio", lock=testbed.locks["minio"]),
                *(jump for runner in testbed.runners for jump in clock_jumps(runner, JUMPS_SECONDS)),
            ],
            (2.0, 6.0),
        ),
    ]


def kills_of_stores(testbed: FleetTestbed) -> list[Fault]:
    """The ends of PostgreSQL and of MinIO."""
    return [fault for fault in (*_on_postgres(testbed), *_on_minio(testbed)) if fault.kind == "kills"]


def _on_postgres(testbed: FleetTestbed) -> list[Fault]:
    postgres, lock = testbed.postgres, testbed.locks["postgres"]

    @contextmanager
    def killed(_: Random) -> Iterator[None]:
        with lock:
            postgres.kill()
            yield
            postgres.start()

    @contextmanager
    def crashed(_: Random) -> Iterator[None]:
        with lock:
            postgres.stop(immediate=True)
            yield
            postgres.start()

    @contextmanager
    def still(_: Random) -> Iterator[None]:
        with lock:
            postgres.freeze()
            try:
                yield
            finally:
                postgres.thaw()

    return [
        Fault("kills", "PostgreSQL killed", killed),
        Fault("kills", "PostgreSQL crashed", crashed),
        Fault("freezes", "PostgreSQL frozen", still, (0.1, 4.0)),
    ]


def _on_minio(testbed: FleetTestbed) -> list[Fault]:
    minio, lock = testbed.minio, testbed.locks["minio"]

    @contextmanager
    def killed(_: Random) -> Iterator[None]:
        with lock:
            minio.kill()
            yield
            minio.start()

    @contextmanager
    def still(_: Random) -> Iterator[None]:
        with lock:
            minio.freeze()
            try:
                yield
            finally:
                minio.thaw()

    return [Fault("kills", "MinIO killed", killed), Fault("freezes", "MinIO frozen", still, (0.1, 4.0))]


def _on_line(line: FaultProxy, methods: tuple[str, ...], name: str) -> list[Fault]:
    @contextmanager
    def broken(random: Random) -> Iterator[None]:
        fault = random.choice([fault for fault in RequestFault if fault is not RequestFault.STALL])
        line.plan(fault, method=random.choice(methods), times=random.randrange(1, 6))
        yield
        line.forget()

    @contextmanager
    def stalled(random: Random) -> Iterator[None]:
        line.plan(RequestFault.STALL, method=random.choice(methods), times=2, seconds=random.choice((1.0, 12.0)))
        yield
        line.forget()

    @contextmanager
    def reset(_: Random) -> Iterator[None]:
        line.reset()
        yield

    @contextmanager
    def refused(_: Random) -> Iterator[None]:
        line.refuse()
        yield
        line.listen()

    @contextmanager
    def impaired(random: Random) -> Iterator[None]:
        line.conditions = random.choice(BAD_CONDITIONS)
        yield
        line.conditions = UNIMPAIRED

    return [
        *[Fault("cuts", f"requests to {name} broken", broken, (0.5, 2.0))] * 3,
        Fault("cuts", f"requests to {name} stalled", stalled, (0.5, 2.0)),
        Fault("cuts", f"line to {name} reset", reset, (0.0, 0.1)),
        Fault("cuts", f"line to {name} refused", refused, (0.1, 2.0)),
        *[Fault("bad lines", f"line to {name} slow, narrow or silent", impaired, (0.5, 5.0))] * 2,
    ]


def _ask_for_log(testbed: FleetTestbed) -> None:
    # PostgreSQL writes into the part of its log that it has; only the next part needs room on the disk.
    for _ in range(2):
        with suppress(psycopg.Error):
            testbed.postgres.execute("SELECT pg_switch_wal()")
