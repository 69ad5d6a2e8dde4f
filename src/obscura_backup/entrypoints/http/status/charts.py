"""Charts as SVG in the page. Colours are classes of its stylesheet; nothing is loaded, and no script runs.

A chart is about as wide as a phone, so that its text is as large there as on a desktop. Each has a title and a
description for screen readers; the table of the page has the numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from obscura_backup.entrypoints.http.status.amounts import clock_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

WIDTH, HEIGHT = 360, 132
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 356, 10, 108
_STRIP_HEIGHT, _STRIP_BOTTOM = 44, 22
_LABEL_EVERY_SECONDS = 3600
_GAP_SHARE = 0.22
_STEPS = (1, 2, 4, 10)
_STRIP_STYLES: dict[bool | None, tuple[str, int, str]] = {
    True: ("good", 8, "answered"),
    False: ("bad", 0, "did not answer"),
    None: ("unknown", 14, "not recorded"),
}


@dataclass(frozen=True)
class Series:
    """One value per interval.

    Attributes:
        name: for the tooltips.
        style: the class of the stylesheet.
        values: None where nothing is known.
    """

    name: str
    style: str
    values: Sequence[float | None]


@dataclass(frozen=True)
class Axis:
    """The intervals of a chart, and how its values are written.

    Attributes:
        starts: the beginning of each interval, in seconds since 1970.
        text: writes a value.
        left: where the first interval begins.
    """

    starts: Sequence[int]
    text: Callable[[float], str]
    left: int = _LEFT

    @property
    def slot(self) -> float:
        """The width of one interval."""
        return (_RIGHT - self.left) / len(self.starts)

    def x(self, place: float) -> float:
        """Where an interval begins."""
        return self.left + place * self.slot

    def spoken(self, place: int) -> str:
        """When an interval began."""
        return clock_time(self.starts[place])


def bars(name: str, axis: Axis, series: Sequence[Series]) -> str:
    """Bars, one series on top of the other."""
    totals = [sum(one.values[place] or 0 for one in series) for place in range(len(axis.starts))]
    top = _nice_maximum(max(totals), least=4)
    shapes = []
    for place in range(len(axis.starts)):
        base = float(_BOTTOM)
        for one in series:
            value = one.values[place]
            if value:
                height = max(1.5, value / top * (_BOTTOM - _TOP))
                base -= height
                told = f"{axis.spoken(place)}: {one.name} {axis.text(value)}"
                shapes.append(_bar(axis, place, base, height, one.style, told))
    told = "; ".join(_peak(axis, one) for one in series)
    return _svg(name, told, HEIGHT, [*_frame(axis, top, series[0].values), *shapes])


def lines(name: str, axis: Axis, series: Sequence[Series]) -> str:
    """A line per series, interrupted where there is no value."""
    top = _nice_maximum(max((value or 0 for one in series for value in one.values), default=0), least=0.005)
    shapes = []
    for one in series:
        for part in _runs(one.values):
            points = [(axis.x(place + 0.5), _BOTTOM - value / top * (_BOTTOM - _TOP)) for place, value in part]
            written = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            shapes.append(f'<polyline class="line {one.style}" points="{written}"/>')
            shapes += [
                f'<circle class="dot {one.style}" cx="{x:.1f}" cy="{y:.1f}" r="2">'
                f"<title>{axis.spoken(place)}: {escape(one.name)} {escape(axis.text(value))}</title></circle>"
                for (x, y), (place, value) in zip(points, part, strict=True)
            ]
    told = "; ".join(_peak(axis, one) for one in series)
    return _svg(name, told, HEIGHT, [*_frame(axis, top, None), *shapes])


def strip(name: str, axis: Axis, up: Sequence[bool | None]) -> str:
    """Whether something worked: green bars, and higher red ones where it did not."""
    shapes = []
    for place, value in enumerate(up):
        style, top, told = _STRIP_STYLES[value]
        shapes.append(_bar(axis, place, top, _STRIP_BOTTOM - top, style, f"{axis.spoken(place)}: {told}"))
    down = [axis.spoken(place) for place, value in enumerate(up) if value is False]
    told = f"Did not answer in the intervals from {', '.join(down)}." if down else "No outage was recorded."
    return _svg(name, told, _STRIP_HEIGHT, [*shapes, *_times(axis, _STRIP_BOTTOM)])


def classes(name: str, rows: Sequence[tuple[str, int]]) -> str:
    """One bar per class, from top to bottom, with its label and its count."""
    row_height = 15
    top = max((count for _, count in rows), default=0) or 1
    left, right = 86, 306
    shapes = []
    for place, (label, count) in enumerate(rows):
        y = place * row_height
        width = count / top * (right - left)
        shapes += [
            f'<text class="label" x="{left - 6}" y="{y + 11}" text-anchor="end">{escape(label)}</text>',
            f'<rect class="track" x="{left}" y="{y + 3}" width="{right - left}" height="9"/>',
            f'<rect class="first" x="{left}" y="{y + 3}" width="{width:.1f}" height="9"/>',
            f'<text class="label" x="{right + 6}" y="{y + 11}">{count:,}</text>',
        ]
    told = "; ".join(f"{label}: {count}" for label, count in rows)
    return _svg(name, told, max(1, len(rows)) * row_height + 2, shapes)


def _svg(name: str, told: str, height: int, shapes: Iterable[str]) -> str:
    mark = "".join(letter for letter in name.lower() if letter.isalpha())
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="{mark}-name" aria-describedby="{mark}-told">'
        f'<title id="{mark}-name">{escape(name)}</title><desc id="{mark}-told">{escape(told)}</desc>'
        f"{''.join(shapes)}</svg>"
    )


def _frame(axis: Axis, top: float, known: Sequence[float | None] | None) -> Iterable[str]:
    if known is not None:
        blank = next((place for place, value in enumerate(known) if value is not None), len(known))
        if blank:
            width = axis.x(blank) - _LEFT
            where = f'x="{_LEFT}" y="{_TOP}" width="{width:.1f}" height="{_BOTTOM - _TOP}"'
            yield f'<rect class="unknown" {where}><title>not recorded</title></rect>'
    for share in (0.0, 0.5, 1.0):
        y = _BOTTOM - share * (_BOTTOM - _TOP)
        yield f'<line class="grid" x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        text = escape(axis.text(share * top))
        yield f'<text class="label" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'
    yield from _times(axis, _BOTTOM)


def _times(axis: Axis, bottom: int) -> Iterable[str]:
    for place, at in enumerate(axis.starts):
        if at % _LABEL_EVERY_SECONDS == 0:
            tick = axis.x(place)
            x = min(max(tick, axis.left + 16), _RIGHT - 14)
            yield f'<line class="grid" x1="{tick:.1f}" x2="{tick:.1f}" y1="{bottom}" y2="{bottom + 4}"/>'
            yield f'<text class="label" x="{x:.1f}" y="{bottom + 17}" text-anchor="middle">{clock_time(at)}</text>'


def _bar(axis: Axis, place: int, y: float, height: float, style: str, told: str) -> str:
    x, width = axis.x(place + _GAP_SHARE / 2), axis.slot * (1 - _GAP_SHARE)
    where = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect class="{style}" {where}><title>{escape(told)}</title></rect>'


def _peak(axis: Axis, one: Series) -> str:
    known = [(value, place) for place, value in enumerate(one.values) if value]
    if not known:
        return f"{one.name}: none"
    value, place = max(known)
    return f"{one.name}: at most {axis.text(value)} in the interval from {axis.spoken(place)}"


def _runs(values: Sequence[float | None]) -> Iterable[list[tuple[int, float]]]:
    """The parts without a gap, as places and values."""
    run: list[tuple[int, float]] = []
    for place, value in enumerate(values):
        if value is None:
            if run:
                yield run
            run = []
        else:
            run.append((place, value))
    if run:
        yield run


def _nice_maximum(value: float, *, least: float) -> float:
    """The next of 1, 2, 4 times a power of ten: half of it is a short number, too."""
    value = max(value, least)
    power: float = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in _STEPS if step * power >= value * (1 - 1e-9))
