"""Measurements as a table and as JSON."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.measurements import GENERATOR, Measurement, cpu_ratio, ratio

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.cases import Case

FLOOR, CLOSED, OPEN = "floor", "closed", "open"
PROCESSES = ("service", "postgres", "minio", GENERATOR)
HEAD = (
    f"{'case':<18}{'loop':<8}{'calls/s':>9}{'of floor':>10}{'p50 ms':>9}{'p99 ms':>9}"
    f" |{'cpu ms per call: ' + PROCESSES[0]:>25}{PROCESSES[1]:>10}{PROCESSES[2]:>9}{GENERATOR:>11}{'of floor':>10}"
    f" |{'MiB':>6}  errors"
)


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        backend: name of the stores.
        case: that was measured.
        loop: `floor` (a closed loop without the service), `closed` or `open`.
        measured: the figures.
        floor: the figures of the same case without the service; None for the floor itself and without one.
    """

    backend: str
    case: Case
    loop: str
    measured: Measurement
    floor: Measurement | None = None

    @property
    def of_floor(self) -> float:
        """Calls per second, over the floor's. The rate of an open loop is given, so there it says nothing: NaN."""
        if self.floor is None or self.loop != CLOSED:
            return math.nan
        return ratio(self.measured.per_second, self.floor.per_second)

    @property
    def cpu_of_floor(self) -> float:
        """Processor time per call of the servers that both have, over the floor's."""
        return cpu_ratio(self.measured, self.floor) if self.floor is not None else math.nan

    def line(self) -> str:
        """As text, under `HEAD`."""
        found = self.measured
        cpu = [_number(found.cpu_ms.get(name, math.nan), 3) for name in PROCESSES]
        errors = "; ".join(f"{count} x {text}" for text, count in sorted(found.errors.items()))
        return (
            f"{self.case.name:<18}{self.loop:<8}{_number(found.per_second, 1):>9}{_number(self.of_floor, 2):>10}"
            f"{_number(found.p50_ms, 2):>9}{_number(found.p99_ms, 2):>9}"
            f" |{cpu[0]:>25}{cpu[1]:>10}{cpu[2]:>9}{cpu[3]:>11}{_number(self.cpu_of_floor, 2):>10}"
            f" |{_number(found.memory_mib.get('service', math.nan), 0):>6}"
            f"  {'' if found.is_valid else 'INVALID '}{errors}"
        ).rstrip()

    def document(self) -> dict[str, Any]:
        """As an object of JSON, which has no NaN: null stands for it."""
        figures = {**asdict(self.measured), "of_floor": self.of_floor, "cpu_of_floor": self.cpu_of_floor}
        return {
            "backend": self.backend,
            **asdict(self.case),
            "loop": self.loop,
            "valid": self.measured.is_valid,
            **{name: without_nan(value) for name, value in figures.items()},
        }


def document(rows: list[Row], about: Mapping[str, Any]) -> dict[str, Any]:
    """A whole run as an object of JSON."""
    return {**about, "results": [row.document() for row in rows]}


def _number(value: float, digits: int) -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def without_nan(value: Any) -> Any:
    """A number, or an object of numbers, with null in place of NaN."""
    if isinstance(value, dict):
        return {name: without_nan(one) for name, one in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
