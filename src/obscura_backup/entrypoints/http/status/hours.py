"""Summaries of a report that the page and the command share."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from obscura_backup.entrypoints.http.status.report import Report

_HOUR = 3600


@dataclass(frozen=True)
class Hour:
    """The requests of one hour. `at`: its beginning, in seconds since 1970. The counts are those of `Interval`."""

    at: int
    uploads: int
    downloads: int
    conflicts: int
    deletions: int
    unavailable: int
    failed: int
    stored_bytes: int


def by_hour(report: Report) -> list[Hour]:
    """The hours with samples, the newest first. The first and the last one may be incomplete."""
    known = [interval for interval in report.intervals if interval.is_known]
    hours = []
    for number, group in groupby(known, key=lambda interval: interval.at // _HOUR):
        parts = list(group)
        names = ("uploads", "downloads", "conflicts", "deletions", "unavailable", "failed", "stored_bytes")
        hours.append(Hour(number * _HOUR, **{name: sum(getattr(part, name) for part in parts) for name in names}))
    return hours[::-1]


def verdict(report: Report) -> str:
    """The state of the service in one sentence."""
    if not report.findings:
        return "All is well: both stores answer, and nothing needs attention."
    urgent = sum(finding.level == "critical" for finding in report.findings)
    others = len(report.findings) - urgent
    told = [_counted(urgent, "problem")] if urgent else []
    told += [_counted(others, "warning")] if others else []
    return f"{' and '.join(told)}: see what to do."


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
