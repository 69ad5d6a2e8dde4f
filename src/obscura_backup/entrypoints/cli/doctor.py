"""`doctor`: look at everything that the service needs."""

from __future__ import annotations

import asyncio
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
    """Look at each dependency, and try out on scratch objects that conditional writes are honoured.

    Exit code 0 only when all holds; 5 when something does not.
    """
    settings = options.settings_from(flags, config)
    log_to_stderr("error")  # what is logged on the way is what the checks say
    return asyncio.run(_examine(settings, as_json=as_json))


async def _examine(settings: Settings, *, as_json: bool) -> int:
    from obscura_backup.entrypoints.doctor import examine  # `--help` should not wait for it

    well = True
    async for check in examine(settings):
        well = well and (check.holds or not check.must)
        click.echo(json.dumps(asdict(check)) if as_json else _line(check))
    if not as_json:
        click.echo("All is well." if well else "Something is not as it must be.", err=True)
    return 0 if well else options.EXIT_FINDINGS


def _line(check: Check) -> str:
    verdict = "ok" if check.holds else ("FAIL" if check.must else "warn")
    took = f"{check.seconds * 1000:8.1f} ms" if check.seconds is not None else " " * 11
    return f"{verdict:4}  {check.part:8}  {took}  {check.name}{f': {check.detail}' if check.detail else ''}"
