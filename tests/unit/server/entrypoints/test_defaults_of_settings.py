"""All settings: their defaults, their bounds, and the table that describes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from tools.generate_settings_page import PAGE, rendered

from obscura_backup.entrypoints.setting_descriptions import SECTIONS, described
from obscura_backup.entrypoints.setting_sources import InvalidSettings
from obscura_backup.entrypoints.settings import Settings, default_data_dir, load_settings
from support.table import table

DEFAULTS: dict[str, Any] = {
    "metadata_url": None,
    "postgres_pool": 16,
    "blobs_url": None,
    "allow_unconditional_blobs": None,
    "min_bytes": 32,
    "max_bytes": 2_097_152,
    "retention_days": None,
    "auth_secret": None,
    "auth_secret_file": None,
    "auth_jwks": None,
    "auth_issuer": None,
    "auth_audience": None,
    "auth_user_claim": "sub",
    "auth_leeway_seconds": 30,
    "host": "127.0.0.1",
    "port": 8400,
    "admin_host": "127.0.0.1",
    "admin_port": None,
    "status_password": None,
    "workers": 1,
    "cors_origins": (),
    "max_connections": 1024,
    "max_connections_per_address": 512,
    "max_uploads_per_user": 8,
    "upload_memory_bytes": 67_108_864,
    "rate_per_user": 30_000,
    "rate_per_address": 3000,
    "trusted_proxies": (),
    "user_hash_prefixes": (),
    "docs": "on",
    "log_format": "console",
    "log_users": "hash",
    "log_user_key": None,
    "log_level": "info",
    "lock_seconds": 5,
    "postgres_connect_seconds": 2,
    "postgres_wait_seconds": 3,
    "postgres_answer_seconds": 3,
    "postgres_hold_seconds": 60,
    "s3_connect_seconds": 2,
    "s3_read_seconds": 10,
    "s3_wait_seconds": 3,
    "s3_ping_seconds": 2,
    "jwks_seconds": 5,
    "ready_seconds": 2,
    "start_seconds": 120,
    "notice_seconds": 1,
    "drain_seconds": 30,
}
S3 = "s3://bucket?endpoint=http://localhost:9"


def load(**values: Any) -> Settings:
    return load_settings({}, {f"OBSCURA_BACKUP_{name.upper()}": str(value) for name, value in values.items()})


def test_defaults_of_all_settings() -> None:
    found = msgspec.structs.asdict(load_settings({}, {}))
    assert {name: value for name, value in found.items() if name != "data_dir"} == DEFAULTS


def test_data_directory_follows_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/xdg")
    assert load_settings({}, {}).data_dir == Path("/xdg/obscura-backup")
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert default_data_dir() == Path("/home/someone/.local/share/obscura-backup")


def test_number_at_its_bound_is_accepted() -> None:
    cases: list[tuple[str, float, float]] = [
        ("port", 0, 65_535),
        ("workers", 1, 64),
        ("auth_leeway_seconds", 0, 300),
        ("postgres_connect_seconds", 2, 3600),
        ("s3_read_seconds", 0.001, 3600),
        ("notice_seconds", 0, 3600),
        ("postgres_pool", 1, 10_000),
        ("max_connections", 1, 1_000_000),
        ("max_connections_per_address", 0, 1_000_000),
        ("max_uploads_per_user", 1, 1000),
        ("upload_memory_bytes", 0, 1 << 40),
        ("rate_per_user", 0, 1_000_000),
        ("rate_per_address", 0, 1_000_000),
        ("min_bytes", 1, 100),
        ("retention_days", 1, 36_500),
    ]
    for name, least, most in cases:
        assert getattr(load(**{name: least}), name) == least
        assert getattr(load(**{name: most}), name) == most


def test_number_beyond_its_bound_is_refused_by_name() -> None:
    cases: list[tuple[str, float]] = [
        ("port", 65_536),
        ("workers", 65),
        ("auth_leeway_seconds", -1),
        ("auth_leeway_seconds", 301),
        ("postgres_connect_seconds", 1),
        ("postgres_connect_seconds", 3601),
        ("s3_read_seconds", 0),
        ("notice_seconds", -0.1),
        ("notice_seconds", 3601),
        ("postgres_pool", 0),
        ("max_uploads_per_user", 0),
        ("min_bytes", 0),
        ("retention_days", 0),
        ("retention_days", 36_501),
    ]
    for name, value in cases:
        with pytest.raises(InvalidSettings, match=name):
            load(**{name: value})


@table(("hold", "is_taken"), [(10, False), (10.5, True)])
def test_lock_must_outlast_the_wait_for_the_blob_store(hold: float, *, is_taken: bool) -> None:
    given = {"blobs_url": S3, "s3_read_seconds": 10, "postgres_hold_seconds": hold}
    if is_taken:
        assert load(**given).postgres_hold_seconds == hold
    else:
        with pytest.raises(InvalidSettings, match="postgres_hold_seconds must be more than s3_read_seconds"):
            load(**given)


def test_lock_need_not_outlast_an_unused_blob_store() -> None:
    assert load(postgres_hold_seconds=5, s3_read_seconds=10).postgres_hold_seconds == 5


@table(("length", "is_taken"), [(15, False), (16, True)])
def test_the_shortest_secret_has_16_bytes(length: int, *, is_taken: bool) -> None:
    if is_taken:
        assert load(auth_secret="s" * length).auth_secret == "s" * length
    else:
        with pytest.raises(InvalidSettings, match="at least 16 bytes"):
            load(auth_secret="s" * length)


def test_the_shortest_password_of_the_status_page_has_12_characters() -> None:
    assert load(status_password="ü" * 12).status_password == "ü" * 12
    with pytest.raises(InvalidSettings, match="at least 12 characters") as refused:
        load(status_password="secret11111")
    assert "secret" not in str(refused.value)


def test_bounds_of_a_blob_may_be_equal() -> None:
    settings = load(min_bytes=100, max_bytes=100)
    assert (settings.min_bytes, settings.max_bytes) == (100, 100)


@table(("metadata", "blobs"), [("memory:", None), (None, "memory:"), ("memory:", "memory:")])
def test_store_in_memory_allows_one_worker_only(metadata: str | None, blobs: str | None) -> None:
    given = {name: url for name, url in (("metadata_url", metadata), ("blobs_url", blobs)) if url}
    assert load(**given, workers=1).workers == 1
    with pytest.raises(InvalidSettings, match="memory: stores work with workers=1 only"):
        load(**given, workers=2)


@table(
    ("metadata", "blobs", "uses"),
    [(None, None, True), ("memory:", None, True), (None, "memory:", True), ("memory:", "memory:", False)],
)
def test_data_directory_is_used_if_a_store_has_no_url(metadata: str | None, blobs: str | None, *, uses: bool) -> None:
    given = {name: url for name, url in (("metadata_url", metadata), ("blobs_url", blobs)) if url}
    assert load(**given).uses_data_dir is uses


@table("jwks", ["https://keys.example/jwks", "http://localhost:1/a", "http://127.0.0.1/a", "http://[::1]/a", "/a/file"])
def test_key_set_that_others_cannot_change_on_its_way(jwks: str) -> None:
    assert load(auth_jwks=jwks).auth_jwks == jwks


@table("scheme", ["postgres", "postgresql"])
def test_both_spellings_of_postgresql(scheme: str) -> None:
    assert load(metadata_url=f"{scheme}://localhost/db").metadata_kind == "postgresql"


def test_paths_of_embedded_stores_elsewhere() -> None:
    settings = load(metadata_url="sqlite:///a%20file.db", blobs_url="file:///a/folder")
    assert (settings.metadata_path, settings.blobs_path) == (Path("/a file.db"), Path("/a/folder"))


def test_what_is_shown_of_settings_is_where_and_what_kind() -> None:
    settings = load(metadata_url="postgresql://someone:secret@localhost/db", blobs_url=S3, host="::1", port=7)
    assert repr(settings) == "Settings(host='::1', port=7, metadata=postgresql, blobs=s3)"


DESCRIPTIONS = [each for section in SECTIONS for each in section.settings]


def test_each_setting_is_described_once() -> None:
    fields = {field.name for field in msgspec.structs.fields(Settings)}
    assert sorted(each.name for each in DESCRIPTIONS) == sorted(fields)


def test_shown_defaults_are_the_real_ones() -> None:
    defaults = msgspec.structs.asdict(Settings())
    shown = {each.name: each.default.strip("`") for each in DESCRIPTIONS}
    real = {
        name: f"{value:g}" if isinstance(value, float) else str(value)
        for name, value in defaults.items()
        if value not in (None, ()) and not isinstance(value, Path)
    }
    assert {name: shown[name] for name in real} == real


def test_documentation_is_up_to_date() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert rendered(page) == page, "run tools/generate_settings_page.py"


def test_generated_tables_replace_what_was_there() -> None:
    page = rendered("# Title\n\nText.\n\n## Stores\n\nAn older text.\n")
    assert page.startswith("# Title\n\nText.\n\n## Stores\n\n| variable |")
    assert "| `OBSCURA_BACKUP_DOCS` | on | `off`: nothing is served under `/docs` |" in page
    assert r"`addressing=auto\|path\|virtual`" in page
    assert "An older" not in page


def test_help_of_a_flag_is_a_sentence_with_the_default() -> None:
    assert described("host") == "Address to listen on. Default: 127.0.0.1."
    assert described("auth_issuer") == "Required value of iss."
    assert described("docs") == "off: nothing is served under /docs. Default: on."
