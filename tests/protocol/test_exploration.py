"""The slot protocol, explored to the last state of small scenarios; `make model` explores large ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from protocol.explorer.catalogue import ABA, DELETED_AND_BACK, FOUND_IN, SMALL, STRAYS_SURVIVE
from protocol.explorer.search import explore
from protocol.planted.mutants import MUTANTS, Mutant

if TYPE_CHECKING:
    from protocol.explorer.scenarios import Scenario


@pytest.mark.parametrize("scenario", SMALL, ids=lambda scenario: scenario.name)
def test_no_state_breaks_a_promise(scenario: Scenario) -> None:
    outcome = explore(scenario)
    assert outcome.trace == ()
    assert outcome.exhausted


def test_exploration_that_stops_early_says_so() -> None:
    outcome = explore(SMALL[0], limit=100)
    assert not outcome.exhausted
    assert "bounded, not exhausted" in str(outcome)


SEEN = [mutant for mutant in MUTANTS.values() if not mutant.harmless]
HARMLESS = [mutant for mutant in MUTANTS.values() if mutant.harmless]


@pytest.mark.parametrize("mutant", SEEN, ids=lambda mutant: mutant.name)
def test_planted_bug_is_found(mutant: Mutant) -> None:
    with mutant.planted():
        outcome = explore(FOUND_IN[mutant.name])
    print(mutant.sentence, *outcome.trace, sep="\n")  # noqa: T201  # what `pytest -s` shows
    assert "BROKEN" in outcome.trace[-1]


@pytest.mark.parametrize("mutant", HARMLESS, ids=lambda mutant: mutant.name)
def test_harmless_bug_breaks_no_promise(mutant: Mutant) -> None:
    with mutant.planted():
        outcome = explore(FOUND_IN[mutant.name])
    assert outcome.trace == ()


def test_tags_of_the_bytes_let_a_stalled_put_through() -> None:
    """What the promise of `BlobStore.put` about tags is for: the PUT finds its tag again, on the same bytes."""
    with MUTANTS["tags-from-bytes"].planted():
        outcome = explore(ABA)
    *before, arrival = outcome.trace
    stored = [line for line in before if "stored" in line and "PUT of" in line]
    assert [line.partition("PUT of ")[2] for line in stored] == [
        "version 1 (A1, on 0): stored",
        "version 2 (deleted, on 1): stored",
        "version 3 (A1, on 0): stored",
    ]
    assert "PUT of version 2 (B2, on 1) replaces version 3 (A1, on 0)" in arrival


def test_stalled_put_is_refused_by_a_tag_of_its_own() -> None:
    outcome = explore(ABA)
    assert outcome.trace == ()
    assert outcome.exhausted


def test_first_upload_sent_again_after_a_deletion_is_stored() -> None:
    """As decided in docs/decisions/0003: nothing tells it from a client that starts anew."""
    outcome = explore(DELETED_AND_BACK)
    assert outcome.trace[-1].endswith("BROKEN: A1 was deleted, and is back")


def test_bucket_is_to_be_restored_while_nothing_is_on_its_way() -> None:
    """A late PUT finds the tag, or the empty key, that it had been sent on."""
    outcome = explore(STRAYS_SURVIVE)
    assert "a write without a waiting client: unheard, PUT" in outcome.trace[-1]
