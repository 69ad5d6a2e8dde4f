"""`make bench-plot`: charts of one run, as SVG."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

WIDTH, LEFT, RIGHT, TOP, BAR, GAP, LEGEND = 720, 150, 80, 64, 15, 12, 140
PANEL = 110
COLOURS = ("#9aa5b1", "#2f6fab", "#e08a2e", "#4c9a5b")
Result = dict[str, Any]


@dataclass(frozen=True)
class Group:
    """Bars that are drawn together: a label, and a value for each series (None: no bar)."""

    label: str
    values: tuple[float | None, ...]


def bars(title: str, series: tuple[str, ...], groups: list[Group], unit: str, *, one_scale: bool = False) -> str:
    """A chart of horizontal bars, on a scale for each group, or with `one_scale` on one for all of them."""
    largest_of = [max((value for value in group.values if value is not None), default=0.0) or 1.0 for group in groups]
    largest_of_all = max(largest_of, default=1.0)
    height_of_group = BAR * len(series) + GAP
    height = TOP + height_of_group * len(groups) + GAP
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="12" y="22" font-size="15" font-weight="bold">{escape(title)}</text>',
    ]
    for number, name in enumerate(series):
        x = LEFT + LEGEND * number
        parts.append(f'<rect x="{x}" y="36" width="11" height="11" fill="{COLOURS[number]}"/>')
        parts.append(f'<text x="{x + 16}" y="46">{escape(name)}</text>')
    for row, group in enumerate(groups):
        y = TOP + row * height_of_group
        middle = y + BAR * len(series) / 2 + 4
        parts.append(f'<text x="{LEFT - 8}" y="{middle:.0f}" text-anchor="end">{escape(group.label)}</text>')
        largest = largest_of_all if one_scale else largest_of[row]
        for number, value in enumerate(group.values):
            if value is not None:
                length = max(1.0, (WIDTH - LEFT - RIGHT) * value / largest)
                bar_y = y + number * BAR
                parts.append(
                    f'<rect x="{LEFT}" y="{bar_y}" width="{length:.1f}" height="{BAR - 2}" fill="{COLOURS[number]}"/>'
                )
                parts.append(f'<text x="{LEFT + length + 5:.1f}" y="{bar_y + 11}">{_text(value)} {unit}</text>')
    return "\n".join([*parts, "</svg>", ""])


@dataclass(frozen=True)
class Line:
    """A figure over time: a title, and a value for each time (None: a gap)."""

    title: str
    times: list[float]
    values: list[float | None]


def lines(title: str, figures: list[Line], unit_of_time: str) -> str:
    """A chart with a panel for each figure, one below the other; each has its own scale, which begins at zero."""
    height = TOP + PANEL * len(figures) + GAP
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="12" y="22" font-size="15" font-weight="bold">{escape(title)}</text>',
    ]
    last = max((time for line in figures for time in line.times), default=0.0) or 1.0
    for row, line in enumerate(figures):
        top, bottom = TOP + row * PANEL, TOP + (row + 1) * PANEL - 32
        largest = max((value for value in line.values if value is not None), default=0.0) or 1.0
        points = " ".join(
            f"{LEFT + (WIDTH - LEFT - RIGHT) * time / last:.1f},{bottom - (bottom - top) * value / largest:.1f}"
            for time, value in zip(line.times, line.values, strict=True)
            if value is not None
        )
        parts += [
            f'<text x="{LEFT}" y="{top - 6}">{escape(line.title)}</text>',
            f'<path d="M{LEFT} {top}V{bottom}H{WIDTH - RIGHT}" fill="none" stroke="{COLOURS[0]}"/>',
            f'<polyline points="{points}" fill="none" stroke="{COLOURS[1]}" stroke-width="1.5"/>',
            f'<text x="{LEFT - 8}" y="{top + 8}" text-anchor="end">{_text(largest)}</text>',
            f'<text x="{LEFT - 8}" y="{bottom}" text-anchor="end">0</text>',
        ]
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{height - 14}" text-anchor="end">{_text(last)} {unit_of_time}</text>')
    return "\n".join([*parts, "</svg>", ""])


def charts(run: dict[str, Any], size: str, clients: int) -> dict[str, str]:
    """The charts of one size and number of clients, by file name."""
    rows = [row for row in run["results"] if row["size"] == size and row["clients"] == clients and row["valid"]]
    found: dict[str, dict[str, Result]] = {}
    for row in rows:
        found.setdefault(f"{row['backend']}, {row['call']}", {})[row["loop"]] = row
    what = f"{size}, {clients} clients"
    return {
        "throughput.svg": bars(
            f"Throughput, {what} (longer is better)",
            ("floor", "service"),
            [_group(label, [(of, "floor", "per_second"), (of, "closed", "per_second")]) for label, of in found.items()],
            "/s",
        ),
        "latency.svg": bars(
            f"Time of a call, {what} (shorter is better)",
            ("p50", "p99", "p50, open loop", "p99, open loop"),
            [
                _group(label, [(of, loop, name) for loop in ("closed", "open") for name in ("p50_ms", "p99_ms")])
                for label, of in found.items()
            ],
            "ms",
        ),
        "processor-time.svg": bars(
            f"Processor time per call, {what} (shorter is better)",
            ("bare Litestar route", "service", "PostgreSQL", "MinIO"),
            [
                _group(
                    label,
                    [
                        (of, "floor", "cpu_ms service"),
                        *((of, "closed", f"cpu_ms {name}") for name in ("service", "postgres", "minio")),
                    ],
                )
                for label, of in found.items()
            ],
            "ms",
            one_scale=True,
        ),
    }


def _group(label: str, wanted: list[tuple[dict[str, Result], str, str]]) -> Group:
    return Group(label, tuple(_value(results.get(loop), name) for results, loop, name in wanted))


def _value(row: Result | None, name: str) -> float | None:
    value: Any = row
    for key in name.split():
        value = value.get(key) if value is not None else None
    return None if value is None else float(value)


def _text(value: float) -> str:
    digits = 0 if value >= 100 else 1 if value >= 10 else 2  # noqa: PLR2004  # about three digits in all
    return f"{value:,.{digits}f}"


def main(arguments: list[str] | None = None) -> int:
    """0: drawn; 2: the run has no such case."""
    parser = argparse.ArgumentParser(prog="bench-plot", description=__doc__)
    parser.add_argument("run", type=Path, help="JSON of `make bench`")
    parser.add_argument("--folder", type=Path, default=Path("docs/benchmarks"))
    parser.add_argument("--size", default="64KiB")
    parser.add_argument("--clients", type=int, default=16)
    options = parser.parse_args(arguments)
    run = json.loads(options.run.read_text())
    if not any(row["size"] == options.size and row["clients"] == options.clients for row in run["results"]):
        sys.stderr.write(f"bench: {options.run} has no case of {options.size} and {options.clients} clients.\n")
        return 2
    options.folder.mkdir(parents=True, exist_ok=True)
    for name, drawn in charts(run, options.size, options.clients).items():
        (options.folder / name).write_text(drawn)
        print(options.folder / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
