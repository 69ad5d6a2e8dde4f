"""`ConcurrencyLimit`: transfers are counted per user, and no entry is left when none is under way."""

from __future__ import annotations

import pytest

from contracts import samples
from obscura_backup.domain.errors import ObscuraError
from obscura_backup.entrypoints.http.limits.transfers import ConcurrencyLimit

USER = samples.user(1)


class Full(ObscuraError):
    """The limit is reached."""


def test_nothing_is_kept_of_a_user_with_nothing_under_way() -> None:
    gate = ConcurrencyLimit(2)
    with gate.admit(USER), gate.admit(USER):
        pass
    assert gate._under_way == {}


def test_a_refusal_takes_no_place() -> None:
    gate = ConcurrencyLimit(1, Full)
    with gate.admit(USER):
        with pytest.raises(Full), gate.admit(USER):
            pass
        assert gate._under_way == {USER: 1}


def test_one_that_ends_leaves_the_places_of_the_others() -> None:
    gate = ConcurrencyLimit(2)
    with gate.admit(USER):
        with gate.admit(USER):
            pass
        assert gate._under_way == {USER: 1}
