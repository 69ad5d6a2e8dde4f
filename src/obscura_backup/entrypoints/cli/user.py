"""`user`: look at, export, delete and list the backups of users."""

from __future__ import annotations

import heapq
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from obscura_backup.entrypoints.cli import options
from obscura_backup.entrypoints.cli.private_file import private_file
from obscura_backup.entrypoints.cli.stores import run_on_stores, store_errors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from uuid import UUID

    from obscura_backup.domain.model import Revision, UserId, Version
    from obscura_backup.entrypoints.container import Container

LISTED = 50
"""Rows of `list --by size` and `--by updated`, unless `--limit` says otherwise."""


@click.group("user")
def user_commands() -> None:
    """Look at, export, delete and list backups by user. The service may run meanwhile."""


def _on_user(command: Callable[..., int]) -> Callable[..., int]:
    for option in (
        options.blobs_url_option,
        options.metadata_url_option,
        options.data_dir_option,
        options.config_option,
        click.argument("user_id", type=click.UUID),
    ):
        command = option(command)
    return command


@user_commands.command()
@options.json_option
@_on_user
def show(user_id: UUID, *, as_json: bool, config: Path | None, **flags: Any) -> int:
    """Print what the stores hold for USER_ID (a UUID). Exit code 5: there is no backup, or the stores disagree."""
    settings = options.settings_from(flags, config)
    with store_errors():
        row, found = run_on_stores(settings, lambda container: _look(container, user_id))
    from obscura_backup.domain.scrub import compare  # so that `--help` is fast

    difference = compare(row, found)
    state, revision = _state(row, found)
    facts = {"user_id": str(user_id), "state": state, **_facts(revision)}
    if as_json:
        click.echo(json.dumps({**facts, "difference": difference and difference.value}))
    else:
        for name, value in facts.items():
            click.echo(f"{name:12}{value}")
        if difference:
            click.echo(f"difference  {difference.value}: {difference.explanation}")
    return 0 if state == "backup" and difference is None else options.EXIT_FINDINGS


@user_commands.command()
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="File for the encrypted backup, readable by its owner only.",
)
@_on_user
def export(user_id: UUID, out: Path, config: Path | None, **flags: Any) -> int:
    """Write the encrypted backup of USER_ID (a UUID) to a file, and print its version, size, digest and time as JSON.

    Only the user's password opens it. Exit code 5: there is no backup, or its bytes are lost.
    """
    settings = options.settings_from(flags, config)

    async def save(container: Container) -> Revision:
        from obscura_backup.domain.model import UserId  # as above

        opened = await container.service().download(UserId(user_id))
        try:
            with private_file(out) as file:
                async for chunk in opened.chunks():
                    file.write(chunk)
        finally:
            await opened.aclose()
        return opened.revision

    from obscura_backup.domain.errors import BackupLost, BackupNotFound  # as above

    with store_errors():
        try:
            revision = run_on_stores(settings, save)
        except (BackupLost, BackupNotFound) as error:
            options.fail(f"{error} Nothing was written for user {user_id}.", options.EXIT_FINDINGS)
    click.echo(json.dumps({"user_id": str(user_id), **_facts(revision)}))
    return 0


@user_commands.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@_on_user
def delete(user_id: UUID, *, yes: bool, config: Path | None, **flags: Any) -> int:
    """Delete the backup of USER_ID (a UUID), as its owner could. Only the version that was shown is deleted.

    A tombstone remains: it has no content and keeps the count of versions. Older versions in a versioned bucket, and
    copies of the stores, are not touched. Exit code 5: there was nothing to delete, or an upload came in between.
    """
    settings = options.settings_from(flags, config)
    with store_errors():
        deleted = run_on_stores(settings, lambda container: _delete(container, user_id, ask=not yes))
    click.echo(f"Deleted version {deleted} of user {user_id}. The deletion takes a version, too.")
    return 0


async def _delete(container: Container, user_id: UUID, *, ask: bool) -> Version:
    """The version that was deleted."""
    from obscura_backup.domain.errors import BackupNotFound, VersionMismatch  # as above
    from obscura_backup.domain.model import UserId

    row, found = await _look(container, user_id)
    state, revision = _state(row, found)
    if revision is None or state == "deleted":
        options.fail(f"User {user_id} has no backup: nothing was deleted.", options.EXIT_FINDINGS)
    if ask:
        _confirm(user_id, revision)
    try:
        await container.service().delete(UserId(user_id), revision.version)
    except (VersionMismatch, BackupNotFound):
        options.fail(
            f"The backup of user {user_id} was changed by another request: nothing was deleted. Run the command again.",
            options.EXIT_FINDINGS,
        )
    return revision.version


def _confirm(user_id: UUID, revision: Revision) -> None:
    if not sys.stdin.isatty():
        options.fail(
            "Nothing was deleted: a confirmation needs a terminal. Add --yes to confirm.",
            options.EXIT_USAGE,
        )
    click.confirm(
        f"Delete version {revision.version} of user {user_id} ({revision.size} bytes, last upload "
        f"{revision.updated_at:%Y-%m-%d %H:%M} UTC)? This cannot be undone.",
        abort=True,
        err=True,
    )


@user_commands.command("list")
@click.option(
    "--by",
    type=click.Choice(["id", "size", "updated"]),
    default="id",
    show_default=True,
    help="Order: by id, the largest first, or the longest without an upload first.",
)
@click.option("--limit", type=click.IntRange(1), help=f"At most this many users. Default: all by id, else {LISTED}.")
@options.json_option
@options.config_option
@options.data_dir_option
@options.metadata_url_option
@options.blobs_url_option
def list_users(*, by: str, limit: int | None, as_json: bool, config: Path | None, **flags: Any) -> int:
    """List the users who have a backup, as the metadata store knows them, and the sum of all sizes."""
    settings = options.settings_from(flags, config)
    with store_errors():
        users, total = run_on_stores(settings, lambda container: _list(container, by, limit, as_json=as_json))
    if not as_json:
        click.echo(f"{users} users with a backup, {total} bytes.", err=True)
    return 0


async def _list(container: Container, by: str, limit: int | None, *, as_json: bool) -> tuple[int, int]:
    users = total = 0

    async def live() -> AsyncIterator[tuple[UserId, Revision]]:
        nonlocal users, total
        async for user_id, row in container.metadata().scan():
            if row.is_live:
                users, total = users + 1, total + row.size
                yield user_id, row

    if by == "id":
        shown = 0
        async for user_id, row in live():
            if limit is None or shown < limit:
                shown += 1
                _print_listed(user_id, row, as_json=as_json)
    else:
        kept: list[tuple[float, str, UserId, Revision]] = []  # the rows to be shown, the first to be dropped in front
        async for user_id, row in live():
            rank = row.size if by == "size" else -row.updated_at.timestamp()
            keep = heapq.heappush if len(kept) < (limit or LISTED) else heapq.heappushpop
            keep(kept, (rank, str(user_id), user_id, row))
        for *_, user_id, row in sorted(kept, reverse=True):
            _print_listed(user_id, row, as_json=as_json)
    return users, total


def _print_listed(user_id: UserId, row: Revision, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"user_id": str(user_id), **_facts(row)}))
    else:
        click.echo(f"{user_id}  {row.size:>12} bytes  version {row.version:>5}  {row.updated_at:%Y-%m-%d %H:%M} UTC")


async def _look(container: Container, user_id: UUID) -> tuple[Revision | None, Revision | None]:
    """The row and the object of a user."""
    from obscura_backup.domain.model import UserId  # as above
    from obscura_backup.domain.scrub import compare

    row, found = None, None
    for _ in range(2):  # a difference may only come from an upload between the two reads
        row = await container.metadata().get(UserId(user_id))
        found = await container.blobs().stat(UserId(user_id))
        if compare(row, found) is None:
            break
    return row, found


def _state(row: Revision | None, found: Revision | None) -> tuple[str, Revision | None]:
    """What a reader of the slot gets (`backup`, `deleted`, `lost` or `none`), and the revision that says so."""
    from obscura_backup.domain.rules import is_lost  # as above

    if found is not None and found.is_live:
        return "backup", found
    if is_lost(row, found):
        return "lost", row
    revision = found or row
    return "deleted" if revision else "none", revision


def _facts(revision: Revision | None) -> dict[str, Any]:
    if revision is None:
        return {}
    return {
        "version": revision.version,
        "size": revision.size,
        "sha256": revision.sha256.hex(),
        "updated_at": revision.updated_at.isoformat(),
    }
