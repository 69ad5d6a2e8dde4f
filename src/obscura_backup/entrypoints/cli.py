"""The command `obscura-backup`. Its exit codes: 0 well, 1 a defect, 2 usage or settings, 3 a store, 4 the address."""

from __future__ import annotations

import logging
import re
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from uuid import UUID, uuid4

import click

from obscura_backup import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from obscura_backup.entrypoints.settings import Settings

EXIT_DEFECT = 1
EXIT_USAGE = 2
EXIT_STORE = 3
EXIT_ADDRESS = 4

_TTL = re.compile(r"([1-9][0-9]{0,5})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Ttl(click.ParamType[timedelta]):
    """A duration such as 90s, 30m, 1h or 7d."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """See the base class."""
        if isinstance(value, timedelta):
            return value
        match = _TTL.fullmatch(str(value))
        if match is None:
            self.fail(f"{value!r} is not a duration such as 90s, 30m, 1h or 7d", param, ctx)
        return timedelta(**{_UNITS[match[2]]: int(match[1])})


_config = click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="A TOML file of settings.")
_data_dir = click.option(
    "--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Of the embedded stores and the secret."
)


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 well, 1 a defect, 2 usage or settings, 3 a store cannot be used, 4 the address is taken. "
    "Every setting is also an OBSCURA_BACKUP_… variable and a key of the TOML file.",
)
@click.version_option(__version__, prog_name="obscura-backup")
def cli() -> None:
    """End-to-end encrypted backup: the server, which knows nothing."""


@cli.command()
@_config
@_data_dir
@click.option("--host", help="To listen on. Default: 127.0.0.1.")
@click.option("--port", type=int, help="To listen on; 0 for any free one. Default: 8400.")
@click.option("--workers", type=int, help="Processes that serve. Default: 1.")
@click.option("--metadata-url", help="sqlite:///PATH or memory:. Default: a file in the data directory.")
@click.option("--blobs-url", help="file:///DIR or memory:. Default: a folder in the data directory.")
@click.option("--log-level", help="debug, info, warning or error. Default: info.")
@click.option("--welcome", is_flag=True, help="Print lines to copy and paste for a first push.")
def serve(config: Path | None, *, welcome: bool, **flags: Any) -> int:
    """Run the service. On a fresh machine it needs nothing else."""
    from obscura_backup.domain.errors import StoreUnusable  # noqa: PLC0415  # `--help` should not wait for it
    from obscura_backup.entrypoints.http import server  # noqa: PLC0415

    settings = _settings(flags, config)
    server.configure_logging(settings.log_level)
    _warn(settings)
    try:
        listening = server.listen(settings.host, settings.port)
        server.check_stores(settings)
    except server.AddressInUse as error:
        _fail(error, EXIT_ADDRESS)
    except StoreUnusable as error:
        _fail(error, EXIT_STORE)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = f"http://{host}:{listening.getsockname()[1]}"
    click.echo(f"Obscura Backup {__version__} listens on {url} (its API: {url}/docs)", err=True)
    if welcome:
        click.echo(_welcome(settings, url), err=True)
    server.run(settings, listening)
    return 0


@cli.command()
@click.argument("user_id", type=click.UUID)
@click.option("--ttl", type=Ttl(), default="1h", show_default=True, help="How long it is good: 90s, 30m, 1h, 7d.")
@_config
@_data_dir
def token(user_id: UUID, ttl: timedelta, config: Path | None, **flags: Any) -> int:
    """Print a bearer token for USER_ID (a UUID), signed with the service's secret."""
    from obscura_backup.adapters.jwt import issue_token  # noqa: PLC0415  # as above
    from obscura_backup.adapters.system_clock import SystemClock  # noqa: PLC0415
    from obscura_backup.domain.errors import StoreUnusable  # noqa: PLC0415
    from obscura_backup.domain.model import UserId  # noqa: PLC0415
    from obscura_backup.entrypoints.signing_secret import signing_secret  # noqa: PLC0415

    settings = _settings(flags, config)
    if settings.auth_jwks is not None:
        _fail(
            "Tokens come from your identity provider: with auth_jwks there is no secret here to sign with.", EXIT_USAGE
        )
    try:
        secret = settings.auth_secret or signing_secret(settings.data_dir)
    except StoreUnusable as error:
        _fail(error, EXIT_STORE)
    issued = issue_token(
        secret,
        UserId(user_id),
        ttl,
        SystemClock(),
        audience=settings.auth_audience,
        issuer=settings.auth_issuer,
        user_claim=settings.auth_user_claim,
    )
    click.echo(issued)
    return 0


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and exit with its code; a person never sees a traceback, the log does."""
    try:
        code = cli.main(arguments, prog_name="obscura-backup", standalone_mode=False)
    except click.exceptions.Abort:
        code = 130
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except Exception:
        logging.getLogger(__name__).exception("a defect; please report it")
        code = EXIT_DEFECT
    sys.exit(code)


def _settings(flags: dict[str, Any], config: Path | None) -> Settings:
    from obscura_backup.entrypoints.settings import InvalidSettings, load_settings  # noqa: PLC0415  # as above

    try:
        return load_settings(flags, config=config)
    except InvalidSettings as error:
        _fail(error, EXIT_USAGE)


def _warn(settings: Settings) -> None:
    from obscura_backup.entrypoints.settings import SECRET_GOOD_BYTES  # noqa: PLC0415  # as above

    log = logging.getLogger("obscura_backup")
    if settings.auth_secret is not None and len(settings.auth_secret.encode()) < SECRET_GOOD_BYTES:
        log.warning("auth_secret is shorter than the %d bytes that RFC 7518 asks for", SECRET_GOOD_BYTES)
    if "memory" in (settings.metadata_kind, settings.blobs_kind):
        log.warning("a store is in memory: what it holds is gone when the service stops")


def _welcome(settings: Settings, url: str) -> str:
    here = Path(sys.argv[0]).parent
    demo = settings.data_dir / "demo"
    server = "" if url.endswith(":8400") else f" --server {url}"
    return f"""
A first push, to copy into another terminal (it asks for a new password):

    {here}/obscura-backup token {uuid4()} --ttl 30d --data-dir {settings.data_dir} > {demo}.token &&
    {here}/obscura-client new --state {demo} &&
    {here}/obscura-client push --state {demo} --token-file {demo}.token{server}

Ctrl-C stops the service.
"""


class _Failure(click.ClickException):
    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click declares it on the class and reads it off the instance


def _fail(why: object, exit_code: int) -> NoReturn:
    raise _Failure(str(why), exit_code)
