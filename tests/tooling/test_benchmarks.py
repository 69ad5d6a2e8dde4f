"""The arithmetic of the benchmark tool. Nothing here measures anything."""

from __future__ import annotations

import math
import os
import sys
import time
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from benchmarks import environment
from benchmarks.__main__ import share_ends_at
from benchmarks.cases import ALL, Case, NoSuchCase, selected
from benchmarks.compare import by_turns, ratios
from benchmarks.generator import measure
from benchmarks.measurements import Measurement, Usage, cpu_ratio, failed, measurement, percentile, spread
from benchmarks.plot import Group, bars, charts
from benchmarks.processes import processor_clock, usage
from benchmarks.report import CLOSED, FLOOR, OPEN, Row, document

if TYPE_CHECKING:
    from pathlib import Path

CASE = Case("upload", "64KiB", 16)
SVG = "{http://www.w3.org/2000/svg}"


def measured(per_second: float = 100.0, *, cpu: dict[str, float] | None = None, errors: int = 0) -> Measurement:
    return Measurement(
        calls=round(per_second),
        per_second=per_second,
        p50_ms=1000 / per_second,
        p99_ms=2000 / per_second,
        cpu_ms=cpu or {},
        memory_mib={"service": 60.0},
        errors={"status 503": errors} if errors else {},
    )


def stat(name: str, *, ticks: tuple[int, int, int, int], pages: int) -> str:
    """A `stat` file: user, system, children's user and children's system time are fields 14 to 17, the pages 24."""
    fields = ["S", *("0" for _ in range(10)), *map(str, ticks), *("0" for _ in range(6)), str(pages), "0", "0"]
    return f"77 ({name}) {' '.join(fields)}\n"


def process(proc: Path, pid: int, content: str, *children: int) -> None:
    task = proc / str(pid) / "task" / str(pid)
    task.mkdir(parents=True)
    (proc / str(pid) / "stat").write_text(content)
    (task / "children").write_text(" ".join(map(str, children)))


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 50), (0.99, 99), (0.0, 1), (1.0, 100), (0.991, 100), (0.501, 51)]
)
def test_a_percentile_is_the_smallest_value_that_enough_values_do_not_exceed(share: float, expected: int) -> None:
    assert percentile(range(1, 101), share) == expected


def test_a_percentile_of_one_value_is_that_value_and_of_none_is_no_number() -> None:
    assert percentile([7], 0.5) == percentile([7], 0.99) == 7
    assert math.isnan(percentile([], 0.5))


def test_an_interval_yields_rates_times_and_processor_time_per_call() -> None:
    found = measurement(
        [4000, 1000, 3000, 2000],
        {},
        seconds=2.0,
        before={"service": Usage(10.0, 0)},
        after={"service": Usage(10.5, 3 * 2**20)},
        between_seconds=2.5,  # the processor time was sampled over more than the interval
    )
    assert (found.calls, found.per_second, found.p50_ms, found.p99_ms) == (4, 2.0, 2.0, 4.0)
    assert found.cpu_ms["service"] == pytest.approx(1000 * (0.5 / 2.5) / 2.0)
    assert found.memory_mib == {"service": 3.0}


@pytest.mark.parametrize(("errors", "valid"), [(0, True), (1, True), (2, False)])
def test_more_than_one_percent_of_errors_make_a_measurement_invalid(errors: int, *, valid: bool) -> None:
    found = measurement(
        [1000] * (100 - errors), {"status 503": errors}, seconds=1.0, before={}, after={}, between_seconds=1.0
    )
    assert found.is_valid is valid


def test_a_measurement_without_calls_is_invalid() -> None:
    assert not failed("no answer").is_valid
    assert not measurement([], {}, seconds=1.0, before={}, after={}, between_seconds=1.0).is_valid


def test_usage_adds_up_descendants_and_ended_children(tmp_path: Path) -> None:
    process(tmp_path, 1, stat("a) b (c", ticks=(999, 999, 3, 4), pages=5), 2, 3)
    process(tmp_path, 2, stat("child", ticks=(999, 0, 0, 0), pages=50), 4)
    process(tmp_path, 4, stat("grandchild", ticks=(999, 0, 0, 0), pages=500))  # 3 has ended meanwhile
    process(tmp_path, 9, stat("stranger", ticks=(9, 9, 9, 9), pages=9))
    found = usage(1, proc=tmp_path, clock={1: 0.5, 2: 4.0, 4: 32.0, 9: 64.0}.__getitem__)
    assert found.processor_seconds == 36.5 + 7 / os.sysconf("SC_CLK_TCK")
    assert found.resident_bytes == 555 * os.sysconf("SC_PAGE_SIZE")


def test_the_clock_of_a_process_is_the_one_that_it_sees_itself() -> None:
    before = time.process_time()
    found = processor_clock(os.getpid())
    assert before <= found <= time.process_time()
    assert 2**20 < usage(os.getpid()).resident_bytes < 2**36


def pretended_generator(folder: Path, lines: str) -> Path:
    program = folder / "generator"
    program.write_text(f"#!{sys.executable}\nimport json, sys\njob = json.loads(input())\n{lines}")
    program.chmod(0o755)
    return program


def test_a_generator_is_led_through_one_measurement(tmp_path: Path) -> None:
    answers = """
print("ready", flush=True)
assert input() == "begin"
print("begun", flush=True)
assert input() == "end"
print("ended", flush=True)
assert input() == "stop"
print(json.dumps({"seconds": 2.0, "microseconds": [job["bytes"]] * 10, "errors": {"status 503": 1}}), flush=True)
"""
    found = measure(pretended_generator(tmp_path, answers), {"bytes": 3000}, {"service": os.getpid()}, seconds=0.0)
    assert (found.calls, found.per_second, found.p99_ms, found.errors) == (10, 5.0, 3.0, {"status 503": 1})
    assert found.cpu_ms.keys() == found.memory_mib.keys() == {"service", "generator"}


def test_a_generator_that_ends_early_yields_an_invalid_measurement_with_its_message(tmp_path: Path) -> None:
    found = measure(pretended_generator(tmp_path, 'sys.exit("no server")'), {}, {}, seconds=0.0)
    assert (found.is_valid, found.errors) == (False, {"no server": 1})


def test_a_row_has_its_ratios_to_the_floor() -> None:
    floor = measured(200.0, cpu={"postgres": 1.0, "minio": 3.0, "generator": 9.0})
    found = measured(100.0, cpu={"service": 8.0, "postgres": 2.0, "minio": 4.0, "generator": 1.0})
    row = Row("near", CASE, CLOSED, found, floor)
    assert row.of_floor == 0.5
    assert row.cpu_of_floor == cpu_ratio(found, floor) == 1.5
    assert math.isnan(Row("near", CASE, OPEN, found, floor).of_floor)
    assert math.isnan(Row("near", CASE, FLOOR, floor).of_floor)


def test_the_document_of_a_run_holds_no_nan_and_marks_what_is_invalid() -> None:
    rows = [Row("near", CASE, FLOOR, measured()), Row("near", CASE, CLOSED, failed("no answer"), measured())]
    first, second = document(rows, {"workers": 1})["results"]
    assert (first["valid"], first["of_floor"]) == (True, None)
    assert (second["valid"], second["p50_ms"], second["errors"]) == (False, None, {"no answer": 1})
    assert "INVALID 1 x no answer" in rows[1].line()


def test_patterns_select_cases() -> None:
    assert len(ALL) == len({case.name for case in ALL}) == 27
    assert {case.bytes for case in ALL} == {1024, 65536, 2097152}
    assert selected(["upload-64KiB-16"]) == [CASE]
    assert {case.call for case in selected(["*-1KiB-64", "mix-1KiB-64"])} == {"upload", "download", "mix"}
    with pytest.raises(NoSuchCase, match="upload-3KiB-16"):
        selected(["*", "upload-3KiB-16"])


def test_backends_share_the_time_that_is_left() -> None:
    assert share_ends_at(100.0, 500.0, 4) == 200.0
    assert share_ends_at(150.0, 500.0, 1) == 500.0


def test_two_checkouts_are_measured_by_turns_and_each_is_first_in_every_other_round() -> None:
    order: list[int] = []

    def measure(which: int) -> Measurement:
        order.append(which)
        return measured(100.0 + which)

    rounds = by_turns(measure, 3)
    assert order == [0, 1, 1, 0, 0, 1]
    assert [(old.per_second, new.per_second) for old, new in rounds] == [(100.0, 101.0)] * 3


def test_ratios_are_new_over_old_round_by_round_without_invalid_rounds() -> None:
    rounds = [
        (measured(100.0, cpu={"service": 4.0, "generator": 1.0}), measured(150.0, cpu={"service": 3.0})),
        (measured(100.0, cpu={"service": 4.0, "generator": 1.0}), measured(110.0, cpu={"service": 1.0})),
        (measured(50.0, cpu={"service": 4.0, "generator": 1.0}), measured(100.0, cpu={"service": 2.0})),
        (measured(10.0), measured(10.0, errors=5)),
    ]
    found = ratios(rounds)
    assert (found["calls/s"].median, found["calls/s"].low, found["calls/s"].high) == (1.5, 1.1, 2.0)
    assert (found["cpu service"].median, found["cpu service"].low, found["cpu service"].high) == (0.5, 0.25, 0.75)
    assert found["p99"].high == pytest.approx(1 / 1.1)
    assert "cpu generator" not in found


def test_the_spread_of_nothing_is_no_number() -> None:
    assert math.isnan(spread([]).median)
    assert spread([math.nan, 2.0]).median == 2.0


@pytest.mark.parametrize(("one_scale", "last"), [(False, 1.0), (True, 0.1)])
def test_the_bars_of_a_chart_are_as_long_as_their_values(*, one_scale: bool, last: float) -> None:
    groups = [Group("g", (50.0, 200.0)), Group("h", (20.0, None))]
    chart = ET.fromstring(bars("a < b", ("one", "two"), groups, "ms", one_scale=one_scale))  # noqa: S314  # our own
    lengths = [float(bar.attrib["width"]) for bar in chart.iter(f"{SVG}rect") if bar.attrib["height"] == "13"]
    assert [length / lengths[1] for length in lengths] == pytest.approx([0.25, 1.0, last])


def test_a_run_is_drawn_without_its_invalid_measurements() -> None:
    rows = [
        Row("near", CASE, FLOOR, measured(250.0)),
        Row("near", CASE, CLOSED, measured(120.0, cpu={"service": 7.5})),
        Row("far", CASE, CLOSED, failed("no answer")),
        Row("near", Case("mix", "1KiB", 16), CLOSED, measured(777.0)),
    ]
    drawn = charts(document(rows, {}), "64KiB", 16)
    assert set(drawn) == {"throughput.svg", "latency.svg", "processor-time.svg"}
    assert ">250 /s<" in drawn["throughput.svg"]
    assert ">120 /s<" in drawn["throughput.svg"]
    assert ">7.50 ms<" in drawn["processor-time.svg"]
    assert "far" not in drawn["throughput.svg"]
    assert "777" not in drawn["throughput.svg"]


@pytest.mark.parametrize(
    ("optimized", "says"), [(True, "built with --enable"), (False, "built WITHOUT --enable"), (None, "does not tell")]
)
def test_title_tells_how_python_was_built(*, optimized: bool | None, says: str) -> None:
    title = environment.title_of({"version": "3.14.0", "optimized": optimized})
    assert title.startswith("Python 3.14.0 ")
    assert says in title
