"""The command that `make fuzz` runs."""

from __future__ import annotations

import argparse
import importlib.util
import secrets
import sys
from pathlib import Path

from fuzz import mutants, session, targets

NO_FUZZER = "There is no fuzzer: `make fuzz` installs atheris, for CPython 3.11 to 3.14 on Linux x86-64."


def main() -> int:
    """0 when nothing was found, 1 when something was, 2 when there is no fuzzer."""
    parser = argparse.ArgumentParser(prog="fuzz", description="Fuzz what reads bytes from elsewhere.")
    parser.add_argument("target", choices=["all", "mutants", *targets.NAMES])
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--seed", type=int, default=0, help="of the fuzzer's choices; 0: another each time")
    parser.add_argument("--folder", type=Path, default=Path(".fuzz"), help="of the corpora and the findings")
    parser.add_argument("--replay", type=Path, help="check this one input, without the fuzzer")
    given = parser.parse_args()
    if given.replay is not None:
        targets.load(given.target).check(given.replay.read_bytes())
        return 0
    if importlib.util.find_spec("atheris") is None:
        say(NO_FUZZER)
        return 2
    seed = given.seed or 1 + secrets.randbelow(2**31 - 1)
    if given.target == "mutants":
        found = [hunted(mutant, given.folder, given.seconds, seed) for mutant in mutants.MUTANTS]
        return int(not all(found))
    names = targets.NAMES if given.target == "all" else (given.target,)
    well = [fuzzed(name, given.folder, given.seconds, seed) for name in names]
    return int(not all(well))


def fuzzed(name: str, folder: Path, seconds: int, seed: int) -> bool:
    """Whether nothing was found with this target."""
    outcome = session.run(name, folder, seconds=seconds, seed=seed)
    say(f"{outcome} (seed {seed})")
    if outcome.exit_code == 0:
        return True
    say(outcome.said[-4000:])
    for finding in outcome.findings:
        say(f"Again: PYTHONPATH={session.TESTS} {sys.executable} -m fuzz {name} --replay {finding}")
    return False


def hunted(mutant: mutants.Mutant, folder: Path, seconds: int, seed: int) -> bool:
    """Whether the bug that was planted is found."""
    outcome, took = mutants.hunt(mutant, folder, seconds=seconds, seed=seed)
    word = f"found in {took:.1f} s, {outcome.executions} executions" if outcome.findings else "NOT FOUND"
    say(f"{mutant.name} ({mutant.target}): {word}")
    return bool(outcome.findings)


def say(text: str) -> None:
    """To the terminal at once."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
