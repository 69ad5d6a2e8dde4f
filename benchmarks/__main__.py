"""`make bench`: throughput, latency, processor time and memory of the service, beside what its stores allow."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import environment, generator
from benchmarks.cases import Case, selected
from benchmarks.exits import INVALID, exit_code
from benchmarks.measurements import MIB, Measurement
from benchmarks.processes import usage
from benchmarks.report import CLOSED, FLOOR, HEAD, OPEN, Row, document
from benchmarks.testbeds import BACKENDS, ROOT, TITLES, Servers, Target, Testbed
from support.servers.service import COMMAND

if TYPE_CHECKING:
    from collections.abc import Sequence

QUICK = {"cases": "*-64KiB-16", "seconds": 0.6, "minutes": 1.5}
"""The defaults of a quick run."""
OPEN_SHARE = 0.7
"""The rate of an open loop, of what the closed loop reached: busy, and not beyond what the service can do."""


@dataclass
class Run:
    """One run over all backends. Each may use an equal share of the time that is left."""

    program: Path
    seconds: float
    ends_at: float
    rows: list[Row] = field(default_factory=list)
    idle_mib: dict[str, float] = field(default_factory=dict)
    left_out: int = 0

    def backend(
        self, name: str, testbed: Testbed, cases: Sequence[Case], loops: Sequence[str], *, ends_at: float
    ) -> None:
        """Measure the cases on one kind of stores until the time is over, the floor of each before the service."""
        self.idle_mib[name] = usage(testbed.service.processes["service"]).resident_bytes / MIB
        print(f"\n{name}: {TITLES[name]} (service idle: {self.idle_mib[name]:.0f} MiB)\n{HEAD}")
        for case in cases:
            if time.monotonic() > ends_at:
                self.left_out += 1
                continue
            floor = self._measured(testbed.floor, case) if FLOOR in loops else None
            if floor is not None:
                self._add(Row(name, case, FLOOR, floor))
            closed = self._measured(testbed.service, case)
            self._add(Row(name, case, CLOSED, closed, floor))
            if OPEN in loops and closed.is_valid:
                opened = self._measured(testbed.service, case, per_second=OPEN_SHARE * closed.per_second)
                self._add(Row(name, case, OPEN, opened, floor))

    def _measured(self, target: Target, case: Case, *, per_second: float = 0.0) -> Measurement:
        job = target.job_for(case, per_second=per_second)
        return generator.measure(self.program, job, target.processes, seconds=self.seconds)

    def _add(self, row: Row) -> None:
        self.rows.append(row)
        print(row.line(), flush=True)


def main(arguments: list[str] | None = None) -> int:
    """0: measured; 1: a measurement is invalid; 2: wrong usage; 3: not possible here."""
    options = _options(arguments)
    return exit_code(lambda: _bench(options))


def _bench(options: argparse.Namespace) -> int:
    cases = selected(_words(options.cases))
    program = generator.program()
    run = Run(program, options.seconds, time.monotonic() + 60 * options.minutes)
    with Servers(program, workers=options.workers) as servers:
        about = _about(options, servers)
        backends = _words(options.backends)
        for number, name in enumerate(backends):
            ends_at = share_ends_at(time.monotonic(), run.ends_at, len(backends) - number)
            with BACKENDS[name](servers, COMMAND) as testbed:
                run.backend(name, testbed, cases, _words(options.loops), ends_at=ends_at)
        about["versions"] |= environment.stores(servers)
    about["idle_mib"] = run.idle_mib
    if options.json is not None:
        options.json.write_text(f"{json.dumps(document(run.rows, about), indent=1, allow_nan=False)}\n")
    return _verdict(run)


def share_ends_at(now: float, ends_at: float, parts: int) -> float:
    """When the first of several equal parts of the time that is left ends."""
    return now + (ends_at - now) / parts


def _verdict(run: Run) -> int:
    invalid = [row for row in run.rows if not row.measured.is_valid]
    if invalid:
        print(f"\nINVALID: {len(invalid)} of {len(run.rows)} measurements, with more than 1 % errors or without calls.")
    if run.left_out:
        print(f"\nThe time was over: {run.left_out} cases were left out (MINUTES allows more).")
    return INVALID if invalid else 0


def _about(options: argparse.Namespace, servers: Servers) -> dict[str, Any]:
    python = environment.python_of(COMMAND)
    about = {
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "seconds_per_case": options.seconds,
        "workers": options.workers,
        "machine": environment.machine(servers.folder),
        "python": python,
        "versions": {"commit": environment.commit(ROOT)},
    }
    print(f"{about['versions']['commit']}, {environment.title_of(python)}")
    print(", ".join(f"{name} {value}" for name, value in about["machine"].items()))
    print(f"{options.workers} worker(s), {options.seconds} s per measurement")
    return about


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _backends(text: str) -> str:
    unknown = set(_words(text)) - set(BACKENDS)
    if unknown or not text.strip():
        raise argparse.ArgumentTypeError(f"choose from {', '.join(BACKENDS)}")
    return text


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.5, help="per measurement")
    parser.add_argument("--minutes", type=float, default=15, help="in all; cases that would begin later are left out")
    parser.add_argument("--backends", type=_backends, default=" ".join(BACKENDS), help="default: %(default)s")
    parser.add_argument("--cases", default="*", help="patterns, such as 'upload-64KiB-16 mix-*'; default: all")
    parser.add_argument("--loops", default=f"{FLOOR} {OPEN}", help="beside the closed loop; default: %(default)s")
    parser.add_argument("--workers", type=int, default=1, help="processes of the service")
    parser.add_argument("--quick", action="store_true", help="64 KiB and 16 clients only, in at most 2 minutes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")
    if parser.parse_args(arguments).quick:
        parser.set_defaults(**QUICK)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
