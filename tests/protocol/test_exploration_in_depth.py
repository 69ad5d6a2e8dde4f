"""The slot protocol, explored to the last state of scenarios that take the better part of a minute."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from protocol.explorer.catalogue import MEDIUM
from protocol.explorer.search import explore

if TYPE_CHECKING:
    from protocol.explorer.scenarios import Scenario


@pytest.mark.parametrize("scenario", MEDIUM, ids=lambda scenario: scenario.name)
def test_no_state_breaks_a_promise(scenario: Scenario) -> None:
    outcome = explore(scenario)
    print(outcome)  # noqa: T201  # what `pytest -s` shows
    assert outcome.trace == ()
    assert outcome.exhausted
