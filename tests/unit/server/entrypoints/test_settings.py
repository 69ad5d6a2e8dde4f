from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from obscura_backup.domain.errors import StoreUnusable
from obscura_backup.entrypoints.setting_sources import InvalidSettings
from obscura_backup.entrypoints.settings import Settings, load_settings
from obscura_backup.entrypoints.signing_secret import signing_secrets
from support.table import table

if TYPE_CHECKING:
    from collections.abc import Mapping

SECRET = "a secret of thirty-two bytes or more"


def load(environ: Mapping[str, str] | None = None, config: Path | None = None, **flags: Any) -> Settings:
    return load_settings(flags, environ or {}, config)


def toml(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "settings.toml"
    path.write_text(text)
    return path


def test_defaults_are_the_embedded_stores() -> None:
    settings = load(data_dir=Path("/data"))
    assert (settings.metadata_kind, settings.metadata_path) == ("sqlite", Path("/data/metadata.sqlite3"))
    assert (settings.blobs_kind, settings.blobs_path) == ("file", Path("/data/blobs"))
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 8400, 1)


def test_flags_beat_the_environment_beats_the_file(tmp_path: Path) -> None:
    path = toml(tmp_path, 'port = 1\nworkers = 2\nhost = "::1"\n')
    environ = {"OBSCURA_BACKUP_PORT": "3", "OBSCURA_BACKUP_WORKERS": "4"}
    settings = load(environ, path, port=5)
    assert (settings.port, settings.workers, settings.host) == (5, 4, "::1")


def test_file_named_by_the_environment(tmp_path: Path) -> None:
    path = toml(tmp_path, "port = 9000\n")
    assert load({"OBSCURA_BACKUP_CONFIG": str(path)}).port == 9000


def test_flag_that_was_not_given_overrides_nothing() -> None:
    assert load({"OBSCURA_BACKUP_PORT": "3"}, port=None).port == 3


def test_empty_variable_is_one_that_is_not_set() -> None:
    assert load({"OBSCURA_BACKUP_PORT": ""}).port == 8400


def test_data_directory_from_every_source(tmp_path: Path) -> None:
    assert load({"OBSCURA_BACKUP_DATA_DIR": "/data"}).data_dir == Path("/data")
    assert load(config=toml(tmp_path, 'data_dir = "/data"\n')).data_dir == Path("/data")
    assert load({"OBSCURA_BACKUP_DATA_DIR": "~/data"}).data_dir == Path.home() / "data"
    with pytest.raises(InvalidSettings, match="data_dir"):
        load(config=toml(tmp_path, "data_dir = 7\n"))


def test_what_kubernetes_sets_beside_a_service_of_our_name_is_not_meant_for_us() -> None:
    links = {
        "OBSCURA_BACKUP_SERVICE_HOST": "10.0.0.1",
        "OBSCURA_BACKUP_SERVICE_PORT": "8400",
        "OBSCURA_BACKUP_SERVICE_PORT_HTTP": "8400",
        "OBSCURA_BACKUP_PORT": "tcp://10.0.0.1:8400",
        "OBSCURA_BACKUP_PORT_8400_TCP": "tcp://10.0.0.1:8400",
        "OBSCURA_BACKUP_PORT_8400_TCP_PROTO": "tcp",
    }
    assert load(links).port == 8400


@table("origin", ["https://a.example/", "a.example", "https://a.example/path", "ftp://a", "null"])
def test_what_is_no_origin(origin: str) -> None:
    with pytest.raises(InvalidSettings, match="cors_origins"):
        load({"OBSCURA_BACKUP_CORS_ORIGINS": origin})


def test_list_in_a_variable() -> None:
    settings = load({"OBSCURA_BACKUP_CORS_ORIGINS": "https://a.example, https://b.example"})
    assert settings.cors_origins == ("https://a.example", "https://b.example")


def test_trusted_proxies_in_a_variable() -> None:
    settings = load({"OBSCURA_BACKUP_TRUSTED_PROXIES": "10.0.0.0/8, ::1"})
    assert settings.trusted_proxies == ("10.0.0.0/8", "::1")
    assert load().trusted_proxies == ()


def test_hash_prefixes_in_a_variable() -> None:
    settings = load({"OBSCURA_BACKUP_USER_HASH_PREFIXES": "0, 3f,a"})
    assert settings.user_hash_prefixes == ("0", "3f", "a")


@table("prefixes", ["0,", "3F", "3g", "0x3", "0 1", "0" * 65])
def test_hash_prefixes_are_hexadecimal_digits_in_lower_case(prefixes: str) -> None:
    with pytest.raises(InvalidSettings, match="user_hash_prefixes"):
        load({"OBSCURA_BACKUP_USER_HASH_PREFIXES": prefixes})


@table("variable", ["OBSCURA_BACKUP_PROT", "OBSCURA_BACKUP_", "OBSCURA_BACKUP_MAX_BYTE"])
def test_unknown_variable(variable: str) -> None:
    with pytest.raises(InvalidSettings, match=f"no setting {variable}"):
        load({variable: "1"})


@table(
    ("given", "meant"),
    [("PROT", "PORT"), ("MAX_BYTE", "MAX_BYTES"), ("LOGLEVEL", "LOG_LEVEL"), ("AUTH_SECRETFILE", "AUTH_SECRET_FILE")],
)
def test_misspelt_variable_is_told_with_the_nearest_name(given: str, meant: str) -> None:
    with pytest.raises(InvalidSettings, match=rf"OBSCURA_BACKUP_{given} .*Did you mean OBSCURA_BACKUP_{meant}\?"):
        load({f"OBSCURA_BACKUP_{given}": "1"})


def test_misspelt_key_is_told_with_the_nearest_key(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match=r"Did you mean max_bytes\?"):
        load(config=toml(tmp_path, "MaxBytes = 7\n"))


def test_name_that_is_like_no_other_gets_no_guess() -> None:
    with pytest.raises(InvalidSettings, match="`obscura-backup settings` lists all") as refused:
        load({"OBSCURA_BACKUP_QQQQ": "1"})
    assert "Did you mean" not in str(refused.value)


def test_unknown_key(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="no setting prot "):
        load(config=toml(tmp_path, "prot = 8400\n"))


def test_malformed_value() -> None:
    cases: list[tuple[str, str]] = [
        ("PORT", "eighty"),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("WORKERS", "0"),
        ("MAX_BYTES", "0"),
        ("MAX_BYTES", "2MB"),
        ("LOG_LEVEL", "loud"),
        ("METADATA_URL", "mysql://x"),
        ("METADATA_URL", "sqlite://x"),
        ("METADATA_URL", "sqlite:///x?mode=ro"),
        ("BLOBS_URL", "ftp://x"),
        ("BLOBS_URL", "file:relative"),
        ("BLOBS_URL", "s3://"),
        ("BLOBS_URL", "s3://Bucket_Name"),
        ("BLOBS_URL", "s3://key:secret@bucket"),
        ("BLOBS_URL", "s3://bucket?secret=x"),
        ("BLOBS_URL", "s3://bucket?endpoint=ftp://x"),
        ("BLOBS_URL", "gs://bucket?region=x"),
        ("BLOBS_URL", "az://Container"),
        ("AUTH_SECRET", "short"),
        ("AUTH_JWKS", "http://keys.example/jwks.json"),
        ("RATE_PER_USER", "-1"),
        ("RATE_PER_ADDRESS", "60/m"),
        ("UPLOAD_MEMORY_BYTES", "-1"),
        ("TRUSTED_PROXIES", "proxy.example"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("TRUSTED_PROXIES", "10.0.0.0/8,"),
        ("TRUSTED_PROXIES", "*"),
    ]
    for name, value in cases:
        with pytest.raises(InvalidSettings):
            load({f"OBSCURA_BACKUP_{name}": value})


@table(
    "flags",
    [
        {"min_bytes": 100, "max_bytes": 99},
        {"port": 8400, "admin_port": 8400},
        {"admin_port": 65536},
        {"auth_secret": SECRET, "auth_secret_file": "/secrets"},
        {"metadata_url": "memory:", "workers": 2},
    ],
)
def test_contradictions(flags: dict[str, Any]) -> None:
    with pytest.raises(InvalidSettings):
        load(**flags)


@table("text", ["port = ", "\x00", "port 8400"])
def test_malformed_file(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidSettings, match="cannot be read"):
        load(config=toml(tmp_path, text))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="cannot be read"):
        load(config=tmp_path / "nowhere.toml")


def test_no_secret_is_shown() -> None:
    settings = load({"OBSCURA_BACKUP_AUTH_SECRET": SECRET})
    assert SECRET not in repr(settings)
    assert SECRET not in str(settings)


def test_secret_is_made_once_and_private(tmp_path: Path) -> None:
    first = signing_secrets(tmp_path / "new")
    assert signing_secrets(tmp_path / "new") == first
    assert len(first[0]) >= 32
    path = tmp_path / "new" / "auth-secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["auth-secret"]


def test_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    signing_secrets(tmp_path)
    (tmp_path / "auth-secret").chmod(0o640)
    with pytest.raises(StoreUnusable, match="chmod 600"):
        signing_secrets(tmp_path)


def test_damaged_secret_is_refused(tmp_path: Path) -> None:
    signing_secrets(tmp_path)
    (tmp_path / "auth-secret").write_text("")
    with pytest.raises(StoreUnusable, match="damaged"):
        signing_secrets(tmp_path)


@table(("value", "has_docs"), [(None, True), ("on", True), ("ON", True), ("off", False), ("Off", False)])
def test_docs_are_on_unless_they_are_switched_off(value: str | None, *, has_docs: bool) -> None:
    environment = {"OBSCURA_BACKUP_DOCS": value} if value else {}
    assert load_settings({}, environment).has_docs is has_docs


@table(
    ("name", "value"),
    [("DOCS", "maybe"), ("MAX_CONNECTIONS_PER_ADDRESS", "-1"), ("MAX_CONNECTIONS", "0"), ("START_SECONDS", "0")],
)
def test_bounds_at_the_http_edge_are_checked(name: str, value: str) -> None:
    with pytest.raises(InvalidSettings, match=name.lower()):
        load_settings({}, {f"OBSCURA_BACKUP_{name}": value})
