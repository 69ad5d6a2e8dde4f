"""The status page as HTML."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import msgspec

from obscura_backup.entrypoints.http.status import amounts
from obscura_backup.entrypoints.http.status.charts import Axis, Series, bars, lines, strip
from obscura_backup.entrypoints.http.status.page import HEADERS, page
from obscura_backup.entrypoints.http.status.report import report_on
from obscura_backup.entrypoints.http.status.samples import StoreState
from support.status_reports import BROKEN, WELL, quiet_report, report_of_outage, samples_of_hours


class Outline(HTMLParser):
    """The elements and the text of a page; asserts that each element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_page_refers_to_nothing_but_itself_and_has_no_script() -> None:
    outline = Outline(page(report_of_outage()))
    named = {name for _, attributes in outline.elements for name in attributes}
    assert not named & {"src", "style", "action", "background", "srcset", "xlink:href"}
    assert not [name for name in named if name.startswith("on")]
    assert {attributes["href"] for _, attributes in outline.elements if "href" in attributes} == {"/status"}
    assert "script" not in {tag for tag, _ in outline.elements}
    assert "url(" not in page(quiet_report())


def test_policy_allows_the_one_stylesheet_alone() -> None:
    (style,) = re.findall(r"<style>(.*?)</style>", page(quiet_report()), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert HEADERS["Content-Security-Policy"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def test_text_of_a_store_is_escaped() -> None:
    broken = StoreState("blobs", "s3", "unavailable", '<script>"&', 0.0)
    text = page(report_on(samples_of_hours(2), (WELL[0], broken), version="<1>", pid=1))
    assert "&lt;script&gt;&quot;&amp;" in text
    assert "Version &lt;1&gt;" in text
    assert "<script" not in text


def test_each_picture_has_a_name_and_a_description_of_its_own() -> None:
    outline = Outline(page(report_of_outage()))
    ids = [attributes["id"] for _, attributes in outline.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    pictures = [attributes for tag, attributes in outline.elements if tag == "svg" and "aria-hidden" not in attributes]
    assert len(pictures) == 8
    assert {picture["role"] for picture in pictures} == {"img"}
    assert {picture[name] for picture in pictures for name in ("aria-labelledby", "aria-describedby")} <= set(ids)


def test_headings_begin_at_one_and_skip_no_level() -> None:
    levels = [int(tag[1]) for tag, _ in Outline(page(report_of_outage())).elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels))


def test_findings_are_shown_with_what_to_do() -> None:
    text = page(report_of_outage())
    assert "<h2>What to do</h2>" in text
    assert "Critical: The blob store (s3) does not answer." in text
    assert "Run <code>obscura-backup doctor</code> for details." in text
    assert "<title>Status: critical | Obscura Backup</title>" in text
    assert "What to do" not in page(quiet_report())


def test_table_has_a_row_per_hour() -> None:
    outline = Outline(page(quiet_report()))
    assert [a.get("scope") for tag, a in outline.elements if tag == "th"].count("row") == 7


def test_page_of_a_service_that_has_just_started() -> None:
    text = page(report_on(samples_of_hours(0), BROKEN, version="1", pid=1))
    assert "None" not in Outline(text).text
    assert "nan" not in text


AXIS = Axis([0, 300, 600], lambda value: f"{value:g}")


def test_bars_are_as_high_as_their_values_and_stacked() -> None:
    drawn = bars("A name", AXIS, [Series("a", "first", [20, None, 0]), Series("b", "bad", [20, 10, 0])])
    shapes: list[Any] = re.findall(
        r'<rect class="(\w+)" x="[\d.]+" y="([\d.]+)" width="[\d.]+" height="([\d.]+)"', drawn
    )
    assert shapes == [("first", "59.0", "49.0"), ("bad", "10.0", "49.0"), ("bad", "83.5", "24.5")]
    assert "00:00: a 20" in drawn
    assert "a: at most 20 in the interval from 00:00; b: at most 20 in the interval from 00:00" in drawn


def test_line_is_interrupted_where_there_is_no_value() -> None:
    drawn = lines("A name", AXIS, [Series("a", "first", [1, None, 2])])
    assert drawn.count("<polyline") == 2
    assert drawn.count("<circle") == 2


def test_strip_tells_up_from_down_and_from_unknown_by_height_too() -> None:
    drawn = strip("A name", AXIS, [True, False, None])
    assert len(set(re.findall(r'rect class="(\w+)" x="[\d.]+" y="([\d.]+)"', drawn))) == 3
    assert "Did not answer in the intervals from 00:05." in drawn
    assert "No outage was recorded." in strip("A name", AXIS, [True, True, True])


def test_amounts_as_text() -> None:
    cases: list[tuple[str, str]] = [
        (amounts.size(0), "0 B"),
        (amounts.size(1536), "1.5 KiB"),
        (amounts.size(20 * 1024**2), "20 MiB"),
        (amounts.duration(0.0004), "0.4 ms"),
        (amounts.duration(0.25), "250 ms"),
        (amounts.duration(2.5), "2.5 s"),
        (amounts.age(59), "less than a minute"),
        (amounts.age(60), "1 minute"),
        (amounts.age(7200), "2 hours"),
        (amounts.age(200_000), "2 days"),
        (amounts.clock_time(3660), "01:01"),
        (amounts.date_and_time(0), "1970-01-01 00:00 UTC"),
    ]
    for text, expected in cases:
        assert text == expected


def test_report_survives_its_way_as_json() -> None:
    report = report_of_outage()
    assert msgspec.json.decode(msgspec.json.encode(report), type=type(report)) == report
