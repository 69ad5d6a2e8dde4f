"""All settings: from flags, else `OBSCURA_BACKUP_*` variables, else a TOML file, else the defaults."""

from __future__ import annotations

import os
import re
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import unquote, urlsplit

import msgspec

from obscura_backup.adapters.azure.location import AzureLocation
from obscura_backup.adapters.gcs.location import GcsLocation
from obscura_backup.adapters.postgres.url import holds_password
from obscura_backup.adapters.s3.location import S3Location
from obscura_backup.domain.errors import StoreUnusable
from obscura_backup.entrypoints.setting_sources import (
    CONFIG_VARIABLE,
    PREFIX,
    InvalidSettings,
    from_environment,
    read_toml,
    require_known,
)
from obscura_backup.entrypoints.signing_secret import FILE_NAME, SECRET_MIN_BYTES, named_secrets, signing_secrets
from obscura_backup.entrypoints.timeouts import Timeouts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from obscura_backup.adapters.object_stores.blobs_url import BucketLocation

SECRET_RECOMMENDED_BYTES = 32
"""RFC 7518 (3.2) requires it; a shorter secret gets a warning."""
STATUS_PASSWORD_MIN_CHARS = 12

_SQLITE = "sqlite"
_POSTGRES = "postgresql"
_FILE = "file"
S3 = "s3"
S3_BY_BOTO3 = "s3+boto3"
GCS = "gs"
AZURE = "az"
_MEMORY = "memory"

_LOCATIONS: dict[str, type[BucketLocation]] = {
    S3: S3Location,
    S3_BY_BOTO3: S3Location,
    GCS: GcsLocation,
    AZURE: AzureLocation,
}


def default_data_dir() -> Path:
    """The default directory of the embedded stores (XDG base directory specification)."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "obscura-backup"


_ORIGIN = re.compile(r"https?://[^/\s?#@]+|\*")

PositiveInt = Annotated[int, msgspec.Meta(ge=1)]
NaturalInt = Annotated[int, msgspec.Meta(ge=0)]
Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
HashPrefix = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{1,64}$")]


class Settings(Timeouts, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The configuration of one service. `setting_descriptions` says what each setting does."""

    data_dir: Path = msgspec.field(default_factory=default_data_dir)
    metadata_url: str | None = None
    postgres_pool: PositiveInt = 16
    blobs_url: str | None = None
    allow_unconditional_blobs: str | None = None
    min_bytes: PositiveInt = 32
    max_bytes: PositiveInt = 2 * 1024 * 1024
    retention_days: Annotated[int, msgspec.Meta(ge=1, le=36_500)] | None = None
    auth_secret: str | None = None
    auth_secret_file: Path | None = None
    auth_jwks: str | None = None
    auth_issuer: str | None = None
    auth_audience: str | None = None
    auth_user_claim: str = "sub"
    auth_leeway_seconds: Annotated[int, msgspec.Meta(ge=0, le=300)] = 30
    host: str = "127.0.0.1"
    port: Port = 8400
    admin_host: str = "127.0.0.1"
    admin_port: Port | None = None
    status_password: str | None = None
    workers: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    cors_origins: tuple[str, ...] = ()
    max_connections: PositiveInt = 1024
    max_connections_per_address: NaturalInt = 512
    max_uploads_per_user: PositiveInt = 8
    upload_memory_bytes: NaturalInt = 64 * 1024 * 1024
    rate_per_user: NaturalInt = 30_000
    rate_per_address: NaturalInt = 3000
    trusted_proxies: tuple[str, ...] = ()
    user_hash_prefixes: tuple[HashPrefix, ...] = ()
    docs: Annotated[str, msgspec.Meta(pattern="^(?i:on|off)$")] = "on"
    log_format: Annotated[str, msgspec.Meta(pattern="^(?i:console|json)$")] = "console"
    log_users: Annotated[str, msgspec.Meta(pattern="^(?i:hash|id)$")] = "hash"
    log_user_key: str | None = None
    log_level: Annotated[str, msgspec.Meta(pattern="^(?i:debug|info|warning|error)$")] = "info"

    def __repr__(self) -> str:
        # Without secrets, and without URLs that may hold one: this may get into a log.
        return f"Settings(host={self.host!r}, port={self.port}, metadata={self.metadata_kind}, blobs={self.blobs_kind})"

    @property
    def has_docs(self) -> bool:
        """Whether the API documentation is served."""
        return self.docs.lower() == "on"

    @property
    def metadata_kind(self) -> str:
        """The kind of metadata store: `sqlite`, `postgresql` or `memory`."""
        return _scheme("metadata_url", self.metadata_url or f"{_SQLITE}:", (_SQLITE, _POSTGRES, _MEMORY))

    @property
    def blobs_kind(self) -> str:
        """The kind of blob store: `file`, `s3`, `s3+boto3`, `gs`, `az` or `memory`."""
        return _scheme("blobs_url", self.blobs_url or f"{_FILE}:", (_FILE, *_LOCATIONS, _MEMORY))

    @property
    def metadata_path(self) -> Path:
        """Path of the SQLite file."""
        return _path("metadata_url", self.metadata_url) if self.metadata_url else self.data_dir / "metadata.sqlite3"

    @property
    def blobs_path(self) -> Path:
        """Path of the blob directory."""
        return _path("blobs_url", self.blobs_url) if self.blobs_url else self.data_dir / "blobs"

    @property
    def has_secret(self) -> bool:
        """Whether a secret is configured. If not, and without a key set, the one in the data directory is used."""
        return self.auth_secret is not None or self.auth_secret_file is not None

    @property
    def secret_path(self) -> Path:
        """The file of the secrets, unless `auth_secret` holds one."""
        return self.auth_secret_file or self.data_dir / FILE_NAME

    def token_secrets(self, *, create: bool = True) -> tuple[str, ...]:
        """The secrets of HS256 tokens, newest first.

        Args:
            create: whether a secret is created in the data directory if that is where it should be.

        Raises:
            StoreUnusable: they cannot be read.
        """
        if self.auth_secret is not None:
            return (self.auth_secret,)
        if self.auth_secret_file is not None:
            return named_secrets(self.auth_secret_file)
        return signing_secrets(self.data_dir, create=create)

    @property
    def uses_data_dir(self) -> bool:
        """Whether a store is in the data directory."""
        return self.metadata_url is None or self.blobs_url is None

    @property
    def has_bucket(self) -> bool:
        """Whether the blob store is an object store, of whichever kind."""
        return self.blobs_kind in _LOCATIONS

    @property
    def bucket_location(self) -> BucketLocation:
        """Where the bucket is; only if there is one."""
        return _bucket_location(self.blobs_kind, self.blobs_url or "")


def load_settings(
    flags: Mapping[str, Any], environ: Mapping[str, str] = os.environ, config: Path | None = None
) -> Settings:
    """Read all sources, with flags first, and check the result as a whole.

    Args:
        flags: from the command line, by setting; None means "not given".
        environ: the environment.
        config: a TOML file; None: the one in `OBSCURA_BACKUP_CONFIG`, if any.

    Raises:
        InvalidSettings: a setting is unknown, malformed, or contradicts another one.
    """
    return load_settings_and_origins(flags, environ, config)[0]


def load_settings_and_origins(
    flags: Mapping[str, Any], environ: Mapping[str, str] = os.environ, config: Path | None = None
) -> tuple[Settings, dict[str, str]]:
    """As `load_settings`, and the source of each setting that does not have its default, for people.

    Raises:
        InvalidSettings: see `load_settings`.
    """
    path = config or (Path(environ[CONFIG_VARIABLE]) if environ.get(CONFIG_VARIABLE) else None)
    _check_flags(flags)
    known = set(Settings.__struct_fields__)
    sources: dict[str, dict[str, Any]] = {
        f"file {path}": require_known(read_toml(path), known, f"in {path}") if path else {},
        "environment": require_known(from_environment(environ), known, "in the environment", prefix=PREFIX),
        "command line": {name: value for name, value in flags.items() if value is not None},
    }
    values = {name: value for found in sources.values() for name, value in found.items()}
    origins = {name: source for source, found in sources.items() for name in found}
    try:
        settings = msgspec.convert(values, Settings, strict=False, dec_hook=_decode)
    except msgspec.ValidationError as error:
        raise InvalidSettings(f"A setting is malformed: {error}.") from error
    _check_consistency(settings)
    return settings, origins


def _check_flags(flags: Mapping[str, Any]) -> None:
    if holds_password(flags.get("metadata_url") or ""):
        raise InvalidSettings(
            "--metadata-url must not hold a password: every user of this machine can read a command line. Give the "
            f"whole URL in {PREFIX}METADATA_URL or in the configuration file. Or leave the password out: PostgreSQL's "
            "client library takes it from PGPASSWORD, or from the file that PGPASSFILE names (by default ~/.pgpass)."
        )


def _decode(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, (str, Path)):
        return Path(value).expanduser()
    raise TypeError(f"Expected a path, got `{type(value).__name__}`")


def _check_consistency(settings: Settings) -> None:
    _check_authentication(settings)
    _check_callers(settings)
    if settings.admin_port and settings.admin_port == settings.port:
        raise InvalidSettings(f"port and admin_port are both {settings.port}: the two listeners need a port each.")
    if settings.min_bytes > settings.max_bytes:
        raise InvalidSettings("min_bytes is larger than max_bytes.")
    if _MEMORY in (settings.metadata_kind, settings.blobs_kind) and settings.workers > 1:
        raise InvalidSettings(f"memory: stores work with workers=1 only (workers is {settings.workers}).")
    if settings.has_bucket:
        _ = settings.bucket_location
        if settings.postgres_hold_seconds <= settings.s3_read_seconds:
            raise InvalidSettings(
                "postgres_hold_seconds must be more than s3_read_seconds, since the lock must outlast the upload."
            )
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
    if settings.auth_secret is not None and settings.auth_secret_file is not None:
        raise InvalidSettings("auth_secret and auth_secret_file exclude each other: set only one.")
    if settings.auth_secret_file is not None:
        try:
            named_secrets(settings.auth_secret_file)
        except StoreUnusable as error:
            raise InvalidSettings(str(error)) from error.__cause__
    if settings.auth_jwks is not None and settings.auth_jwks.startswith("http:"):
        host = urlsplit(settings.auth_jwks).hostname
        if host not in ("localhost", "127.0.0.1", "::1"):
            raise InvalidSettings(
                "auth_jwks must be an https: URL. Anyone who can change the key set can act as any user."
            )


def _check_callers(settings: Settings) -> None:
    if settings.status_password is not None and len(settings.status_password) < STATUS_PASSWORD_MIN_CHARS:
        raise InvalidSettings(
            f"status_password is too short to be safe: at least {STATUS_PASSWORD_MIN_CHARS} characters."
        )
    for origin in settings.cors_origins:
        if not _ORIGIN.fullmatch(origin):
            raise InvalidSettings(f"cors_origins takes scheme://host[:port], not {origin!r}.")
    for proxy in settings.trusted_proxies:
        try:
            ip_network(proxy)
        except ValueError as error:
            raise InvalidSettings(f"trusted_proxies takes addresses and networks, not {proxy!r} ({error}).") from error


def _bucket_location(kind: str, url: str) -> BucketLocation:
    try:
        return _LOCATIONS[kind].parse(url)
    except ValueError as error:
        raise InvalidSettings(f"blobs_url is malformed: {error}.") from error


def _path(name: str, url: str) -> Path:
    # SQLAlchemy writes sqlite:///relative.db and sqlite:////absolute.db, the RFC file:///absolute. Here a path after
    # three slashes is absolute for both.
    match = re.fullmatch(r"[a-z]+://(/[^?#]+)", url)
    if match is None:
        raise InvalidSettings(f"{name} needs an absolute path: {url.partition(':')[0]}:///PATH.")
    return Path(unquote(match[1]))
