"""The management listener: which requests reach it, and what it answers."""

from __future__ import annotations

import os

import pytest

from obscura_backup import __version__
from obscura_backup.adapters.memory import MemoryBlobStore, MemoryMetadataStore
from obscura_backup.domain.errors import BlobStoreUnavailable
from support.servers.in_process.app import App, fail_with
from support.table import table

pytestmark = pytest.mark.filterwarnings("ignore::litestar.exceptions.LitestarDeprecationWarning")
ADMIN_PORT = 8401


@pytest.fixture
def app() -> App:
    return App(admin_port=ADMIN_PORT)


async def test_metrics_are_text(app: App) -> None:
    answer = await app.ask("GET", "/metrics", port=ADMIN_PORT)
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert b"obscura_backup_requests_total" in answer.body


@table("values", [{}, {"admin_port": ADMIN_PORT}])
async def test_public_listener_has_no_metrics(values: dict[str, int]) -> None:
    headers = {"host": f"127.0.0.1:{ADMIN_PORT}"}
    assert (await App(**values).ask("GET", "/metrics", headers=headers)).code == "not-found"


@table("path", ["/v1/backup", "/v1/config", "/docs"])
async def test_management_listener_has_no_public_path(app: App, path: str) -> None:
    assert (await app.ask("GET", path, port=ADMIN_PORT)).code == "not-found"


async def test_readiness_names_the_kind_of_each_store(app: App) -> None:
    answer = await app.ask("GET", "/health/ready", port=ADMIN_PORT)
    well = {"kind": "memory", "status": "ok", "error": None}
    assert answer.status == 200
    assert answer.json == {"status": "ok", "version": __version__, "pid": os.getpid(), "metadata": well, "blobs": well}


@pytest.mark.parametrize(
    ("cause", "told"), [(None, "No answer."), (OSError("connection refused"), "No answer. (connection refused)")]
)
async def test_readiness_tells_why_a_store_is_unavailable(
    app: App, monkeypatch: pytest.MonkeyPatch, cause: Exception | None, told: str
) -> None:
    error = BlobStoreUnavailable("No answer.")
    error.__cause__ = cause
    fail_with(monkeypatch, MemoryBlobStore, "check", error)
    answer = await app.ask("GET", "/health/ready", port=ADMIN_PORT)
    assert (answer.status, answer.json["blobs"]) == (503, {"kind": "memory", "status": "unavailable", "error": told})
    assert b"No answer" not in (await app.ask("GET", "/health/ready")).body


async def test_readiness_tells_of_a_store_that_is_silent(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(monkeypatch, MemoryMetadataStore, "check", TimeoutError())
    answer = await app.ask("GET", "/health/ready", port=ADMIN_PORT)
    assert (answer.status, answer.json["status"]) == (200, "degraded")
    assert answer.json["metadata"]["error"] == "There was no answer in time."


async def test_announced_stop_closes_its_connections(app: App) -> None:
    app.stopping.announced = True
    answer = await app.ask("GET", "/health/ready", port=ADMIN_PORT)
    assert (answer.status, answer.json["status"], answer.headers["connection"]) == (503, "stopping", "close")
