"""Google Cloud Storage: the URL, the client and its credentials, and generations as tags."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import obstore
import pytest

from obscura_backup.adapters.gcs import backend as gcs
from obscura_backup.adapters.gcs.backend import GcsBackend
from obscura_backup.adapters.gcs.location import GcsLocation
from obscura_backup.adapters.object_stores.errors import TransientFailure, failure_of_put
from obscura_backup.adapters.object_stores.failed_request import Failure
from obscura_backup.adapters.object_stores.obstore_driver.errors import DRIVER_ERRORS, failed_request
from obscura_backup.domain.errors import StoreUnusable
from obscura_backup.domain.model import Tag
from support.servers.in_process.threaded_server import Recorder
from support.servers.programs.native import free_port
from support.table import table

if TYPE_CHECKING:
    from pathlib import Path

    from obstore.store import ObjectStore


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The arguments that obstore gets."""
    given: dict[str, Any] = {}
    monkeypatch.setattr(gcs, "GCSStore", lambda bucket, **named: given.update(bucket=bucket, **named))
    return given


def make(url: str, read_timeout_seconds: float | None = 10) -> ObjectStore:
    location = GcsLocation.parse(url)
    return GcsBackend(location).make_store(connect_timeout_seconds=2, read_timeout_seconds=read_timeout_seconds)


@table(
    ("url", "location"),
    [
        ("gs://obscura", GcsLocation("obscura")),
        ("gs://obscura_backups.example/", GcsLocation("obscura_backups.example")),
        ("gs://obscura?endpoint=http://127.0.0.1:4443", GcsLocation("obscura", "http://127.0.0.1:4443")),
    ],
)
def test_location(url: str, location: GcsLocation) -> None:
    assert GcsLocation.parse(url) == location


@table(
    "url",
    [
        "s3://hush-hush",
        "gs://",
        "gs://Hush",
        "gs://obscura/hush",
        "gs://key:hush@obscura",
        "gs://obscura#hush",
        "gs://obscura?region=hush",
        "gs://obscura?endpoint=hush:4443",
        "gs://obscura?endpoint=http://key:hush@host",
        "gs://obscura?endpoint=http://host:hush",
        "gs://obscura?endpoint=http://one&endpoint=http://two",
    ],
)
def test_anything_else_is_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        GcsLocation.parse(url)
    assert "hush" not in str(refused.value).lower()


def test_nothing_is_repeated_and_no_request_ends_while_it_goes_on(made: dict[str, Any]) -> None:
    make("gs://bucket")
    assert (made["bucket"], made["base_url"]) == ("bucket", "https://storage.googleapis.com")
    assert made["retry_config"]["max_retries"] == 0
    options = made["client_options"]
    assert (options["connect_timeout"], options["read_timeout"]) == (timedelta(seconds=2), timedelta(seconds=10))
    assert options["timeout"] >= timedelta(hours=1)
    assert "root_certificate" not in options


def test_authority_of_the_operators_choice_is_trusted(
    made: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "authority").write_bytes(b"an authority")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority"))
    make("gs://bucket", None)
    assert made["client_options"]["root_certificate"] == b"an authority"
    assert "read_timeout" not in made["client_options"]


@pytest.mark.parametrize(
    ("query", "is_anonymous"),
    [
        ("", False),
        ("?endpoint=https://private.example", False),
        ("?endpoint=HTTPS://private.example", False),
        ("?endpoint=http://127.0.0.1:4443", True),
        ("?endpoint=HTTP://127.0.0.1:4443", True),
    ],
)
def test_credentials_go_to_servers_with_tls_only(made: dict[str, Any], query: str, *, is_anonymous: bool) -> None:
    make(f"gs://bucket{query}")
    assert ("credential_provider" in made) is is_anonymous
    if is_anonymous:
        assert made["credential_provider"]() == {"token": "anonymous", "expires_at": None}


async def test_credentials_of_this_machine_change_nothing_of_that(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = tmp_path / "key.json"
    user = {"type": "authorized_user", "client_id": "a", "client_secret": "hush", "refresh_token": "hush"}
    key.write_text(json.dumps(user))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    with Recorder() as server:
        store = make(f"gs://bucket?endpoint=http://127.0.0.1:{server.port}")
        await obstore.put_async(store, "key", b"x", mode="create", use_multipart=False)
    ((path, headers),) = server.requests
    assert (path, headers["authorization"]) == ("/bucket/key", "Bearer anonymous")


def test_server_with_tls_cannot_lead_to_one_without(made: dict[str, Any]) -> None:
    """Such as by a redirect."""
    make("gs://bucket")
    assert made["client_options"]["allow_http"] is False
    make("gs://bucket?endpoint=http://127.0.0.1:4443")
    assert made["client_options"]["allow_http"] is True


def test_file_of_credentials_that_cannot_be_used_is_told_and_not_quoted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = tmp_path / "key.json"
    key.write_text(json.dumps({"type": "service_account", "private_key": "hush", "client_email": "a@b"}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    with pytest.raises(StoreUnusable, match="GOOGLE_APPLICATION_CREDENTIALS") as refused:
        make("gs://bucket")
    assert "hush" not in str(refused.value)


async def test_missing_token_is_no_answer_of_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GCE_METADATA_HOST", "GCE_METADATA_ROOT", "GCE_METADATA_IP"):
        monkeypatch.setenv(name, f"127.0.0.1:{free_port()}")
    monkeypatch.setenv("HOME", "/nonexistent")
    store = make(f"gs://bucket?endpoint=https://127.0.0.1:{free_port()}")
    with pytest.raises(DRIVER_ERRORS) as raised:
        await obstore.put_async(store, "key", b"x", mode="create", use_multipart=False)
    failed = failed_request(raised.value, "PutObject")
    assert failed.failure is Failure.NO_CREDENTIALS
    assert "service account" in str(failure_of_put(failed, GcsBackend(GcsLocation("bucket")).advice))


def test_generation_is_the_tag_and_the_condition() -> None:
    backend = GcsBackend(GcsLocation("bucket"))
    assert backend.tag_of({"e_tag": '"abc"', "version": "1732"}) == Tag("1732")
    assert backend.condition_on(Tag("1732")) == {"version": "1732"}
    assert backend.condition_on(None) == "create"
    with pytest.raises(TransientFailure, match="generation"):
        backend.tag_of({"e_tag": '"abc"', "version": None})


@table(
    ("code", "hint"),
    [("NoSuchBucket", "gs://bucket`"), ("AccessDenied", "storage.objects.create"), ("401", "GOOGLE_APPLICATION")],
)
def test_refusal_names_the_way_out(code: str, hint: str) -> None:
    assert hint in GcsBackend(GcsLocation("bucket")).advice.by_code[code]
