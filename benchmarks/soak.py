"""`make soak`: an hour of mixed load with kills on PostgreSQL and MinIO, to show that nothing grows.

Of the two services, one is killed again and again, and so are PostgreSQL and MinIO. The other service runs all the time
and is measured. The answers are checked as in `make torture`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import psycopg

from benchmarks import environment
from benchmarks.plot import Line, lines
from support.sessions.signals import give_children_default_signals
from torture import faults
from torture.nemesis import FaultInjector, on_service
from torture.run import run
from torture.testbeds import FleetTestbed
from torture.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Iterator

USERS, THREADS = 200, 16
SAMPLE_SECONDS = 10.0
FAULT_PAUSE_SECONDS = (10.0, 30.0)
MEBIBYTE = 1 << 20
_SIZES = """
    SELECT pg_table_size('backups'), pg_indexes_size('backups'),
           (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid())
"""


@dataclass(frozen=True)
class Sample:
    """What was in use at one moment. Figures of PostgreSQL are None while it is down.

    Attributes:
        minutes: since the start.
        operations: begun since the start.
        memory: resident set of the service that is not killed, in MiB.
        descriptors: open files of that service.
        threads: of that service.
        connections: of all services to PostgreSQL.
        table: size of the table with its TOAST and maps, in KiB.
        indexes: size of its indexes, in KiB.
    """

    minutes: float
    operations: int
    memory: float
    descriptors: int
    threads: int
    connections: int | None = None
    table: float | None = None
    indexes: float | None = None


@dataclass(frozen=True)
class Limit:
    """By how much a figure may be higher at the end than after the warm-up, in the figure's unit."""

    figure: str
    unit: str
    more: float


LIMITS = (
    Limit("memory", "MiB", 8),
    Limit("descriptors", "", 8),
    Limit("threads", "", 8),
    Limit("connections", "", 16),
    Limit("table", "KiB", 128),
    Limit("indexes", "KiB", 64),
)


def grown(samples: list[Sample]) -> Iterator[str]:
    """Each figure whose median of the last quarter is too far above that of the second quarter."""
    quarter = len(samples) // 4
    if quarter == 0:
        yield f"only {len(samples)} samples were taken; at least 4 are needed"
        return
    for limit in LIMITS:
        early, late = (
            [value for sample in part if (value := getattr(sample, limit.figure)) is not None]
            for part in (samples[quarter : 2 * quarter], samples[-quarter:])
        )
        if not early or not late:
            yield f"{limit.figure} could not be measured"
        elif (more := median(late) - median(early)) > limit.more:
            yield f"{limit.figure} grew by {more:.1f} {limit.unit} from {median(early):.1f}; the limit is {limit.more}"


class Sampler:
    """Takes a sample every ten seconds, when it is called often enough."""

    def __init__(self, testbed: FleetTestbed, workload: Workload) -> None:
        self._testbed, self._workload = testbed, workload
        self._began = time.monotonic()
        self._due = self._began
        self.samples: list[Sample] = []

    def __call__(self) -> None:
        """Take a sample if one is due."""
        if time.monotonic() >= self._due:
            self._due += SAMPLE_SECONDS
            self.samples.append(self._sample())

    def _sample(self) -> Sample:
        process = self._testbed.runners[-1].service.process
        if process is None:
            raise RuntimeError("the service that is measured ended")
        folder = Path(f"/proc/{process.pid}")
        status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
        try:
            row = self._testbed.postgres.execute(_SIZES, database=self._testbed.fleet.database)[0]
            sizes: dict[str, Any] = {"table": row[0] / 1024, "indexes": row[1] / 1024, "connections": row[2]}
        except psycopg.Error:
            sizes = {}
        return Sample(
            minutes=(time.monotonic() - self._began) / 60,
            operations=len(self._workload.history),
            memory=int(status["VmRSS"].split()[0]) / 1024,
            descriptors=len(list((folder / "fd").iterdir())),
            threads=int(status["Threads"]),
            **sizes,
        )


def soak(folder: Path, *, minutes: float, rate: float, seed: int) -> tuple[str, list[str], list[Sample]]:
    """Run it. The line of figures, all complaints (none: passed), and the samples.

    Args:
        folder: for everything; its path must be open to other users, because PostgreSQL does not run as root.
        minutes: how long.
        rate: operations per second, on average.
        seed: of operations and faults.
    """
    with FleetTestbed(folder, None) as testbed:
        services = [runner.service for runner in testbed.runners]
        workload = Workload.over(services, seed, USERS, threads=THREADS, pause_seconds=THREADS / rate)
        kills = FaultInjector([*on_service(testbed.runners[0]), *faults.kills_of_stores(testbed)], FAULT_PAUSE_SECONDS)
        sampler = Sampler(testbed, workload)
        outcome = run(
            testbed, [kills], name="soak", seconds=60 * minutes, seed=seed, workload=workload, observe=sampler
        )
    return outcome.line, [*outcome.complaints, *grown(sampler.samples)], sampler.samples


def drawn(samples: list[Sample]) -> str:
    """The samples as a chart (SVG), a panel per figure."""
    minutes = [sample.minutes for sample in samples]
    titles = {
        "memory": "resident memory, MiB",
        "descriptors": "open files",
        "threads": "threads",
        "connections": "connections to PostgreSQL, of all services",
        "table": "table, KiB",
        "indexes": "indexes, KiB",
    }
    return lines(
        f"{minutes[-1]:.0f} minutes of load with kills: {samples[-1].operations:,} calls",
        [Line(title, minutes, [getattr(sample, name) for sample in samples]) for name, title in titles.items()],
        "minutes",
    )


def main(arguments: list[str] | None = None) -> int:
    """0: every promise was kept and nothing grew; 1: otherwise."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=float, default=30, help="operations per second, on average")
    parser.add_argument("--seed", type=int, default=1, help="of operations and faults")
    parser.add_argument("--json", type=Path, help="write the samples to this file")
    parser.add_argument("--svg", type=Path, help="draw the samples to this file")
    options = parser.parse_args(arguments)
    give_children_default_signals()
    folder = Path(tempfile.mkdtemp(prefix="obscura-soak-"))
    folder.chmod(0o755)
    machine = environment.machine(folder)
    line, complaints, samples = soak(folder, minutes=options.minutes, rate=options.rate, seed=options.seed)
    if options.json:
        record = {"line": line, "complaints": complaints, "machine": machine}
        options.json.write_text(json.dumps({**record, "samples": [asdict(sample) for sample in samples]}, indent=1))
    if options.svg and samples:
        options.svg.write_text(drawn(samples))
    sys.stderr.writelines(f"{complaint}\n\n" for complaint in complaints)
    sys.stdout.write(f"{line}\n")
    if complaints:
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
