"""The service under drawn requests, faults and restores, against a register: see `simulation/machine.py`."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from contracts import samples
from obscura_backup.domain.model import Kind, Revision, Sha256, Version
from obscura_backup.domain.rules import (
    Deletion,
    Done,
    Mismatch,
    Put,
    Upload,
    certain_conflict,
    decide,
    is_lost,
    is_unchanged_upload,
    reconcile,
)
from protocol.simulation.machine import run
from protocol.simulation.pairs import MemoryPair

SEEDS = range(5)


def test_service_tells_nothing_that_no_order_of_events_explains() -> None:
    machine = run(MemoryPair, SEEDS)
    assert machine.steps > 200 * len(SEEDS)


DIGESTS = st.sampled_from([b"one", b"two", b"six"]).map(Sha256)
REVISIONS = st.builds(
    lambda version, kind, sha256, base: replace(
        samples.revision(version, kind=kind), base=Version(base), sha256=Sha256(sha256)
    ),
    st.integers(1, 4),
    st.sampled_from(Kind),
    DIGESTS,
    st.integers(0, 3),
)
EXPECTED = st.integers(0, 5).map(Version)
ASKED = st.builds(Upload, EXPECTED, DIGESTS) | st.builds(Deletion, EXPECTED)


@given(row=st.none() | REVISIONS, asked=ASKED)
def test_fast_path_does_what_the_slow_path_would(row: Revision | None, asked: Upload | Deletion) -> None:
    """The condition of its PUT holds only where the object is the very one that the row names."""
    put = None if is_unchanged_upload(row, asked) else decide(row, asked)
    assert put is None or reconcile(row, row, asked) == put


@given(row=REVISIONS, asked=ASKED)
def test_same_bytes_are_what_the_slow_path_has_nothing_to_write_for(row: Revision, asked: Upload | Deletion) -> None:
    at_its_version = isinstance(reconcile(row, row, asked), Done) and asked.expected == row.version
    assert is_unchanged_upload(row, asked) == (at_its_version and isinstance(asked, Upload))


@given(row=st.none() | REVISIONS, found=REVISIONS, asked=ASKED)
def test_fast_path_is_never_right_by_the_word_of_another_object(
    row: Revision | None, found: Revision, asked: Upload | Deletion
) -> None:
    """Its PUT is conditional on the row's tag, so over any other object it is refused."""
    put = decide(row, asked)
    assert put is None or put.replaces != found.tag


@given(row=st.none() | REVISIONS, found=REVISIONS, asked=ASKED)
def test_row_that_lags_changes_nothing(row: Revision | None, found: Revision, asked: Upload | Deletion) -> None:
    if row is not None and row.version > found.version:
        row = None
    assert reconcile(row, found, asked) == reconcile(found, found, asked)


@given(row=REVISIONS, found=st.none() | REVISIONS, asked=ASKED)
def test_only_a_client_that_knows_the_lost_version_goes_on(
    row: Revision, found: Revision | None, asked: Upload | Deletion
) -> None:
    if is_lost(row, found):
        goes_on = isinstance(reconcile(row, found, asked), Put)
        assert goes_on == (asked.expected == row.version)
        assert goes_on or reconcile(row, found, asked) == Mismatch(row.version)


@given(row=st.none() | REVISIONS, found=st.none() | REVISIONS, asked=ASKED)
def test_next_version_is_above_all_that_either_store_remembers(
    row: Revision | None, found: Revision | None, asked: Upload | Deletion
) -> None:
    outcome = reconcile(row, found, asked)
    known = [one.version for one in (row, found) if one is not None]
    assert not isinstance(outcome, Put) or outcome.version == max(known, default=0) + 1


@given(row=st.none() | REVISIONS, found=st.none() | REVISIONS, expected=EXPECTED, sha256=DIGESTS)
def test_early_refusal_is_what_every_body_would_be_answered(
    row: Revision | None, found: Revision | None, expected: Version, sha256: Sha256
) -> None:
    current = certain_conflict(row, found, expected)
    assert current is None or reconcile(row, found, Upload(expected, sha256)) == Mismatch(current)
