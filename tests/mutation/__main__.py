"""The command that `make mutants` runs."""

from __future__ import annotations

import argparse
import importlib.util
import json
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from mutation.areas import AREAS, ROOT, Area
from mutation.equivalents import equivalents
from mutation.report import Outcome, survivors_of
from mutation.sampling import drawn
from mutation.trial import Trial, tracked

NO_TESTER = "The mutation tester is not installed: `make mutants` installs cosmic-ray and coverage."
BELOW_TARGET = 1
NOT_RUN = 2


def main(arguments: list[str] | None = None) -> int:
    """0: every area reached its target; 1: one did not; 2: the tests could not be run."""
    given = _parser().parse_args(arguments)
    if importlib.util.find_spec("cosmic_ray") is None or importlib.util.find_spec("coverage") is None:
        say(NO_TESTER)
        return NOT_RUN
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that what was started is ended
    deadline = time.monotonic() + given.minutes * 60
    areas = list(AREAS.values()) if given.area == "all" else [AREAS[given.area]]
    again = None if given.again is None else survivors_of(json.loads(given.again.read_text(encoding="utf-8")))
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="obscura-mutants-") as folder:
        trial = Trial(ROOT, Path(folder), given.seed)
        trial.copy(tracked(ROOT))
        tests = given.tests or sorted({test for area in areas for test in area.tests})
        say("Recording which tests reach which line ...")
        try:
            failed = trial.record(tests)
        except RuntimeError as error:
            say(str(error))
            return NOT_RUN
        if failed:
            say(f"Not used, they fail without a mutant: {' '.join(failed)}")
        for index, area in enumerate(areas):
            share = (deadline - time.monotonic()) / (len(areas) - index)
            asked = Asked(area, given.count, given.seed, time.monotonic() + share, again)
            outcomes.append(_measure(trial, asked))
            sys.stdout.write(f"{outcomes[-1].text}\n\n")
            sys.stdout.flush()
            if given.json is not None:
                given.json.write_text(json.dumps([each.document for each in outcomes], indent=1), encoding="utf-8")
    sys.stdout.writelines(f"{each.line}\n" for each in outcomes)
    return BELOW_TARGET if any(each.share < each.area.target for each in outcomes) else 0


@dataclass(frozen=True)
class Asked:
    """What to measure.

    Attributes:
        area: which.
        count: how many mutants to try.
        seed: of the sample.
        deadline: of the monotonic clock; no new mutant is tried after it.
        again: the identities of the mutants to try; None for any.
    """

    area: Area
    count: int
    seed: int
    deadline: float
    again: set[str] | None


def _measure(trial: Trial, asked: Asked) -> Outcome:
    """Try mutants of an area until there are enough, or until the time is over."""
    from mutation.sites import mutant, sites  # noqa: PLC0415 - cosmic-ray is not installed for ordinary tests

    area = asked.area
    order = drawn([sites(trial.tree, path) for path in area.sources(trial.tree)], asked.seed)
    if asked.again is not None:
        order = [site for site in order if site.identity in asked.again]
    outcome = Outcome(area, asked.seed, len(order), asked.count)
    known = equivalents()
    for site in order:
        if len(outcome.judged) + len(outcome.explained) >= asked.count or time.monotonic() > asked.deadline:
            break
        made = mutant(trial.tree, site)
        if made is None:
            continue
        entry = next((each for each in known if each.explains(made)), None)
        if entry is not None:
            outcome.explained.append((made, entry))
            continue
        verdict, tests = trial.judge(made)
        outcome.judged.append((made, verdict, tests))
        say(f"{area.name} {len(outcome.judged)}: {verdict.value}: {site.path}:{site.start[0]} {site.operator}")
    return outcome


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mutation", description="Measure the tests by small changes to the code.")
    parser.add_argument("area", choices=["all", *AREAS])
    parser.add_argument("--count", type=int, default=40, help="mutants for each area")
    parser.add_argument("--seed", type=int, default=1, help="of the sample and of hypothesis")
    parser.add_argument("--minutes", type=float, default=30, help="in all, after which no new mutant is tried")
    parser.add_argument("--json", type=Path, help="write what was found here, too")
    parser.add_argument("--again", type=Path, help="try only what survived in this earlier JSON report (same seed)")
    parser.add_argument("--tests", nargs="*", help="test files or folders to use instead of the area's own")
    return parser


def say(text: str) -> None:
    """To the terminal at once."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
