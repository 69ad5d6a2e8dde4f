"""The hands of the nemesis on each of the grounds."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import psycopg

from support.servers.fault_proxy import PIECE, Fault
from support.servers.weather import FINE, Weather
from torture.clock import JUMPS_SECONDS
from torture.nemesis import Blow, Hand, clock_jumps, frozen, full_disk, on_service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from support.servers.fault_proxy import FaultProxy
    from torture.grounds import EmbeddedGround, FleetGround

METHODS = ("PUT", "PUT", "PUT", "GET", "HEAD")
WEATHERS = (
    Weather(silent=True),
    Weather(delay_seconds=0.05),
    Weather(delay_seconds=1.0),
    Weather(bytes_per_second=100_000),
    Weather(bytes_per_second=5_000),
)


def hands_on_embedded(ground: EmbeddedGround) -> list[Hand]:
    """Kills in one hand; the disk and the clocks in another."""
    to_kill, to_stand = ground.runners
    return [
        Hand([*on_service(to_kill), frozen(to_stand)], (0.3, 2.0)),
        Hand(
            [
                *full_disk(ground, "embedded"),
                *(jump for runner in ground.runners for jump in clock_jumps(runner, JUMPS_SECONDS)),
            ],
            (1.0, 4.0),
        ),
    ]


def hands_on_fleet(ground: FleetGround) -> list[Hand]:
    """Kills in one hand, cuts of the lines in another, disks and clocks in the third."""
    to_kill, to_stand = ground.runners
    return [
        Hand([*on_service(to_kill), frozen(to_stand), *_on_postgres(ground), *_on_minio(ground)], (0.5, 3.0)),
        Hand(
            [
                *_on_line(ground.fleet.to_s3, METHODS, "object store"),
                *_on_line(ground.fleet.to_postgres, (PIECE,), "PostgreSQL"),
            ],
            (0.3, 2.0),
        ),
        Hand(
            [
                *full_disk(ground, "postgres", lock=ground.locks["postgres"], also=lambda: _ask_for_log(ground)),
                *full_disk(ground, "minio", lock=ground.locks["minio"]),
                *(jump for runner in ground.runners for jump in clock_jumps(runner, JUMPS_SECONDS)),
            ],
            (2.0, 6.0),
        ),
    ]


def _on_postgres(ground: FleetGround) -> list[Blow]:
    postgres, lock = ground.postgres, ground.locks["postgres"]

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
        Blow("kills", "PostgreSQL killed", killed),
        Blow("kills", "PostgreSQL crashed", crashed),
        Blow("freezes", "PostgreSQL frozen", still, (0.1, 4.0)),
    ]


def _on_minio(ground: FleetGround) -> list[Blow]:
    minio, lock = ground.minio, ground.locks["minio"]

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

    return [Blow("kills", "MinIO killed", killed), Blow("freezes", "MinIO frozen", still, (0.1, 4.0))]


def _on_line(line: FaultProxy, methods: tuple[str, ...], name: str) -> list[Blow]:
    @contextmanager
    def broken(random: Random) -> Iterator[None]:
        fault = random.choice([fault for fault in Fault if fault is not Fault.STALL])
        line.plan(fault, method=random.choice(methods), times=random.randrange(1, 6))
        yield
        line.forget()

    @contextmanager
    def stalled(random: Random) -> Iterator[None]:
        line.plan(Fault.STALL, method=random.choice(methods), times=2, seconds=random.choice((1.0, 12.0)))
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
    def bad_weather(random: Random) -> Iterator[None]:
        line.weather = random.choice(WEATHERS)
        yield
        line.weather = FINE

    return [
        *[Blow("cuts", f"requests to {name} broken", broken, (0.5, 2.0))] * 3,
        Blow("cuts", f"requests to {name} stalled", stalled, (0.5, 2.0)),
        Blow("cuts", f"line to {name} reset", reset, (0.0, 0.1)),
        Blow("cuts", f"line to {name} refused", refused, (0.1, 2.0)),
        *[Blow("bad lines", f"line to {name} slow, narrow or silent", bad_weather, (0.5, 5.0))] * 2,
    ]


def _ask_for_log(ground: FleetGround) -> None:
    # PostgreSQL writes into the part of its log that it has; only the next part needs room on the disk.
    for _ in range(2):
        with suppress(psycopg.Error):
            ground.postgres.execute("SELECT pg_switch_wal()")
