"""What the whole application answers outside the handlers of a backup: paths, health, CORS and rate limits."""

from __future__ import annotations

import pytest

from contracts import samples
from obscura_backup.adapters.memory import MemoryBlobStore, MemoryMetadataStore
from obscura_backup.domain.errors import BlobStoreUnavailable, MetadataUnavailable
from support.servers.in_process.app import App, fail_with
from support.table import table

pytestmark = pytest.mark.filterwarnings("ignore::litestar.exceptions.LitestarDeprecationWarning")
USER = samples.user(1)


@pytest.fixture(scope="module")
def app() -> App:
    return App(max_bytes=1000)


@table(
    ("path", "methods"),
    [
        ("/v1/backup", "DELETE, GET, HEAD, OPTIONS, POST"),
        ("/v1/config", "GET, HEAD, OPTIONS"),
        ("/health/live", "GET, HEAD, OPTIONS"),
        ("/health/ready", "GET, HEAD, OPTIONS"),
        ("/docs", "GET, OPTIONS"),
        ("/docs/openapi.json", "GET, OPTIONS"),
    ],
)
async def test_allow_header_lists_the_methods_of_a_path(app: App, path: str, methods: str) -> None:
    asked = await app.ask("OPTIONS", path)
    assert (asked.status, asked.headers["allow"], asked.body) == (204, methods, b"")
    refused = await app.ask("PATCH", path)
    assert (refused.status, refused.headers["allow"], refused.code) == (405, methods, "method-not-allowed")
    assert "connection" not in refused.headers


@table("path", ["/v1//backup", "/v1/backup/", "/v1/%62ackup", "//"])
async def test_other_spellings_of_a_path_are_refused(app: App, path: str) -> None:
    answer = await app.ask("GET", path, user=USER)
    assert (answer.status, answer.code, answer.headers["connection"]) == (400, "bad-request", "close")


async def test_unknown_path_is_not_found(app: App) -> None:
    assert (await app.ask("GET", "/v2/backup")).code == "not-found"
    assert (await app.ask("GET", "/")).status == 404


@table("method", ["GET", "HEAD"])
@table("path", ["/v1/config", "/health/live", "/health/ready"])
async def test_probes_may_use_head(app: App, method: str, path: str) -> None:
    assert (await app.ask(method, path)).status == 200


async def test_configuration_has_limits_and_retention(app: App) -> None:
    answer = await app.ask("GET", "/v1/config")
    assert answer.json == {"min_bytes": 32, "max_bytes": 1000, "retention": {"versions": 1, "days": None}}
    assert answer.headers["cache-control"] == "public, max-age=300"


async def test_clients_are_told_after_how_many_days_a_backup_may_be_deleted() -> None:
    answer = await App(retention_days=400).ask("GET", "/v1/config")
    assert answer.json["retention"] == {"versions": 1, "days": 400}


async def test_readiness_has_a_status_and_the_state_of_each_store(monkeypatch: pytest.MonkeyPatch) -> None:
    app = App()
    well = await app.ask("GET", "/health/ready")
    assert (well.status, well.json) == (200, {"status": "ok", "metadata": "ok", "blobs": "ok"})
    assert well.headers["cache-control"] == "no-store"
    fail_with(monkeypatch, MemoryBlobStore, "check", BlobStoreUnavailable())
    ill = await App().ask("GET", "/health/ready")  # the first one keeps its answer for a second
    assert (ill.status, ill.json) == (503, {"status": "unavailable", "metadata": "ok", "blobs": "unavailable"})
    assert (await app.ask("GET", "/health/live")).json == {"status": "ok"}


async def test_service_that_can_only_hand_out_backups_is_ready_and_degraded(monkeypatch: pytest.MonkeyPatch) -> None:
    app = App()
    fail_with(monkeypatch, MemoryMetadataStore, "check", MetadataUnavailable())
    degraded = await app.ask("GET", "/health/ready")
    assert (degraded.status, degraded.json) == (200, {"status": "degraded", "metadata": "unavailable", "blobs": "ok"})
    app.stopping.announced = True
    stopping = await app.ask("GET", "/health/ready")
    assert (stopping.status, stopping.json["status"]) == (503, "stopping")


async def test_announced_stop_fails_readiness_and_closes_connections() -> None:
    app = App()
    app.stopping.announced = True
    answer = await app.ask("GET", "/health/ready")
    assert (answer.status, answer.json["status"], answer.headers["connection"]) == (503, "stopping", "close")


@table(("docs", "status"), [("on", 200), ("off", 404)])
async def test_docs_are_served_if_the_setting_is_on(docs: str, status: int) -> None:
    app = App(docs=docs, max_bytes=99)
    assert (await app.ask("GET", "/docs")).status == status
    described = await app.ask("GET", "/docs/openapi.json")
    assert described.status == status
    if status == 200:
        body = described.json["paths"]["/v1/backup"]["post"]["requestBody"]["content"]["application/octet-stream"]
        assert body["schema"]["maxLength"] == 99


ORIGIN = "https://app.example"


async def test_allowed_origin_gets_the_cors_headers() -> None:
    app = App(cors_origins=(ORIGIN,))
    asked = await app.ask(
        "OPTIONS",
        headers={
            "Origin": ORIGIN,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization, if-match",
        },
    )
    assert asked.status == 204
    assert asked.headers["access-control-allow-origin"] == ORIGIN
    assert asked.headers["access-control-max-age"] == "600"
    assert {"GET", "HEAD", "POST", "DELETE"} <= set(asked.headers["access-control-allow-methods"].split(", "))
    answer = await app.ask("GET", headers={"Origin": ORIGIN})
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (401, ORIGIN)
    exposed = {name.strip().lower() for name in answer.headers["access-control-expose-headers"].split(",")}
    kept = {"etag", "repr-digest", "last-modified", "content-range", "accept-ranges", "retry-after", "x-request-id"}
    assert exposed == kept


async def test_requests_over_the_rate_are_refused_with_retry_after() -> None:
    app = App(rate_per_user=2, rate_per_address=2)
    for who in ({"user": USER}, {}):
        statuses = [await app.ask("GET", **who) for _ in range(5)]  # type: ignore[arg-type] # of one kind each
        assert statuses[-1].status == 429
        assert statuses[-1].code == "too-many-requests"
        assert 0 < int(statuses[-1].headers["retry-after"]) <= 60


async def test_malformed_head_is_refused_with_the_fault_that_the_server_found(app: App) -> None:
    answer = await app.ask("GET", head_fault=(505, "Not this version."))
    assert (answer.status, answer.code, answer.json["detail"]) == (
        505,
        "http-version-not-supported",
        "Not this version.",
    )
    assert answer.headers["connection"] == "close"
