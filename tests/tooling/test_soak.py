"""The arithmetic of the soak: what counts as growth, and the chart. Nothing here starts a server."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from benchmarks.soak import LIMITS, Limit, Sample, drawn, grown

STEADY = [Sample(number / 6, number * 300, 80.0, 40, 12, 20, 96.0, 48.0) for number in range(40)]
SVG = "{http://www.w3.org/2000/svg}"


def test_what_stays_the_same_did_not_grow() -> None:
    assert list(grown(STEADY)) == []


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.figure)
def test_each_figure_that_rises_above_its_limit_is_named(limit: Limit) -> None:
    before = getattr(STEADY[0], limit.figure)
    slowly = [
        replace(sample, **{limit.figure: before + number * limit.more / 10}) for number, sample in enumerate(STEADY)
    ]
    assert [complaint.split()[0] for complaint in grown(slowly)] == [limit.figure]


def test_growth_before_the_second_quarter_is_the_warm_up() -> None:
    cold = [replace(sample, memory=20.0) if number < 10 else sample for number, sample in enumerate(STEADY)]
    assert list(grown(cold)) == []


def test_single_peaks_do_not_count() -> None:
    assert list(grown([*STEADY[:-2], replace(STEADY[-2], connections=500), STEADY[-1]])) == []


def test_figures_of_a_server_that_is_down_are_left_out() -> None:
    down = [replace(sample, table=None) if number % 2 else sample for number, sample in enumerate(STEADY)]
    assert list(grown(down)) == []
    assert list(grown([replace(sample, table=None) for sample in STEADY])) == ["table could not be measured"]


def test_a_run_that_is_too_short_is_a_failure() -> None:
    assert list(grown(STEADY[:3])) == ["only 3 samples were taken; at least 4 are needed"]


def test_each_figure_is_a_line_that_begins_left_and_ends_right() -> None:
    chart = ET.fromstring(drawn(STEADY))  # noqa: S314  # our own
    found = [line.attrib["points"].split() for line in chart.iter(f"{SVG}polyline")]
    assert len(found) == len(LIMITS)
    for points in found:
        assert len(points) == len(STEADY)
        assert float(points[0].split(",")[0]) < float(points[-1].split(",")[0])
