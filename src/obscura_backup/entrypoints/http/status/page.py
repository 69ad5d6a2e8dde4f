"""The status page as HTML: one document, without scripts and without anything from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import re
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from obscura_backup.entrypoints.http.route_table import STATUS
from obscura_backup.entrypoints.http.status import charts
from obscura_backup.entrypoints.http.status.amounts import age, clock_time, date_and_time, duration, size
from obscura_backup.entrypoints.http.status.charts import Axis, Series
from obscura_backup.entrypoints.http.status.findings import STORE_NAMES
from obscura_backup.entrypoints.http.status.hours import by_hour, verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from obscura_backup.entrypoints.http.status.hours import Hour
    from obscura_backup.entrypoints.http.status.report import Report
    from obscura_backup.entrypoints.http.status.samples import StoreState

_STYLE = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
_THOUSAND = 1000
_CODE = re.compile(r"`([^`]+)`")


def page(report: Report) -> str:
    """The document."""
    return "".join(
        (
            '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{_title(report)}</title><style>{_STYLE}</style></head><body>",
            f"<header><h1>Obscura Backup</h1><p>{date_and_time(report.at)} · ",
            f'<a href="{STATUS.path}">Reload</a></p></header>',
            f'<main><p class="verdict is-{report.status}">{escape(verdict(report))}</p>',
            _findings(report),
            f'<h2>Stores</h2><div class="grid">{"".join(_store(report, each) for each in report.stores)}</div>',
            f'<h2>Last 6 hours</h2><div class="grid">{"".join(_figures(report))}</div>',
            f"<h2>Hour by hour</h2>{_table(report)}</main>",
            f"<footer>Version {escape(report.version)}, worker {report.pid}. Times are in UTC. The numbers are ",
            "those of all workers of this replica, sampled once a minute since this worker started.</footer>",
            "</body></html>",
        )
    )


def _title(report: Report) -> str:
    return f"Status: {report.status} | Obscura Backup"


def _findings(report: Report) -> str:
    if not report.findings:
        return ""
    cards = (
        f'<section class="card finding is-{finding.level}">'
        f"<h3>{finding.level.capitalize()}: {escape(finding.what)}</h3><p>{_with_code(finding.advice)}</p></section>"
        for finding in report.findings
    )
    return f"<h2>What to do</h2>{''.join(cards)}"


def _store(report: Report, store: StoreState) -> str:
    name = STORE_NAMES[store.name].capitalize()
    is_up = store.status == "ok"
    style, told = ("ok", "✓ answers") if is_up else ("critical", "✗ does not answer")
    since = "" if store.since is None else f", since {date_and_time(store.since)} ({age(report.at - store.since)})"
    error = "" if store.error is None else f'<p class="error">{escape(store.error)}</p>'
    known = [interval.up.get(store.name) for interval in report.intervals]
    strip = charts.strip(f"{name} in the last 6 hours", Axis(_starts(report), str, left=0), known)
    return (
        f'<section class="card"><div class="head"><h3>{name}</h3><span class="state {style}">{told}</span></div>'
        f'<p class="soft">{escape(store.kind)}{since}</p>{error}{strip}</section>'
    )


def _figures(report: Report) -> Iterable[str]:
    def values(name: str) -> list[float | None]:
        return [getattr(interval, name) if interval.is_known else None for interval in report.intervals]

    def counted(title: str, *series: Series) -> str:
        total = sum(value or 0 for one in series for value in one.values)
        drawn = charts.bars(title, Axis(_starts(report), _count), series)
        return _figure(title, f"{total:,}", _key(series) or "per 5 minutes", drawn)

    def timed(title: str, median: str, slow: str) -> str:
        series = (Series("median", "first", values(median)), Series("slowest 5 %", "second", values(slow)))
        last = next((value for value in reversed(series[0].values) if value is not None), None)
        drawn = charts.lines(title, Axis(_starts(report), duration), series)
        number = "" if last is None else f"{duration(last)} <small>median</small>"
        return _figure(title, number, _key(series), drawn)

    yield counted("Uploads", Series("uploads", "first", values("uploads")))
    yield counted("Downloads", Series("downloads", "first", values("downloads")))
    yield counted(
        "Conflicts and errors",
        Series("conflicts", "second", values("conflicts")),
        Series("answered 503", "warn", values("unavailable")),
        Series("failed", "bad", values("failed")),
    )
    yield timed("Time of an upload", "upload_seconds", "slow_upload_seconds")
    yield timed("Time of a download", "download_seconds", "slow_download_seconds")
    rows = [("more" if one.up_to_bytes is None else size(one.up_to_bytes), one.uploads) for one in report.sizes]
    title = "Sizes of stored blobs"
    stored = sum(interval.stored_bytes for interval in report.intervals)
    yield _figure(title, f"{size(stored)} <small>in total</small>", "uploads by size", charts.classes(title, rows))


def _figure(title: str, number: str, key: str, drawn: str) -> str:
    return (
        f'<figure class="card"><figcaption><div class="head"><h3>{title}</h3><span class="number">{number}</span></div>'
        f'<div class="key soft">{key}</div></figcaption>{drawn}</figure>'
    )


def _key(series: Sequence[Series]) -> str:
    """The colours of several series."""
    if len(series) == 1:
        return ""
    mark = '<svg viewBox="0 0 10 10" aria-hidden="true"><rect class="{}" width="10" height="10"/></svg>'
    return "".join(f"<span>{mark.format(one.style)}{one.name}</span>" for one in series)


def _table(report: Report) -> str:
    heads = ("From", "Uploads", "Stored", "Downloads", "Deletions", "Conflicts", "503", "Failed")
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    return (
        '<div class="card scroll" role="region" aria-labelledby="hours" tabindex="0"><table>'
        f'<caption id="hours">Requests per hour, the newest first</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(_row(hour) for hour in by_hour(report))}</tbody></table></div>"
    )


def _row(hour: Hour) -> str:
    counts = (hour.downloads, hour.deletions, hour.conflicts, hour.unavailable, hour.failed)
    cells = (f"{hour.uploads:,}", size(hour.stored_bytes), *(f"{count:,}" for count in counts))
    return f'<tr><th scope="row">{clock_time(hour.at)}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


def _starts(report: Report) -> list[int]:
    return [interval.at for interval in report.intervals]


def _count(value: float) -> str:
    return f"{value:g}" if value < _THOUSAND else f"{value / _THOUSAND:g}k"


def _with_code(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", escape(text))
