"""`reap`: delete the backups of users who have uploaded nothing for a long time."""

from __future__ import annotations

import asyncio
import json
import signal
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from obscura_backup.entrypoints.cli import options
from obscura_backup.entrypoints.cli.stores import ProgressBar, run_on_stores, store_errors

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any
    from uuid import UUID

    from obscura_backup.domain.model import UserId
    from obscura_backup.domain.reap import Reaped
    from obscura_backup.entrypoints.container import Container
    from obscura_backup.entrypoints.settings import Settings


@click.command()
@click.option(
    "--inactive-for",
    type=options.Duration(),
    help="Time since the last upload, such as 400d. Default: the setting retention_days.",
)
@click.option("--yes", is_flag=True, help="Delete. Without it, inactive backups are only reported.")
@click.option("--after", type=click.UUID, help="Continue after this user, where an earlier run stopped.")
@click.option(
    "--per-second",
    type=click.FloatRange(0.01, 10_000),
    default=20,
    show_default=True,
    help="At most this many deletions per second.",
)
@options.json_option
@options.config_option
@options.data_dir_option
@options.metadata_url_option
@options.blobs_url_option
def reap(
    *,
    inactive_for: timedelta | None,
    yes: bool,
    after: UUID | None,
    per_second: float,
    as_json: bool,
    config: Path | None,
    **flags: Any,
) -> int:
    """List the backups of users without an upload since a given time; with --yes, delete them.

    The service may run meanwhile.
    Downloads are not recorded, and a device uploads only if something changed. Only the version that was found inactive
    is deleted, never a newer one. An interrupted run prints how to continue. Exit code 5 means that some inactive
    backups could not be deleted.
    """
    settings = options.settings_from(flags, config)
    since = _inactive_since(settings, inactive_for)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that it prints how to continue, too
    report = _Report(since, as_json=as_json)
    try:
        with store_errors(), ProgressBar(hidden=as_json) as bar:
            run_on_stores(
                settings,
                lambda container: _walk(
                    container, report, bar, since, delete=yes, after=after, pause_seconds=1 / per_second
                ),
            )
    except click.ClickException:
        report.stopped()
        raise
    except KeyboardInterrupt:
        report.stopped()
        return options.EXIT_INTERRUPTED
    report.ended(deleting=yes)
    return options.EXIT_FINDINGS if report.remaining else 0


def _inactive_since(settings: Settings, inactive_for: timedelta | None) -> datetime:
    promised = settings.retention_days and timedelta(days=settings.retention_days)
    wanted = inactive_for or promised
    if not wanted:
        options.fail(
            "For how long must a user have been inactive? Give --inactive-for, or set retention_days.",
            options.EXIT_USAGE,
        )
    if promised and wanted < promised:
        options.fail(
            f"--inactive-for is shorter than retention_days ({settings.retention_days}), which clients read in "
            "/v1/config. Lower that setting first, and give users time to notice.",
            options.EXIT_USAGE,
        )
    try:
        return datetime.now(UTC) - wanted
    except OverflowError:
        options.fail("--inactive-for is longer than the calendar.", options.EXIT_USAGE)


async def _walk(
    container: Container,
    report: _Report,
    bar: ProgressBar,
    since: datetime,
    *,
    delete: bool,
    after: UUID | None,
    pause_seconds: float,
) -> None:
    from obscura_backup.domain.model import UserId  # so that `--help` is fast
    from obscura_backup.domain.reap import Outcome, Reaper
    from obscura_backup.domain.slots import share_before

    reaper = Reaper(container.metadata(), container.blobs(), container.service())
    async for user_id, reaped in reaper.scan(since, delete=delete, after=UserId(after) if after else None):
        if reaped is not None:
            bar.clear()
        report.met(user_id, reaped)
        bar.advance(share_before(user_id))
        if reaped is not None and reaped.outcome is Outcome.DELETED:
            await asyncio.sleep(pause_seconds)


class _Report:
    """Writes inactive backups to standard output as they come, and remembers how far the scan is."""

    def __init__(self, since: datetime, *, as_json: bool) -> None:
        self._since = since
        self._as_json = as_json
        self._last: UserId | None = None
        self._slots = 0
        self._bytes = 0
        self._outcomes: Counter[str] = Counter()
        self.remaining = 0

    def met(self, user_id: UserId, reaped: Reaped | None) -> None:
        self._last = user_id
        self._slots += 1
        if reaped is None:
            return
        self._outcomes[reaped.outcome.value] += 1
        self.remaining += reaped.outcome.remains
        revision = reaped.revision
        if reaped.outcome.value in ("inactive", "deleted") and revision is not None:
            self._bytes += revision.size
        facts = None if revision is None else (revision.version, revision.size, revision.updated_at.isoformat())
        if self._as_json:
            named = dict(zip(("version", "size", "updated_at"), facts or (None, None, None), strict=True))
            click.echo(json.dumps({"user_id": str(user_id), **named, "outcome": reaped.outcome.value}))
        else:
            text = "version {}, {} bytes, last upload {}".format(*facts) if facts else "version unknown"
            click.echo(f"{user_id}  {text}: {reaped.outcome.explanation}")

    def stopped(self) -> None:
        if self._as_json:
            click.echo(json.dumps({"done": False, "last": self._last and str(self._last), **self._sums()}))
        elif self._last is not None:
            click.echo(f"Stopped after {self._slots} slots. To continue: --after {self._last}", err=True)

    def ended(self, *, deleting: bool) -> None:
        if self._as_json:
            click.echo(json.dumps({"done": True, **self._sums()}))
            return
        found = sum(self._outcomes.values())
        inactive = f"{self._slots} slots, {found} inactive since {self._since:%Y-%m-%d}"
        if deleting:
            click.echo(f"{inactive}, {self._outcomes['deleted']} deleted ({self._bytes} bytes).", err=True)
        else:
            click.echo(f"{inactive} ({self._bytes} bytes). This was a dry run. To delete them, add --yes.", err=True)

    def _sums(self) -> dict[str, Any]:
        outcomes = dict(sorted(self._outcomes.items()))
        return {"since": self._since.isoformat(), "slots": self._slots, "bytes": self._bytes, "outcomes": outcomes}
