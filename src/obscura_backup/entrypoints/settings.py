"""Every setting, from flags, then `OBSCURA_BACKUP_*` variables, then a TOML file, then the defaults."""

from __future__ import annotations

import os
import re
import tomllib
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import unquote, urlsplit

import msgspec

from obscura_backup.adapters.postgres.url import holds_password
from obscura_backup.adapters.regular_file import read_regular_file
from obscura_backup.adapters.s3.location import S3Location
from obscura_backup.entrypoints.timeouts import Timeouts

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "OBSCURA_BACKUP_"
CONFIG_VARIABLE = "OBSCURA_BACKUP_CONFIG"
SECRET_MIN_BYTES = 16
"""Below this a secret can be guessed off-line from one token."""
SECRET_RECOMMENDED_BYTES = 32
"""RFC 7518 (3.2) asks for as much; we warn below it."""
CONFIG_MAX_BYTES = 1024 * 1024
SECRET_MAX_BYTES = 64 * 1024

_SQLITE = "sqlite"
_POSTGRES = "postgresql"
_FILE = "file"
_S3 = "s3"
_MEMORY = "memory"


class InvalidSettings(Exception):
    """A setting is unknown, malformed, or contradicts another. The message names it and never quotes a secret."""


def default_data_dir() -> Path:
    """Where the embedded stores live unless told otherwise (the XDG base directory specification)."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "obscura-backup"


# What Kubernetes sets in every pod beside a Service that is called `obscura-backup`: not meant for us.
_SERVICE_LINK = re.compile(PREFIX + r"(SERVICE_HOST|SERVICE_PORT.*|PORT_[0-9]+_(TCP|UDP).*)")
_SERVICE_PORT = re.compile(r"(tcp|udp)://")
_ORIGIN = re.compile(r"https?://[^/\s?#@]+|\*")

PositiveInt = Annotated[int, msgspec.Meta(ge=1)]
NaturalInt = Annotated[int, msgspec.Meta(ge=0)]
_LISTS = frozenset({"cors_origins", "trusted_proxies"})


class Settings(Timeouts, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole configuration of one service; how long it waits for others is in `Timeouts`.

    Attributes:
        data_dir: of the embedded stores and of the signing secret.
        metadata_url: `sqlite:///PATH`, `postgresql://…` or `memory:`; None: `metadata.sqlite3` under `data_dir`.
        postgres_pool: connections to PostgreSQL at most, for each worker; an upload holds one while its blob is on
            the way. All workers of all replicas together must fit into the server's `max_connections`.
        blobs_url: `file:///DIR`, `s3://BUCKET?endpoint=URL&region=NAME` or `memory:`; None: `blobs` under `data_dir`.
        allow_unconditional_blobs: the name of a bucket whose store may ignore conditional writes. Two uploads at once
            can then overwrite each other unseen; it is here for trying things out.
        min_bytes: the shortest blob.
        max_bytes: the longest blob.
        auth_secret: of HS256 tokens; None: the file `auth-secret` under `data_dir`, made on first use.
        auth_secret_file: a file with that secret, read once at start; it may be a link, and another user's.
        auth_jwks: a JWKS file or URL; tokens are then RS256, ES256 or EdDSA, and `auth_secret` is not used.
        auth_issuer: that tokens must name in `iss`.
        auth_audience: that tokens must name in `aud`.
        auth_user_claim: that holds the user id.
        auth_leeway_seconds: how long after `exp`, and before `nbf`, a token is good, because clocks differ.
        host: to listen on.
        port: to listen on; 0 for any free one.
        workers: processes that serve.
        cors_origins: that browsers may call from.
        max_connections: open at once, for each worker. Silent and stalled ones give way to new ones, then those of the
            user or address with the most requests under way; more are answered 503.
        max_connections_per_address: of one address (IPv6: of one /56), in the same way. Trusted proxies are exempt.
            0: no limit.
        max_uploads_per_user: under way at once, for each worker, and as many downloads; more are answered 429.
        upload_memory_bytes: that bodies which are arriving may hold together, for each worker; more goes to files.
        rate_per_user: requests a minute of one user, for each worker; a minute's worth may come at once. 0: no limit.
        rate_per_address: requests a minute without a valid token from one address (IPv6: from one /56), for each
            worker; a minute's worth may come at once. 0: no limit.
        trusted_proxies: addresses and networks whose `X-Forwarded-For` is believed.
        docs: `on` or `off`: whether the API's description and its page are served.
        log_level: of our own log lines. Those of libraries begin at `warning`: below, they hold what users send.
    """

    data_dir: Path = msgspec.field(default_factory=default_data_dir)
    metadata_url: str | None = None
    postgres_pool: PositiveInt = 16
    blobs_url: str | None = None
    allow_unconditional_blobs: str | None = None
    min_bytes: PositiveInt = 32
    max_bytes: PositiveInt = 2 * 1024 * 1024
    auth_secret: str | None = None
    auth_secret_file: Path | None = None
    auth_jwks: str | None = None
    auth_issuer: str | None = None
    auth_audience: str | None = None
    auth_user_claim: str = "sub"
    auth_leeway_seconds: Annotated[int, msgspec.Meta(ge=0, le=300)] = 30
    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8400
    workers: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    cors_origins: tuple[str, ...] = ()
    max_connections: PositiveInt = 1024
    max_connections_per_address: NaturalInt = 512
    max_uploads_per_user: PositiveInt = 8
    upload_memory_bytes: NaturalInt = 64 * 1024 * 1024
    rate_per_user: NaturalInt = 30_000
    rate_per_address: NaturalInt = 3000
    trusted_proxies: tuple[str, ...] = ()
    docs: Annotated[str, msgspec.Meta(pattern="^(?i:on|off)$")] = "on"
    log_level: Annotated[str, msgspec.Meta(pattern="^(?i:debug|info|warning|error)$")] = "info"

    def __repr__(self) -> str:
        # Secrets, and URLs that may hold one, have no business in a log.
        return f"Settings(host={self.host!r}, port={self.port}, metadata={self.metadata_kind}, blobs={self.blobs_kind})"

    @property
    def has_docs(self) -> bool:
        """Whether the API's description is served."""
        return self.docs.lower() == "on"

    @property
    def metadata_kind(self) -> str:
        """The technology of the metadata store."""
        return _scheme("metadata_url", self.metadata_url or f"{_SQLITE}:", (_SQLITE, _POSTGRES, _MEMORY))

    @property
    def blobs_kind(self) -> str:
        """The technology of the blob store."""
        return _scheme("blobs_url", self.blobs_url or f"{_FILE}:", (_FILE, _S3, _MEMORY))

    @property
    def metadata_path(self) -> Path:
        """Of the SQLite file."""
        return _path("metadata_url", self.metadata_url) if self.metadata_url else self.data_dir / "metadata.sqlite3"

    @property
    def blobs_path(self) -> Path:
        """Of the blob directory."""
        return _path("blobs_url", self.blobs_url) if self.blobs_url else self.data_dir / "blobs"

    @property
    def uses_data_dir(self) -> bool:
        """Whether a store is in the data directory."""
        return self.metadata_url is None or self.blobs_url is None

    @property
    def s3_location(self) -> S3Location:
        """Of the bucket."""
        return _s3_location(self.blobs_url or "")


def load_settings(
    flags: Mapping[str, Any], environ: Mapping[str, str] = os.environ, config: Path | None = None
) -> Settings:
    """Read all sources, the stronger over the weaker, and check the whole.

    Args:
        flags: given on the command line, by setting; None means "not given".
        environ: the environment.
        config: a TOML file; None: the one that `OBSCURA_BACKUP_CONFIG` names, if any.

    Raises:
        InvalidSettings: see there.
    """
    path = config or (Path(environ[CONFIG_VARIABLE]) if environ.get(CONFIG_VARIABLE) else None)
    values = _checked(_read_toml(path), f"in {path}") if path else {}
    values |= _checked(_from_environment(environ), "in the environment", prefix=PREFIX)
    _check_flags(flags)
    values |= {name: value for name, value in flags.items() if value is not None}
    try:
        settings = msgspec.convert(values, Settings, strict=False, dec_hook=_decode)
    except msgspec.ValidationError as error:
        raise InvalidSettings(f"A setting is malformed: {error}.") from error
    settings = _with_secret(settings)
    _check_whole(settings)
    return settings


def _check_flags(flags: Mapping[str, Any]) -> None:
    if holds_password(flags.get("metadata_url") or ""):
        raise InvalidSettings(
            "--metadata-url must not hold a password: every user of this machine can read a command line. Give the "
            f"whole URL in {PREFIX}METADATA_URL or in the configuration file. Or leave the password out: PostgreSQL's "
            "client library takes it from PGPASSWORD, or from the file that PGPASSFILE names (by default ~/.pgpass)."
        )


def _with_secret(settings: Settings) -> Settings:
    if settings.auth_secret_file is None:
        return settings
    if settings.auth_secret is not None or settings.auth_jwks is not None:
        raise InvalidSettings("auth_secret_file, auth_secret and auth_jwks exclude each other.")
    path = settings.auth_secret_file
    try:
        secret = read_regular_file(path, SECRET_MAX_BYTES).decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise InvalidSettings(f"The secret in {path} (auth_secret_file) is not UTF-8 text.") from None
    except OSError as error:
        reason = error.strerror or error
        raise InvalidSettings(f"The secret in {path} (auth_secret_file) cannot be read: {reason}.") from error
    return msgspec.structs.replace(settings, auth_secret=secret)


def _decode(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, (str, Path)):
        return Path(value).expanduser()
    raise TypeError(f"Expected a path, got `{type(value).__name__}`")


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for variable, value in environ.items():
        if variable.startswith(PREFIX) and variable != CONFIG_VARIABLE and value != "":
            if _SERVICE_LINK.fullmatch(variable) or (variable == f"{PREFIX}PORT" and _SERVICE_PORT.match(value)):
                continue
            name = variable.removeprefix(PREFIX).lower()
            values[name] = [item.strip() for item in value.split(",")] if name in _LISTS else value
    return values


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_regular_file(path, CONFIG_MAX_BYTES).decode("utf-8-sig"))
    except UnicodeDecodeError:
        # Its text would quote the byte, which may be part of a secret.
        raise InvalidSettings(f"The configuration file {path} cannot be read: it is not UTF-8 text.") from None
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise InvalidSettings(f"The configuration file {path} cannot be read: {error}.") from error


def _checked(values: dict[str, Any], where: str, prefix: str = "") -> dict[str, Any]:
    known = {field.name for field in msgspec.structs.fields(Settings)}
    for name in values:
        if name not in known:
            shown = prefix + name.upper() if prefix else name
            raise InvalidSettings(f"There is no setting {shown} ({where}).")
    return values


def _check_whole(settings: Settings) -> None:
    _check_authentication(settings)
    _check_callers(settings)
    if settings.min_bytes > settings.max_bytes:
        raise InvalidSettings("min_bytes is larger than max_bytes.")
    if _MEMORY in (settings.metadata_kind, settings.blobs_kind) and settings.workers > 1:
        raise InvalidSettings("A store in memory belongs to one worker.")
    if settings.blobs_kind == _S3:
        _s3_location(settings.blobs_url or "")
        if settings.postgres_hold_seconds <= settings.s3_read_seconds:
            raise InvalidSettings("postgres_hold_seconds must be more than s3_read_seconds: a lock outlasts an upload.")
    for kind, url in ((settings.metadata_kind, settings.metadata_url), (settings.blobs_kind, settings.blobs_url)):
        if url is not None and kind in (_SQLITE, _FILE):
            _path("metadata_url" if kind == _SQLITE else "blobs_url", url)


def _scheme(name: str, url: str, known: tuple[str, ...]) -> str:
    scheme = url.partition(":")[0]
    scheme = _POSTGRES if scheme == "postgres" else scheme  # libpq takes both
    if scheme not in known:
        raise InvalidSettings(f"{name} must begin with one of {', '.join(f'{kind}:' for kind in known)}.")
    return scheme


def _check_authentication(settings: Settings) -> None:
    if settings.auth_secret is not None and len(settings.auth_secret.encode()) < SECRET_MIN_BYTES:
        raise InvalidSettings(f"auth_secret is too short to be safe: at least {SECRET_MIN_BYTES} bytes.")
    if settings.auth_secret is not None and settings.auth_jwks is not None:
        raise InvalidSettings("auth_secret and auth_jwks exclude each other.")
    if settings.auth_jwks is not None and settings.auth_jwks.startswith("http:"):
        host = urlsplit(settings.auth_jwks).hostname
        if host not in ("localhost", "127.0.0.1", "::1"):
            raise InvalidSettings("auth_jwks must be fetched over https: whoever can change it can be anybody.")


def _check_callers(settings: Settings) -> None:
    for origin in settings.cors_origins:
        if not _ORIGIN.fullmatch(origin):
            raise InvalidSettings(f"cors_origins takes scheme://host[:port], not {origin!r}.")
    for proxy in settings.trusted_proxies:
        try:
            ip_network(proxy)
        except ValueError as error:
            raise InvalidSettings(f"trusted_proxies takes addresses and networks, not {proxy!r} ({error}).") from error


def _s3_location(url: str) -> S3Location:
    try:
        return S3Location.parse(url)
    except ValueError as error:
        raise InvalidSettings(f"blobs_url is malformed: {error}.") from error


def _path(name: str, url: str) -> Path:
    # sqlite:///relative.db and sqlite:////absolute.db are SQLAlchemy's habit, file:///absolute the RFC's. A path after
    # three slashes is absolute here for both.
    match = re.fullmatch(r"[a-z]+://(/[^?#]+)", url)
    if match is None:
        raise InvalidSettings(f"{name} takes an absolute path: {url.partition(':')[0]}:///PATH.")
    return Path(unquote(match[1]))
