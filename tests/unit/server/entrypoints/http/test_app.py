"""What the whole application answers to requests for a backup, over stores in memory."""

from __future__ import annotations

import base64
import hashlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from contracts import samples
from obscura_backup.adapters.memory import MemoryBlobStore, MemoryMetadataStore
from obscura_backup.domain.errors import BackupDamaged, BackupLost, MetadataUnavailable
from support.servers.in_process.app import App, fail_with
from support.table import table

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from obscura_backup.domain.model import UserId

pytestmark = pytest.mark.filterwarnings("ignore::litestar.exceptions.LitestarDeprecationWarning")
BLOB = bytes(range(100))
DIGEST = f"sha-256=:{base64.b64encode(hashlib.sha256(BLOB).digest()).decode()}:"


@pytest.fixture(scope="module")
def app() -> App:
    return App(max_bytes=1000, rate_per_address=100_000)


@pytest.fixture
def user() -> UserId:
    """A user of this test alone."""
    return samples.user()


@pytest.fixture
async def stored(app: App, user: UserId) -> App:
    """The application with one backup of this user, of version 1."""
    assert (await app.ask("POST", "/v1/backup", BLOB, user=user)).status == 200
    return app


async def test_answer_to_an_upload_describes_the_stored_backup(app: App, user: UserId) -> None:
    answer = await app.ask("POST", "/v1/backup", BLOB[:40], BLOB[40:], user=user)
    assert answer.status == 200
    assert {name: answer.headers[name] for name in ("etag", "cache-control")} == {
        "etag": '"1"',
        "cache-control": "no-store",
    }
    assert set(answer.json) == {"version", "size", "sha256", "updated_at"}
    assert (answer.json["version"], answer.json["size"]) == (1, 100)
    assert answer.json["sha256"] == hashlib.sha256(BLOB).hexdigest()


async def test_download_has_the_whole_backup_and_its_headers(stored: App, user: UserId) -> None:
    answer = await stored.ask("GET", user=user)
    assert (answer.status, answer.body) == (200, BLOB)
    date = answer.headers["last-modified"]
    assert answer.headers == {
        "etag": '"1"',
        "content-length": "100",
        "content-type": "application/octet-stream",
        "repr-digest": DIGEST,
        "last-modified": date,
        "accept-ranges": "bytes",
        "cache-control": "private, no-store",
        "x-request-id": answer.headers["x-request-id"],
    }
    head = await stored.ask("HEAD", user=user)
    same = {**answer.headers, "x-request-id": head.headers["x-request-id"]}
    assert (head.status, head.headers, head.body) == (200, same, b"")


@table(
    ("field", "part", "told"),
    [("bytes=0-0", BLOB[:1], "bytes 0-0/100"), ("bytes=90-", BLOB[90:], "bytes 90-99/100"),
     ("bytes=-1", BLOB[99:], "bytes 99-99/100"), ("bytes=0-999", BLOB, "bytes 0-99/100")],
)  # fmt: skip
async def test_partial_answer_has_a_content_range(
    stored: App, user: UserId, field: str, part: bytes, told: str
) -> None:
    answer = await stored.ask("GET", user=user, headers={"Range": field})
    assert (answer.status, answer.body, answer.headers["content-range"]) == (206, part, told)
    assert answer.headers["content-length"] == str(len(part))
    assert answer.headers["repr-digest"] == DIGEST


async def test_range_beyond_the_end_is_refused(stored: App, user: UserId) -> None:
    answer = await stored.ask("GET", user=user, headers={"Range": "bytes=100-"})
    assert (answer.status, answer.code, answer.headers["content-range"]) == (
        416,
        "range-not-satisfiable",
        "bytes */100",
    )
    assert answer.json["size"] == 100


@table(("known", "status"), [('"1"', 304), ('W/"1"', 304), ("*", 304), ('"2"', 200)])
@table("method", ["GET", "HEAD"])
async def test_known_version_is_not_sent_again(stored: App, user: UserId, method: str, known: str, status: int) -> None:
    for more in ({}, {"Range": "bytes=0-0"} if status == 304 else {}):
        answer = await stored.ask(method, user=user, headers={"If-None-Match": known, **more})
        assert (answer.status, answer.headers["etag"]) == (status, '"1"')
        if status == 304:
            assert (answer.body, answer.headers["cache-control"]) == (b"", "private, no-store")


@table(("validator", "status"), [('"1"', 206), ('"2"', 200), ('W/"1"', 200)])
async def test_range_applies_to_the_version_in_if_range_only(
    stored: App, user: UserId, validator: str, status: int
) -> None:
    answer = await stored.ask("GET", user=user, headers={"Range": "bytes=0-0", "If-Range": validator})
    assert answer.status == status


@table(
    ("method", "headers", "status", "code"),
    [
        ("POST", {"If-Match": '"7"'}, 409, "version-mismatch"),
        ("POST", {}, 409, "version-mismatch"),
        ("DELETE", {"If-Match": "2"}, 409, "version-mismatch"),
        ("DELETE", {}, 428, "precondition-required"),
        ("DELETE", {"If-Match": "x"}, 400, "malformed-header"),
        ("POST", {"If-Match": '"1"', "Content-Encoding": "gzip"}, 415, "unsupported-media-type"),
        ("POST", {"If-Match": '"1"', "Transfer-Encoding": "gzip, chunked"}, 415, "unsupported-media-type"),
        ("POST", {"If-Match": '"1"', "Content-Type": " Multipart/form-data"}, 415, "unsupported-media-type"),
        ("POST", {"If-Match": '"1"', "Content-Digest": "sha-256=:AAAA:"}, 400, "malformed-header"),
        ("POST", {"If-Match": '"1"', "Content-Digest": DIGEST.replace("=:", "=:A", 1)}, 400, "malformed-header"),
    ],
)
async def test_a_refusal_is_a_problem_document(
    stored: App, user: UserId, method: str, headers: dict[str, str], status: int, code: str
) -> None:
    answer = await stored.ask(method, "/v1/backup", BLOB[::-1], user=user, headers=headers)
    assert (answer.status, answer.code, answer.json["status"]) == (status, code, status)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    if status == 409:
        assert (answer.headers["etag"], answer.json["current_version"]) == ('"1"', 1)


@pytest.mark.parametrize("headers", [{"Content-Encoding": " Identity "}, {"Transfer-Encoding": "Chunked"}, {}])
async def test_body_without_a_content_coding_is_stored(app: App, user: UserId, headers: dict[str, str]) -> None:
    assert (await app.ask("POST", "/v1/backup", BLOB, user=user, headers=headers)).status == 200


async def test_body_with_another_digest_than_declared_is_not_stored(app: App, user: UserId) -> None:
    answer = await app.ask("POST", "/v1/backup", BLOB[::-1], user=user, headers={"Content-Digest": DIGEST})
    assert (answer.status, answer.code) == (400, "digest-mismatch")
    assert (await app.ask("GET", user=user)).status == 404
    assert (await app.ask("POST", "/v1/backup", BLOB, user=user, headers={"Content-Digest": DIGEST})).status == 200


@pytest.mark.parametrize(
    ("size", "status", "facts"),
    [(31, 400, {"size": 31, "min_bytes": 32}), (32, 200, {}), (1000, 200, {}), (1001, 413, {"max_bytes": 1000})],
)
@pytest.mark.parametrize("is_declared", [True, False])
async def test_sizes_of_a_body(
    app: App, user: UserId, size: int, status: int, facts: dict[str, int], *, is_declared: bool
) -> None:
    headers = {"Content-Length": str(size)} if is_declared else {}
    answer = await app.ask("POST", "/v1/backup", bytes(size), user=user, headers=headers)
    assert answer.status == status
    if facts:
        assert {name: answer.json[name] for name in facts} == facts


async def test_declared_size_over_the_limit_is_refused_before_reading(app: App, user: UserId) -> None:
    answer = await app.ask("POST", "/v1/backup", user=user, headers={"Content-Length": "1001"})
    assert answer.status == 413


async def test_body_shorter_than_declared_is_not_stored(app: App, user: UserId) -> None:
    answer = await app.ask("POST", "/v1/backup", user=user, headers={"Content-Length": "100"})
    assert (answer.status, answer.code) == (400, "blob-too-small")
    assert (await app.ask("GET", user=user)).status == 404


async def test_deletion_has_an_empty_answer_and_may_be_repeated(stored: App, user: UserId) -> None:
    answer = await stored.ask("DELETE", user=user, headers={"If-Match": '"1"'})
    assert (answer.status, answer.body) == (204, b"")
    again = await stored.ask("GET", user=user)
    assert (again.status, again.code) == (404, "backup-not-found")
    assert (await stored.ask("DELETE", user=user, headers={"If-Match": '"1"'})).status == 204


async def test_each_user_has_a_separate_backup(stored: App) -> None:
    assert (await stored.ask("GET", user=samples.user(2))).status == 404


@table(
    ("headers", "challenge"),
    [
        ({}, 'Bearer realm="obscura-backup"'),
        ({"Authorization": "Bearer a.b.c"}, 'Bearer realm="obscura-backup", error="invalid_token"'),
        ({"Authorization": "Basic YTpi"}, 'Bearer realm="obscura-backup", error="invalid_token"'),
    ],
)
@table("method", ["GET", "HEAD", "POST", "DELETE"])
async def test_missing_or_invalid_token_is_challenged(
    app: App, method: str, headers: dict[str, str], challenge: str
) -> None:
    answer = await app.ask(method, headers=headers)
    assert (answer.status, answer.headers["www-authenticate"]) == (401, challenge)


@pytest.mark.parametrize(
    ("failure", "status", "code", "facts"),
    [
        (BackupDamaged(), 500, "backup-damaged", {}),
        (BackupLost(version=samples.revision(3).version), 500, "backup-lost", {"version": 3}),
    ],
)
async def test_damaged_and_lost_backups_have_their_own_problems(
    stored: App,
    user: UserId,
    monkeypatch: pytest.MonkeyPatch,
    failure: Exception,
    status: int,
    code: str,
    facts: dict[str, int],
) -> None:
    fail_with(monkeypatch, MemoryBlobStore, "open", failure)
    answer = await stored.ask("GET", user=user)
    assert (answer.status, answer.code) == (status, code)
    assert {name: answer.json[name] for name in facts} == facts


@asynccontextmanager
async def unavailable(*names: Any) -> AsyncIterator[None]:
    """A lock of a store that is down."""
    if names:
        raise MetadataUnavailable
    yield


@pytest.mark.parametrize(
    ("method", "outcome"), [("GET", None), ("HEAD", None), ("POST", "not-stored"), ("DELETE", "not-stored")]
)
async def test_unavailable_store_is_a_503_with_the_outcome_of_a_change(
    stored: App, user: UserId, monkeypatch: pytest.MonkeyPatch, method: str, outcome: str | None
) -> None:
    for kind, name in ((MemoryMetadataStore, "get"), (MemoryBlobStore, "open"), (MemoryBlobStore, "stat")):
        fail_with(monkeypatch, kind, name, MetadataUnavailable())
    monkeypatch.setattr(MemoryMetadataStore, "locked", unavailable)
    answer = await stored.ask(method, "/v1/backup", BLOB[::-1], user=user, headers={"If-Match": '"1"'})
    assert (answer.status, int(answer.headers["retry-after"]) > 0) == (503, True)
    if method != "HEAD":
        assert answer.json.get("outcome") == outcome


async def test_unexpected_error_is_logged_and_hidden_from_the_client(
    stored: App, user: UserId, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fail_with(monkeypatch, MemoryBlobStore, "open", ZeroDivisionError("a secret"))
    answer = await stored.ask("GET", user=user)
    assert (answer.status, answer.code) == (500, "internal-error")
    assert b"a secret" not in answer.body
    assert "ZeroDivisionError: a secret" in caplog.text
