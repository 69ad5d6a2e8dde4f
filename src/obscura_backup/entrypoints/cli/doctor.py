"""`doctor`: check everything that the service depends on."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from obscura_backup.entrypoints.cli import options
from obscura_backup.entrypoints.logs import log_to_stderr

if TYPE_CHECKING:
    from pathlib import Path

    from obscura_backup.entrypoints.doctor import Check
    from obscura_backup.entrypoints.settings import Settings


@click.command()
@options.json_option
@options.config_option
@options.data_dir_option
@options.metadata_url_option
@options.blobs_url_option
def doctor(*, as_json: bool, config: Path | None, **flags: Any) -> int:
    """Check each dependency, and probe conditional writes with scratch objects.

    Exit code 0 if all checks pass (warnings aside), else 5.
    """
    import asyncio  # so that `--help` is fast

    settings = options.settings_from(flags, config)
    log_to_stderr("error")  # the checks report the rest
    return asyncio.run(_examine(settings, as_json=as_json))


async def _examine(settings: Settings, *, as_json: bool) -> int:
    from obscura_backup.entrypoints.doctor import examine  # `--help` should not wait for it

    checks = failed = 0
    async for check in examine(settings):
        checks += 1
        failed += check.must and not check.holds
        click.echo(json.dumps(asdict(check)) if as_json else _line(check))
    if not as_json:
        summary = f"{failed} of {checks} checks failed." if failed else f"All {checks} checks passed."
        click.echo(summary, err=True)
    return options.EXIT_FINDINGS if failed else 0


def _line(check: Check) -> str:
    verdict = "ok" if check.holds else ("FAIL" if check.must else "warn")
    took = f"{check.seconds * 1000:8.1f} ms" if check.seconds is not None else " " * 11
    return f"{verdict:4}  {check.part:8}  {took}  {check.name}{f': {check.detail}' if check.detail else ''}"
