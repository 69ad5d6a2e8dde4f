"""`/status`: whom it answers, and in which form."""

from __future__ import annotations

import base64

import msgspec
import pytest

from obscura_backup.adapters.memory import MemoryBlobStore
from obscura_backup.domain.errors import BlobStoreUnavailable
from obscura_backup.entrypoints.http.routes.status import ATTEMPTS_PER_MINUTE
from obscura_backup.entrypoints.http.status.page import HEADERS
from obscura_backup.entrypoints.http.status.report import Report
from support.servers.in_process.app import Answer, App, fail_with
from support.table import table

pytestmark = pytest.mark.filterwarnings("ignore::litestar.exceptions.LitestarDeprecationWarning")
ADMIN_PORT = 8401
PASSWORD = "a pass:word with ümlaut"


@pytest.fixture(scope="module")
def app() -> App:
    return App(admin_port=ADMIN_PORT, status_password=PASSWORD)


def basic(password: str, user: str = "anyone") -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


async def ask(app: App, authorization: str | None = None, accept: str | None = None, method: str = "GET") -> Answer:
    given = {"authorization": authorization, "accept": accept}
    headers = {name: value for name, value in given.items() if value is not None}
    return await app.ask(method, "/status", headers=headers, port=ADMIN_PORT)


async def test_without_a_password_there_is_no_page() -> None:
    assert (await ask(App(admin_port=ADMIN_PORT), basic(""))).code == "not-found"


async def test_public_listener_has_no_page(app: App) -> None:
    assert (await app.ask("GET", "/status", headers={"authorization": basic(PASSWORD)})).code == "not-found"


@table(
    "authorization",
    [
        None,
        basic("wrong"),
        basic(PASSWORD + "x"),
        basic(""),
        "Basic ???",
        "Basic",
        f"Bearer {PASSWORD}",
        basic(PASSWORD).removeprefix("Basic "),
    ],
)
async def test_request_without_the_password_gets_the_challenge(app: App, authorization: str | None) -> None:
    answer = await ask(app, authorization)
    assert (answer.status, answer.code) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == 'Basic realm="Obscura Backup status", charset="UTF-8"'
    assert b"memory" not in answer.body


@table("authorization", [basic(PASSWORD), basic(PASSWORD, ""), basic(PASSWORD).replace("Basic", "basic")])
async def test_password_opens_the_page_for_any_user_name(app: App, authorization: str) -> None:
    answer = await ask(app, authorization)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert {name: answer.headers[name.lower()] for name in HEADERS} == HEADERS
    assert answer.body.startswith(b"<!DOCTYPE html>")


async def test_wrong_passwords_are_throttled_and_right_ones_are_not() -> None:
    app = App(admin_port=ADMIN_PORT, status_password=PASSWORD)
    for _ in range(ATTEMPTS_PER_MINUTE + 1):
        assert (await ask(app, basic(PASSWORD))).status == 200
        assert (await ask(app)).status == 401
    for _ in range(ATTEMPTS_PER_MINUTE):
        assert (await ask(app, basic("wrong"))).status == 401
    refused = await ask(app, basic(PASSWORD))
    assert (refused.status, refused.code) == (429, "too-many-requests")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert (await app.ask("GET", "/metrics", port=ADMIN_PORT)).status == 200


async def test_json_is_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    app = App(admin_port=ADMIN_PORT, status_password=PASSWORD)
    fail_with(monkeypatch, MemoryBlobStore, "check", BlobStoreUnavailable("No answer."))
    answer = await ask(app, basic(PASSWORD), "application/json")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    report = msgspec.json.decode(answer.body, type=Report)
    metadata, blobs = report.stores
    assert (metadata.name, metadata.kind, metadata.status, metadata.error) == ("metadata", "memory", "ok", None)
    assert (blobs.name, blobs.kind, blobs.status, blobs.error) == ("blobs", "memory", "unavailable", "No answer.")
    assert metadata.since is not None
    assert abs(report.at - metadata.since) < 60
    assert report.status == "critical"


async def test_only_get_is_served(app: App) -> None:
    answer = await ask(app, basic(PASSWORD), method="POST")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, OPTIONS")
