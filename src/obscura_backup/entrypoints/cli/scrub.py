"""`scrub`: scan all slots, report where the two stores differ, and repair what loses no data."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import click

from obscura_backup.entrypoints.cli import options
from obscura_backup.entrypoints.cli.stores import ProgressBar, run_on_stores

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from obscura_backup.domain.model import Revision
    from obscura_backup.domain.scrub import Finding, Progress
    from obscura_backup.entrypoints.container import Container


@click.command()
@click.option("--repair", is_flag=True, help="Repair differences that can be repaired without data loss.")
@click.option("--after", type=click.UUID, help="Continue after this user, where an earlier run stopped.")
@options.json_option
@options.config_option
@options.data_dir_option
@options.metadata_url_option
@options.blobs_url_option
def scrub(*, repair: bool, after: UUID | None, as_json: bool, config: Path | None, **flags: Any) -> int:
    """Scan all slots, and report each one whose row and blob differ, with the reason. The service may run meanwhile.

    Exit code 5 means that differences remain. An interrupted run prints how to continue.
    """
    from obscura_backup.domain.errors import StoreUnusable, Unavailable

    settings = options.settings_from(flags, config)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that it prints how to continue, too
    report = _Report(as_json=as_json)
    try:
        with ProgressBar(hidden=as_json) as bar:
            run_on_stores(settings, lambda container: _walk(container, report, bar, repair=repair, after=after))
    except (StoreUnusable, Unavailable) as error:
        report.stopped()
        options.fail(error.with_cause, options.EXIT_STORE)
    except KeyboardInterrupt:
        report.stopped()
        return options.EXIT_INTERRUPTED
    report.ended()
    return options.EXIT_FINDINGS if report.left else 0


async def _walk(container: Container, report: _Report, bar: ProgressBar, *, repair: bool, after: UUID | None) -> None:
    from obscura_backup.domain.model import UserId  # as above
    from obscura_backup.domain.scrub import Scrubber

    scrubber = Scrubber(container.metadata(), container.blobs(), container.clock())
    async for progress in scrubber.scan(repair=repair, after=UserId(after) if after else None):
        if progress.findings:
            bar.clear()
        report.met(progress)
        bar.advance(progress.share)


class _Report:
    """Writes findings to standard output as they come, and remembers how far the scan is."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._last: UUID | None = None
        self._slots = 0
        self._found = 0
        self._repaired = 0

    @property
    def left(self) -> int:
        """Differences that were not repaired."""
        return self._found - self._repaired

    def met(self, progress: Progress) -> None:
        for finding in progress.findings:
            self._found += 1
            self._repaired += finding.repaired
            click.echo(json.dumps(_as_dict(finding)) if self._as_json else _as_text(finding))
        if progress.failure is None:
            self._last, self._slots = progress.last, progress.slots

    def stopped(self) -> None:
        if self._as_json:
            click.echo(json.dumps({"done": False, "last": self._last and str(self._last), **self._sums()}))
        elif self._last is not None:
            click.echo(f"Stopped after {self._slots} slots. To continue: --after {self._last}", err=True)

    def ended(self) -> None:
        if self._as_json:
            click.echo(json.dumps({"done": True, **self._sums()}))
        else:
            repaired = f", {self._repaired} repaired" if self._repaired else ""
            click.echo(f"{self._slots} slots, {self._found} differ{repaired}.", err=True)

    def _sums(self) -> dict[str, int]:
        return {"slots": self._slots, "found": self._found, "repaired": self._repaired}


def _as_text(finding: Finding) -> str:
    repaired = " Repaired." if finding.repaired else ""
    versions = f"row {_version(finding.row)}, blob {_version(finding.found)}"
    return f"{finding.user_id}  {finding.difference.value} ({versions}): {finding.difference.explanation}{repaired}"


def _version(revision: Revision | None) -> str:
    if revision is None:
        return "none"
    return str(revision.version) if revision.is_live else f"{revision.version} deleted"


def _as_dict(finding: Finding) -> dict[str, Any]:
    return {
        "user_id": str(finding.user_id),
        "difference": finding.difference.value,
        "why": finding.difference.explanation,
        "row": _facts(finding.row),
        "blob": _facts(finding.found),
        "repaired": finding.repaired,
    }


def _facts(revision: Revision | None) -> dict[str, Any] | None:
    if revision is None:
        return None
    return {"version": revision.version, "kind": revision.kind.value, "updated_at": revision.updated_at.isoformat()}
