"""A bounded run of the fuzzer, with the bugs that prove it would notice; `make fuzz` is the longer one."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest

from fuzz import mutants, session, targets
from fuzz.__main__ import NO_FUZZER
from support.servers.programs import native

if TYPE_CHECKING:
    from pathlib import Path

SEED = 20260921
SECONDS = 100
"""At most. Executions bound a run, so that it does as much on a slow machine."""
MUTANT_SECONDS = 20
# The quickest of each kind; `make fuzz FUZZ_TARGET=mutants` hunts them all.
HUNTED = ("padding that is not zero", "no look at the commitment", "unknown fields of an entry dropped")


@pytest.fixture
def fuzzer() -> None:
    if importlib.util.find_spec("atheris") is None:
        if native.IN_CI:
            raise RuntimeError(NO_FUZZER)
        pytest.skip(NO_FUZZER)


@pytest.mark.parametrize("name", targets.NAMES)
def test_every_seed_and_every_earlier_finding_keeps_the_promises(name: str) -> None:
    for content in targets.corpus(name):
        targets.load(name).check(content)


@pytest.mark.parametrize("name", targets.NAMES)
def test_a_short_run_finds_nothing_and_gets_somewhere(fuzzer: None, tmp_path: Path, name: str) -> None:
    wanted = 2 * len(targets.corpus(name)) + 500
    outcome = session.run(name, tmp_path, seconds=SECONDS, seed=SEED, executions=wanted)
    assert (outcome.exit_code, outcome.findings) == (0, ()), outcome.said[-4000:]
    assert outcome.executions > 2 * len(targets.corpus(name)), outcome.said[-4000:]
    assert outcome.features > 0
    assert outcome.edges >= outcome.edges_at_start > 0


@pytest.mark.parametrize(
    "mutant", [each for each in mutants.MUTANTS if each.name in HUNTED], ids=lambda each: each.name
)
def test_a_planted_bug_is_found(fuzzer: None, tmp_path: Path, mutant: mutants.Mutant) -> None:
    outcome, _ = mutants.hunt(mutant, tmp_path, seconds=MUTANT_SECONDS, seed=SEED)
    assert outcome.findings, outcome.said[-4000:]


@pytest.mark.parametrize("mutant", mutants.MUTANTS, ids=lambda each: each.name)
def test_every_planted_bug_still_fits_the_code(tmp_path: Path, mutant: mutants.Mutant) -> None:
    mutant.plant(tmp_path)
