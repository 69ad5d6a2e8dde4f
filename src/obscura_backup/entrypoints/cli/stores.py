"""Shared by the commands that work on the slots of users: open stores, errors in one sentence, a progress bar."""

from __future__ import annotations

import asyncio
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self, TypeVar

import click

from obscura_backup.entrypoints.cli import options
from obscura_backup.entrypoints.logs import log_to_stderr

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from obscura_backup.entrypoints.container import Container
    from obscura_backup.entrypoints.settings import Settings

    Result = TypeVar("Result")

BAR_STEPS = 1000
CLEAR_LINE = "\r\033[2K"


def run_on_stores(settings: Settings, action: Callable[[Container], Awaitable[Result]]) -> Result:
    """Start both stores, run `action`, and close them. Verification keys are not needed.

    Raises:
        StoreUnusable: a store cannot be used as configured.
        ObscuraError: see `action`.
    """
    from obscura_backup.domain.errors import Unavailable  # so that `--help` is fast
    from obscura_backup.entrypoints.container import Container, started

    if settings.metadata_kind == "sqlite" and not settings.metadata_path.exists():
        options.fail(
            f"There is no metadata in {settings.metadata_path}; choose another directory with --data-dir.",
            options.EXIT_STORE,
        )
    log_to_stderr("warning")

    async def run() -> Result:
        container = Container(settings=settings)
        async with started(container, tokens=False):
            with suppress(Unavailable):  # a slow store refuses uploads until it has been tested
                await container.blobs().check()
            return await action(container)

    return asyncio.run(run())


@contextmanager
def store_errors() -> Iterator[None]:
    """End the command with one sentence if a store, or an object in it, cannot be used."""
    from obscura_backup.domain.errors import BackupDamaged, StoreUnusable, Unavailable  # as above

    try:
        yield
    except (BackupDamaged, StoreUnusable, Unavailable) as error:
        options.fail(error.with_cause, options.EXIT_STORE)


class ProgressBar:
    """A bar on standard error, on a terminal only. Lines on standard output may be printed in between."""

    def __init__(self, *, hidden: bool) -> None:
        self._is_shown = sys.stderr.isatty() and not hidden
        self._bar = click.progressbar(length=BAR_STEPS, label="Slots", file=sys.stderr, hidden=not self._is_shown)
        self._done = 0

    def __enter__(self) -> Self:
        self._bar.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        if error[0] is None:
            self.advance(1.0)
        self._bar.__exit__(None, None, None)

    def advance(self, share: float) -> None:
        """Show that this share is done, 0 to 1."""
        now = int(share * BAR_STEPS)
        self._bar.update(now - self._done)
        self._done = now

    def clear(self) -> None:
        """Empty the line of the bar, before another line is printed. The next `advance` shows the bar again."""
        if self._is_shown:
            click.echo(CLEAR_LINE, nl=False, err=True)
