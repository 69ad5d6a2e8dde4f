"""`serve`: run the service."""

from __future__ import annotations

import logging
import shlex
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click

from obscura_backup import __version__
from obscura_backup.entrypoints.cli import options
from obscura_backup.entrypoints.logs import log_to_stderr

if TYPE_CHECKING:
    from collections.abc import Callable

    from litestar.types import ASGIApp

    from obscura_backup.entrypoints.settings import Settings


@click.command()
@options.settings_options
@click.option("--welcome", is_flag=True, help="Print the commands of a first push.")
@click.option("--check", is_flag=True, help="Check the settings, the stores and the keys, then exit without listening.")
def serve(config: Path | None, *, welcome: bool, check: bool, **flags: Any) -> int:
    """Run the service. Without settings it uses embedded stores."""
    from msgspec import structs  # so that `--help` is fast

    from obscura_backup.domain.errors import StoreUnusable
    from obscura_backup.entrypoints.http.server import run as server

    settings = options.settings_from(flags, config)
    log_to_stderr(settings.log_level, settings.log_format)
    _warn(settings)
    if check:
        return _check(settings)
    server.raise_descriptor_limit(settings)
    with ExitStack() as stack:
        try:
            sockets = [server.listen(settings.host, settings.port)]
            if settings.admin_port is not None:
                sockets.append(server.listen(settings.admin_host, settings.admin_port))
                settings = structs.replace(settings, admin_port=sockets[-1].getsockname()[1])
            stack.enter_context(server.prepared_for_workers(settings, _app_maker))
            server.check_stores(settings)
        except server.AddressInUse as error:
            options.fail(error, options.EXIT_ADDRESS)
        except StoreUnusable as error:
            options.fail(error, options.EXIT_STORE)
        _announce(settings, options.url_of(settings.host, sockets[0].getsockname()[1]), welcome=welcome)
        server.run(settings, sockets, _make_app)
    return 0


def _announce(settings: Settings, url: str, *, welcome: bool) -> None:
    api = f" (its API: {url}/docs)" if settings.has_docs else ""
    click.echo(f"Obscura Backup {__version__} listens on {url}{api}", err=True)
    if settings.admin_port is not None:
        management = options.url_of(settings.admin_host, settings.admin_port)
        click.echo(f"Metrics: {management}/metrics", err=True)
        if settings.status_password is not None:
            click.echo(f"Status page: {management}/status", err=True)
    if welcome:
        click.echo(_welcome(settings, url), err=True)


def _app_maker() -> Callable[[Settings, Callable[[], bool]], ASGIApp]:
    from obscura_backup.entrypoints.http.app import create_app  # after the port is bound: it takes time

    return create_app


def _make_app(settings: Settings, is_stopping: Callable[[], bool]) -> ASGIApp:
    return _app_maker()(settings, is_stopping)


def _check(settings: Settings) -> int:
    """Start the stores and read the keys, as `serve` would, and listen nowhere."""
    import asyncio  # as above

    from obscura_backup.domain.errors import StoreUnusable, Unavailable
    from obscura_backup.entrypoints.container import Container, started

    async def use() -> None:
        container = Container(settings=settings)
        async with started(container):
            await container.metadata().check()
            await container.blobs().check()
            await container.key_source().keys()

    try:
        asyncio.run(use())
    except (StoreUnusable, Unavailable) as error:
        options.fail(error.with_cause, options.EXIT_STORE)
    click.echo("The settings are valid, and the stores and keys can be used. The service was not started.", err=True)
    return 0


def _warn(settings: Settings) -> None:
    from obscura_backup.entrypoints.settings import SECRET_RECOMMENDED_BYTES  # as above

    log = logging.getLogger("obscura_backup")
    given = settings.token_secrets() if settings.has_secret else ()
    if any(len(secret.encode()) < SECRET_RECOMMENDED_BYTES for secret in given):
        log.warning("auth_secret is shorter than the %d bytes that RFC 7518 requires", SECRET_RECOMMENDED_BYTES)
    if settings.status_password is not None and settings.admin_port is None:
        log.warning(
            "status_password is set, but there is no management listener: set admin_port to enable the status page"
        )
    if "memory" in (settings.metadata_kind, settings.blobs_kind):
        log.warning("a store is in memory: its content is lost when the service stops")


def _welcome(settings: Settings, url: str) -> str:
    here = Path(sys.argv[0]).parent
    demo = settings.data_dir / "demo"
    server = "" if url.endswith(":8400") else f" --server {url}"
    if settings.auth_user_claim != "sub":
        server += f" --user-claim {shlex.quote(settings.auth_user_claim)}"
    if (demo / "state.json").exists():  # a new token would be for another user
        return f"""
Status of the demo from an earlier start:

    {here}/obscura-client status --state {demo} --token-file {demo}.token{server}

Ctrl-C stops the service.
"""
    return f"""
A first push, to run in another terminal (it asks for a new password):

    {here}/obscura-backup token {uuid4()} --ttl 30d --data-dir {settings.data_dir} --out {demo}.token &&
    {here}/obscura-client new --state {demo} &&
    {here}/obscura-client push --state {demo} --token-file {demo}.token{server}

Ctrl-C stops the service.
"""
