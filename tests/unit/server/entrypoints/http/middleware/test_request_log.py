"""One log event per request, and its id in the log, the answer and the problem document."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from contracts import samples
from obscura_backup.adapters.memory import MemoryBlobStore, MemoryMetadataStore
from obscura_backup.domain.errors import BackupDamaged, BlobStoreUnavailable, MetadataUnavailable
from obscura_backup.entrypoints.http.middleware.request_log import pseudonyms
from obscura_backup.entrypoints.logs import JsonFormatter
from support.servers.in_process.app import SECRET, App, fail_with
from support.table import table

pytestmark = pytest.mark.filterwarnings("ignore::litestar.exceptions.LitestarDeprecationWarning")
USER = samples.user(1)
BLOB = bytes(100)
PROXY = {"trusted_proxies": ("192.0.2.1",)}
"""The peer of the requests of `App`."""

if TYPE_CHECKING:
    Lines = Any


@pytest.fixture(scope="module")
def app() -> App:
    return App()


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Any:
    """Gives the events of requests so far, as JSON has them, and forgets them."""
    caplog.set_level(logging.DEBUG, logger="obscura_backup")

    def taken() -> list[dict[str, Any]]:
        records = [record for record in caplog.records if record.name == "obscura_backup.requests"]
        caplog.clear()
        return [json.loads(JsonFormatter().format(record)) for record in records]

    return taken


async def test_upload_and_download_are_logged_with_sizes_and_a_pseudonym(app: App, lines: Lines) -> None:
    uploaded = await app.ask("POST", "/v1/backup", BLOB, user=USER)
    await app.ask("GET", user=USER)
    upload, download = lines()
    key = hmac.digest(SECRET.encode(), b"users in the log", "sha256")
    name = hashlib.blake2s(USER.bytes, key=hashlib.sha256(key).digest(), digest_size=6).hexdigest()
    assert upload.pop("duration_ms") >= 0
    assert upload.pop("time")
    assert upload == {
        "event": "request",
        "level": "INFO",
        "logger": "obscura_backup.requests",
        "request_id": uploaded.headers["x-request-id"],
        "method": "POST",
        "route": "/v1/backup",
        "status": 200,
        "bytes_in": 100,
        "bytes_out": len(uploaded.body),
        "user": name,
    }
    assert (download["bytes_in"], download["bytes_out"], download["user"]) == (0, 100, name)
    assert download["request_id"] != upload["request_id"]


@pytest.mark.parametrize(
    ("values", "expected"), [({"log_users": "id"}, str(USER)), ({"log_user_key": "a key"}, pseudonyms(b"a key")(USER))]
)
async def test_users_are_named_as_the_settings_say(lines: Lines, values: dict[str, str], expected: str) -> None:
    await App(**values).ask("GET", user=USER)
    (line,) = lines()
    assert line["user"] == expected


async def test_stranger_and_unknown_path_have_no_user_and_one_label(app: App, lines: Lines) -> None:
    await app.ask("GET")
    await app.ask("GET", f"/made/up/{USER}")
    refused, unknown = lines()
    assert ("user" in refused, refused["error"]) == (False, "unauthenticated")
    assert (unknown["route"], unknown["status"]) == ("other", 404)


@pytest.mark.parametrize(
    ("store", "method", "failure", "call", "request_method"),
    [
        (MemoryBlobStore, "put", BlobStoreUnavailable(), "blobs put", "POST"),
        (MemoryBlobStore, "open", BlobStoreUnavailable(), "blobs get", "GET"),
        (MemoryMetadataStore, "get", MetadataUnavailable(), "metadata get", "GET"),
    ],
)
async def test_failed_call_to_a_store_is_named_with_its_cause(
    lines: Lines, monkeypatch: pytest.MonkeyPatch, store: Any, method: str, failure: Any, call: str, request_method: str
) -> None:
    failure.__cause__ = OSError("connection refused by 192.0.2.7")
    fail_with(monkeypatch, store, method, failure)
    answer = await App().ask(request_method, "/v1/backup", BLOB, user=USER)
    (line,) = lines()
    assert (line["status"], line["level"], line["failed_call"], line["error"]) == (503, "INFO", call, failure.code)
    assert line["cause"] == f"{failure} (connection refused by 192.0.2.7)"
    assert b"192.0.2.7" not in answer.body


async def test_error_that_is_no_outage_is_a_warning(app: App, lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(monkeypatch, MemoryBlobStore, "open", BackupDamaged())
    await app.ask("GET", user=USER)
    (line,) = lines()
    assert (line["status"], line["level"], line["error"]) == (500, "WARNING", "backup-damaged")


async def test_health_checks_are_logged_at_debug(app: App, lines: Lines) -> None:
    await app.ask("GET", "/health/live")
    (line,) = lines()
    assert (line["level"], line["route"]) == ("DEBUG", "/health/live")


@table(
    ("method", "path", "headers", "status"),
    [("GET", "/none", {}, 404), ("GET", "/v1/backup", {}, 401), ("PUT", "/v1/backup", {}, 405), ("GET", "//", {}, 400)],
)
async def test_problem_document_has_the_request_id(
    app: App, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    answer = await app.ask(method, path, headers=headers)
    assert (answer.status, answer.json["request_id"]) == (status, answer.headers["x-request-id"])


async def test_problem_document_of_a_bug_has_the_request_id(
    app: App, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fail_with(monkeypatch, MemoryBlobStore, "open", ZeroDivisionError())
    answer = await app.ask("GET", user=USER)
    request_id = answer.headers["x-request-id"]
    assert (answer.status, answer.json["request_id"]) == (500, request_id)
    (failed,) = [record for record in caplog.records if record.exc_info]
    assert f'"request_id":"{request_id}"' in JsonFormatter().format(failed)


@pytest.mark.parametrize(
    ("values", "given", "taken"),
    [
        (PROXY, "0123456789abcdef0123456789abcdef", True),
        (PROXY, "a" * 64, True),
        (PROXY, "a" * 65, False),
        (PROXY, 'a"b', False),
        ({}, "0123456789abcdef0123456789abcdef", False),
    ],
)
async def test_request_id_is_taken_from_trusted_proxies_only(
    lines: Lines, values: dict[str, Any], given: str, *, taken: bool
) -> None:
    answer = await App(**values).ask("GET", "/v1/config", headers={"X-Request-Id": given})
    assert (answer.headers["x-request-id"] == given) is taken
    assert lines()[0]["request_id"] == answer.headers["x-request-id"]
