"""`make bench-compare`: two checkouts, measured by turns in one run, as ratios with their spread.

Each checkout needs its own `.venv` (`make setup`). Both services run at the same time on databases and buckets of their
own on the same servers, and are loaded one after the other: old, new, new, old, and so on. So a machine whose speed
changes during the run disturbs both alike. A ratio compares two neighbours; the median of all rounds is the result.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import environment, generator
from benchmarks.cases import selected
from benchmarks.exits import INVALID, USAGE, exit_code
from benchmarks.measurements import GENERATOR, Measurement, Spread, ratio, spread
from benchmarks.report import without_nan
from benchmarks.testbeds import BACKENDS, Servers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.cases import Case
    from benchmarks.testbeds import Target

Round = tuple[Measurement, Measurement]
"""The old checkout's measurement and the new one's."""
COMMAND = Path(".venv/bin/obscura-backup")


def ratios(rounds: Sequence[Round]) -> dict[str, Spread]:
    """New over old, for each figure that both have; rounds with an invalid measurement are left out."""
    valid = [(old, new) for old, new in rounds if old.is_valid and new.is_valid]
    found = {
        "calls/s": spread([ratio(new.per_second, old.per_second) for old, new in valid]),
        "p50": spread([ratio(new.p50_ms, old.p50_ms) for old, new in valid]),
        "p99": spread([ratio(new.p99_ms, old.p99_ms) for old, new in valid]),
    }
    names = [name for name in (valid[0][0].cpu_ms if valid else {}) if name != GENERATOR]
    for name in names:
        found[f"cpu {name}"] = spread([ratio(new.cpu_ms[name], old.cpu_ms[name]) for old, new in valid])
    return found


def by_turns(measure: Callable[[int], Measurement], count: int) -> list[Round]:
    """Measure old (0) and new (1) as neighbours, each first in every other round."""
    rounds = []
    for number in range(count):
        order = (0, 1) if number % 2 == 0 else (1, 0)
        found = {which: measure(which) for which in order}
        rounds.append((found[0], found[1]))
    return rounds


def main(arguments: list[str] | None = None) -> int:
    """0: measured; 1: a round was invalid; 2: wrong usage; 3: not possible here."""
    options = _parser().parse_args(arguments)
    checkouts = [path.resolve() for path in (options.old, options.new)]
    for path in checkouts:
        if not (path / COMMAND).exists():
            sys.stderr.write(f"bench: {path} has no {COMMAND}: run `make setup` there.\n")
            return USAGE
    return exit_code(lambda: _compare(options, checkouts))


def _compare(options: argparse.Namespace, checkouts: Sequence[Path]) -> int:
    cases = selected(options.cases.replace(",", " ").split())
    program = generator.program()
    for name, path in zip(("old", "new"), checkouts, strict=True):
        print(f"{name}: {environment.commit(path)}, {environment.title_of(environment.python_of(path / COMMAND))}")
    print(f"New over old: median (lowest to highest) of {options.rounds} rounds of {options.seconds} s")
    invalid = 0
    results: list[dict[str, Any]] = []
    with Servers(program, workers=options.workers) as servers:
        backend = BACKENDS[options.backend]
        with backend(servers, checkouts[0] / COMMAND) as old, backend(servers, checkouts[1] / COMMAND) as new:
            targets = (old.service, new.service)
            for case in cases:
                rounds = by_turns(partial(_measured, program, targets, case, options.seconds), options.rounds)
                bad = [(one, two) for one, two in rounds if not (one.is_valid and two.is_valid)]
                invalid += len(bad)
                _print(f"{options.backend} {case.name}", rounds, len(bad))
                results.append(
                    {
                        "case": case.name,
                        "ratios": {name: without_nan(asdict(one)) for name, one in ratios(rounds).items()},
                    }
                )
    if options.json is not None:
        options.json.write_text(f"{json.dumps({'backend': options.backend, 'results': results}, indent=1)}\n")
    return INVALID if invalid else 0


def _measured(program: Path, targets: Sequence[Target], case: Case, seconds: float, which: int) -> Measurement:
    target = targets[which]
    return generator.measure(program, target.job_for(case), target.processes, seconds=seconds)


def _print(title: str, rounds: Sequence[Round], invalid: int) -> None:
    print(f"\n{title}" + (f"   INVALID: {invalid} rounds with more than 1 % errors" if invalid else ""))
    for name, found in ratios(rounds).items():
        print(f"  {name:<14}{found}", flush=True)


def _even(text: str) -> int:
    count = int(text)
    if count < 1 or count % 2:
        raise argparse.ArgumentTypeError("an even number is needed")
    return count


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bench-compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("old", type=Path, help="checkout")
    parser.add_argument("new", type=Path, help="checkout")
    parser.add_argument("--backend", choices=list(BACKENDS), default="near")
    parser.add_argument("--cases", default="upload-64KiB-16 download-64KiB-16", help="patterns; default: %(default)s")
    parser.add_argument("--rounds", type=_even, default=8, help="even, so that each is first as often as the other")
    parser.add_argument("--seconds", type=float, default=1.5, help="per measurement")
    parser.add_argument("--workers", type=int, default=1, help="processes of each service")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the ratios there, too")
    return parser


if __name__ == "__main__":
    sys.exit(main())
