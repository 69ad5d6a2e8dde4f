"""What one upload and one download cost the whole service, on PostgreSQL and MinIO beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks import generator
from benchmarks.cases import Case
from benchmarks.testbeds import Servers
from support.servers.service import COMMAND

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CASES = (Case("upload", "64KiB", 16), Case("download", "64KiB", 16))
SECONDS = 4.0


def measure(rounds: int, keep: Callable[[Mapping[str, Any]], None]) -> None:
    """Processor time per call in milliseconds, by process: the median of the rounds."""
    program = generator.program()
    found: dict[str, Any] = {"bytes": CASES[0].bytes, "clients": CASES[0].clients, "rounds": rounds}
    with Servers(program) as servers, servers.near(COMMAND) as testbed:
        target = testbed.service
        for case in CASES:
            measured = [
                generator.measure(program, target.job_for(case), target.processes, seconds=SECONDS)
                for _ in range(rounds)
            ]
            for one in measured:
                if not one.is_valid:
                    raise RuntimeError(f"{case.name} failed: {one.errors}")
            middle = sorted(measured, key=lambda one: one.cpu_ms["service"])[rounds // 2]
            found[case.call] = {
                **{f"{name}_ms": round(middle.cpu_ms[name], 3) for name in target.processes},
                "memory_mib": round(middle.memory_mib["service"], 1),
            }
            keep(found)
