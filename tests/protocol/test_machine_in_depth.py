"""The machine of `simulation/machine.py` for longer, also over the embedded stores, and with bugs planted.

`HYPOTHESIS_PROFILE=long` runs twenty times as much of it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from protocol.planted.mutants import MUTANTS
from protocol.simulation.machine import run
from protocol.simulation.pairs import EmbeddedPair, MemoryPair
from protocol.simulation.record import Violation

if TYPE_CHECKING:
    from pathlib import Path

LENGTH = 20 if os.environ.get("HYPOTHESIS_PROFILE") == "long" else 1
FIRST_SEED = 1000
"""The unit tests have those below."""
SEEDS_TO_FIND_A_BUG = 240
"""At most. Hypothesis draws from the constants of all loaded modules, so a seed does not always give the same."""
FIRST_SEEDS = {"tags-from-bytes": 92, "row-goes-back": 14}
"""Where the search for these begins: they were last found a little later, after a minute. All seeds have their turn."""

# By the exploration's measure no client can tell this one. The machine can: it takes `SlotBusy` at its word, that
# nothing was stored, and the PUT of unknown outcome may still arrive.
SEEN_HERE = {"unknown-is-refused"}
# The machine draws no `reap`. The exploration has scenarios for it.
NOT_DRAWN = {"reap-any-version"}
FOUND = [
    name for name, mutant in MUTANTS.items() if (not mutant.harmless or name in SEEN_HERE) and name not in NOT_DRAWN
]


def test_service_over_the_stores_in_memory() -> None:
    run(MemoryPair, range(FIRST_SEED, FIRST_SEED + 10 * LENGTH))


def test_service_over_the_embedded_stores(tmp_path: Path) -> None:
    run(lambda: EmbeddedPair(tmp_path), range(FIRST_SEED, FIRST_SEED + LENGTH))


@pytest.mark.parametrize("name", FOUND)
def test_planted_bug_is_found(name: str) -> None:
    first = FIRST_SEEDS.get(name, 0)
    with MUTANTS[name].planted(), pytest.raises(Violation):
        run(MemoryPair, [*range(first, SEEDS_TO_FIND_A_BUG), *range(first)], shrink=False)
